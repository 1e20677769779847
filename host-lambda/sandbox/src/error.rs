//! What can go wrong with a component.

use std::fmt;

use star_contract::DescriptionError;

use crate::Digest;

/// Where it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The star.
    pub star: String,
    /// The component's digest.
    pub component: Digest,
    /// The batch, if one was under way.
    pub batch: Option<u64>,
    /// The call: `describe`, `finish` or the pushed table's name.
    pub call: String,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.component.to_string();
        write!(f, "star `{}` (component {}…)", self.star, &digest[..12])?;
        if let Some(batch) = self.batch {
            write!(f, ", batch {batch}")?;
        }
        write!(f, ", call `{}`", self.call)
    }
}

/// A limit a component can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitName {
    /// `memory_bytes`
    Memory,
    /// `table_elements`
    Table,
    /// `call_milliseconds`
    Time,
    /// The call stack.
    Stack,
    /// `lifted_bytes`
    Lifted,
    /// `output_rows_factor` and `output_rows_floor`
    OutputRows,
    /// `output_bytes_factor` and `output_bytes_floor`
    OutputBytes,
    /// Different reason codes.
    ReasonCodes,
    /// `fuel`
    Fuel,
    /// `instances`
    Instances,
    /// `tables`
    Tables,
    /// Linear memories.
    Memories,
}

impl LimitName {
    /// The setting that raises it.
    fn setting(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("memory_bytes"),
            Self::Table => Some("table_elements"),
            Self::Time => Some("call_milliseconds"),
            Self::Stack => None,
            Self::Lifted => Some("lifted_bytes"),
            Self::OutputRows => Some("output_rows_floor"),
            Self::OutputBytes => Some("output_bytes_floor"),
            Self::Fuel => Some("fuel"),
            Self::Instances => Some("instances"),
            Self::Tables => Some("tables"),
            Self::ReasonCodes | Self::Memories => None,
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "linear memory, in bytes",
            Self::Table => "table elements",
            Self::Time => "wall time of a call, in milliseconds",
            Self::Stack => "the call stack",
            Self::Lifted => "bytes given back by a call",
            Self::OutputRows => "output rows of a batch",
            Self::OutputBytes => "output bytes of a batch",
            Self::ReasonCodes => "different reason codes of a batch",
            Self::Fuel => "fuel of a batch",
            Self::Instances => "core instances",
            Self::Tables => "tables",
            Self::Memories => "linear memories",
        })
    }
}

/// A failure of a component, or of the engine that runs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A limit was exceeded.
    #[error("{context}: over the limit of {limit} ({allowed}{})", asked.map(|n| format!(", asked for {n}")).unwrap_or_default())]
    Limit {
        /// Where.
        context: Box<Context>,
        /// Which limit.
        limit: LimitName,
        /// What it allows.
        allowed: u64,
        /// What was asked for, where that is known.
        asked: Option<u64>,
    },
    /// The component trapped.
    #[error("{context}: the component trapped")]
    Trapped {
        /// Where.
        context: Box<Context>,
        /// The engine's words.
        #[source]
        source: wasmtime::Error,
    },
    /// The component gave up on the batch.
    #[error("{context}: the component gave up on the batch")]
    GaveUp {
        /// Where.
        context: Box<Context>,
        /// Its own words: row data, for a local terminal only.
        words: RowData,
    },
    /// The component gave back something the contract does not allow.
    #[error("{context}: the component broke the contract: {problem}")]
    Malformed {
        /// Where.
        context: Box<Context>,
        /// What it broke.
        problem: &'static str,
    },
    /// The description cannot be used.
    #[error("{context}: {source}")]
    Description {
        /// Where.
        context: Box<Context>,
        /// What is wrong with it.
        #[source]
        source: DescriptionError,
    },
    /// The component imports what the contract does not offer, or exports something else.
    #[error("star `{star}`: the component does not fit the contract")]
    Contract {
        /// The star.
        star: String,
        /// The engine's words.
        #[source]
        source: wasmtime::Error,
    },
    /// The component was built against a contract that is not served here.
    #[error(
        "star `{star}`: the component was built against {}, and this host serves {}",
        found.as_ref().map_or_else(|| "no contract of ours".to_owned(), |found| format!("totesys:star {found}")),
        star_contract::SERVED_VERSIONS.join(" and ")
    )]
    OtherContract {
        /// The star.
        star: String,
        /// The contract's version, if it exports one.
        found: Option<String>,
    },
    /// The artefact is not what a trusted publisher signed.
    #[error("star `{star}` (component {component}): the compiled artefact is refused: {problem}")]
    Unverified {
        /// The star.
        star: String,
        /// The component's digest.
        component: Digest,
        /// Why.
        problem: &'static str,
    },
    /// The artefact was compiled for another engine.
    #[error("star `{star}`: the artefact was compiled for engine `{found}`, this is `{expected}`")]
    OtherEngine {
        /// The star.
        star: String,
        /// This engine.
        expected: String,
        /// The artefact's.
        found: String,
    },
    /// A signing key cannot be made or read.
    #[error("the publisher's key cannot be made or read")]
    Key,
    /// The engine itself failed.
    #[error("the WebAssembly engine failed")]
    Engine(#[source] wasmtime::Error),
}

impl SandboxError {
    /// Whether the component ran and is to blame; otherwise it was never let in, or the engine failed.
    #[must_use]
    pub fn is_the_components(&self) -> bool {
        matches!(self, Self::Limit { .. } | Self::Trapped { .. } | Self::GaveUp { .. } | Self::Malformed { .. })
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Limit { context, limit, .. } => Some(match limit.setting() {
                Some(setting) if context.star.is_empty() => {
                    format!("raise `{setting}` under [sandbox] if the component should be allowed more")
                }
                Some(setting) => format!(
                    "raise `{setting}` under [stars.{}.sandbox], or [sandbox] for all, if the component should be allowed more",
                    context.star
                ),
                None if *limit == LimitName::Memories => "a component has one linear memory".to_owned(),
                None if *limit == LimitName::ReasonCodes => {
                    "reason codes are short constants and no place for values: the component has to be mended"
                        .to_owned()
                }
                None => "the component recurses too deeply: it has to be mended".to_owned(),
            }),
            Self::Trapped { .. } | Self::Malformed { .. } | Self::Description { .. } => Some(
                "the component has to be mended; the batch waits and is transformed once one that works is live".into(),
            ),
            Self::GaveUp { .. } => Some("run the batch locally to read the component's own words".into()),
            Self::Contract { .. } => Some(format!(
                "build it against totesys:star {}; it may import nothing but `log`",
                star_contract::CONTRACT_VERSION
            )),
            Self::OtherContract { found, .. } => Some(star_contract::side_to_update(found.as_deref()).to_owned()),
            Self::Unverified { .. } => {
                Some("publish the component again, with a key whose public half is in the settings".into())
            }
            Self::OtherEngine { .. } => {
                Some("publish the component again, so that it is compiled for this engine".into())
            }
            Self::Key => Some("the key file is a PKCS#8 document; remove it to have a new one made".into()),
            Self::Engine(_) => None,
        }
    }
}

/// Text that comes from a component, and so from the rows it saw: its `Debug` shows none of it.
#[derive(Clone)]
pub struct RowData(pub String);

impl fmt::Debug for RowData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes of row data>", self.0.len())
    }
}
