//! From a core module to a component, and what a component asks of its host.

use anyhow::Result;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// Makes a core module, which carries its WIT world, into a validated component.
pub(super) fn from_module(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// The full names of what a component imports, such as `totesys:star/log@0.1.0`.
///
/// # Errors
/// When these bytes are no component.
pub(crate) fn imports(component: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Those of the components and modules inside are met from within.
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}
