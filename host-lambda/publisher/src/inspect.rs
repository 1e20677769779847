//! What a component is, without running it.

use star_contract::{CONTRACT_VERSION, SERVED_VERSIONS, side_to_update};
use totesys_sandbox::Digest;
use wasmparser::{Parser, Payload};

/// What a star exports, without its version.
const TRANSFORM: &str = "totesys:star/transform@";

/// The one thing a star may import, without its version.
const LOG: &str = "totesys:star/log@";

/// What a component shows from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// The version of the contract it was built against.
    pub contract: String,
    /// The full names of what it imports, such as `totesys:star/log@0.2.0`.
    pub imports: Vec<String>,
}

/// A file that is no component of a star.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// It is a core module, or nothing of WebAssembly.
    #[error("this is no WebAssembly component: {0}")]
    NotAComponent(&'static str),
    /// It is damaged, or uses what is not known here.
    #[error("the component cannot be read")]
    Unreadable(#[source] wasmparser::BinaryReaderError),
    /// It wants something of its host that no star may have.
    #[error("the component imports `{import}`; a star may import nothing but `totesys:star/log`")]
    ForbiddenImport {
        /// The import's full name.
        import: String,
    },
    /// It exports no transform.
    #[error("the component does not export `totesys:star/transform`")]
    NoTransform,
    /// It was built against a contract that is not served.
    #[error(
        "the component was built against totesys:star {found}, and this version serves {}",
        SERVED_VERSIONS.join(" and ")
    )]
    OtherContract {
        /// The contract's version.
        found: String,
    },
}

impl InspectError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotAComponent(_) => {
                "a core module has to be made a component first: `cargo xtask transform build` does both".to_owned()
            }
            Self::Unreadable(_) => "was it copied whole? build it again".to_owned(),
            Self::ForbiddenImport { import } if import.starts_with("wasi:") => {
                "build it for wasm32-unknown-unknown, or stub its WASI imports: a star has no clock, files or randomness"
                    .to_owned()
            }
            Self::ForbiddenImport { .. } => {
                format!("build it against totesys:star {CONTRACT_VERSION} with the author kit")
            }
            Self::NoTransform => side_to_update(None).to_owned(),
            Self::OtherContract { found } => side_to_update(Some(found)).to_owned(),
        })
    }
}

/// Reads what a component imports and exports, and refuses what is no star's.
///
/// # Errors
/// When it is no component, imports what no star may, or was built against a contract that is not served.
pub fn inspect(component: &[u8]) -> Result<Inspected, InspectError> {
    let Surface { imports, exports } = surface(component)?;
    let contract = exports.iter().find_map(|name| name.strip_prefix(TRANSFORM)).ok_or(InspectError::NoTransform)?;
    if !SERVED_VERSIONS.contains(&contract) {
        return Err(InspectError::OtherContract { found: contract.to_owned() });
    }
    if let Some(import) = imports.iter().find(|import| import.strip_prefix(LOG) != Some(contract)) {
        return Err(InspectError::ForbiddenImport { import: import.clone() });
    }
    let (digest, bytes) = (Digest::of(component), component.len() as u64);
    Ok(Inspected { digest, bytes, contract: contract.to_owned(), imports })
}

/// The names at a component's outside.
struct Surface {
    imports: Vec<String>,
    exports: Vec<String>,
}

fn surface(component: &[u8]) -> Result<Surface, InspectError> {
    if Parser::is_core_wasm(component) {
        return Err(InspectError::NotAComponent("it is a core module"));
    }
    if !Parser::is_component(component) {
        return Err(InspectError::NotAComponent("it does not begin as one"));
    }
    let mut surface = Surface { imports: Vec::new(), exports: Vec::new() };
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(InspectError::Unreadable)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Those of the components and modules inside are met from within.
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    surface.imports.push(import.map_err(InspectError::Unreadable)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    surface.exports.push(export.map_err(InspectError::Unreadable)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(surface)
}
