//! What keeps a component from going live.

use std::path::PathBuf;

use star_contract::DescriptionError;
use totesys_lake::LakeError;
use totesys_sandbox::{Digest, SandboxError};

use crate::{CompileError, InspectError};

/// A publication that did not come about; what was live stays live.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A file is no component of a star.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// A component cannot be compiled.
    #[error("component {digest}")]
    Compile {
        /// Its digest.
        digest: Digest,
        /// Why.
        #[source]
        source: CompileError,
    },
    /// A component cannot be used.
    #[error(transparent)]
    Component(#[from] SandboxError),
    /// Two of the components are for one star.
    #[error("two components are for the star `{0}`")]
    StarTwice(String),
    /// The stars that would be live cannot be so together.
    #[error("the stars cannot be live together: {0}")]
    Together(#[source] DescriptionError),
    /// The lake refused.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Another publisher was faster.
    #[error("another publisher put catalog record {0} live meanwhile")]
    Overtaken(u64),
    /// A catalog record names a component that no trusted publisher ever signed for.
    #[error("star `{star}`: no trusted publisher signed for component {digest}, so it is not signed now")]
    Unvouched {
        /// The star.
        star: String,
        /// The component's digest.
        digest: String,
    },
    /// Code that was to go live is not stored any more.
    #[error("the code of component {digest} was deleted while it was being published")]
    Collected {
        /// The component's digest.
        digest: String,
    },
    /// The folder of compiled components cannot be used.
    #[error("the folder of compiled components cannot be used: `{}`", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing was published yet.
    #[error("nothing was ever published into this lake")]
    EmptyCatalog,
    /// There is no such catalog record.
    #[error("there is no catalog record {0}")]
    NoRecord(u64),
    /// There is nothing to go back to.
    #[error("no earlier catalog record has other components than the live one, {0}")]
    NothingBefore(u64),
}

impl PublishError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Inspect(error) => error.hint(),
            Self::Compile { .. } => Some("it uses what the engine does not allow: build it with the author kit".into()),
            Self::Component(error) => error.hint(),
            Self::StarTwice(_) => Some("publish one component per star".into()),
            Self::Together(_) => {
                Some("make the new component describe it as the live stars do, or publish all of them at once".into())
            }
            Self::Lake(error) => error.hint(),
            Self::Overtaken(_) => Some("look at what is live now, then publish again".into()),
            Self::Unvouched { .. } => {
                Some("find out who wrote the catalog record; publish the component's file if it is to be live".into())
            }
            Self::Collected { .. } => Some("somebody ran `transform gc`: publish again".into()),
            Self::Cache { .. } => Some("is it writable, and is there room?".into()),
            Self::EmptyCatalog => Some("publish a component first".into()),
            Self::NoRecord(_) | Self::NothingBefore(_) => {
                Some("`cargo xtask transform log` lists the records there are".into())
            }
        }
    }
}
