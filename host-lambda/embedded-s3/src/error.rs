//! What can go wrong before the server serves.

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder's server could not be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedS3Error {
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The credentials file holds something else.
    #[error("{} does not hold a key pair", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: serde_json::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The object store refused its folder.
    #[error("{} cannot hold buckets", folder.display())]
    Store {
        /// The folder.
        folder: PathBuf,
        /// Why it failed.
        source: Box<s3s::S3Error>,
    },
    /// The server could not be started.
    #[error("the local S3 server cannot start")]
    Start(#[source] io::Error),
    /// Another process holds the folder's lock but serves nothing.
    #[error("another process holds {} but no server answers there", folder.display())]
    Silent {
        /// The folder.
        folder: PathBuf,
    },
}

impl EmbeddedS3Error {
    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { path, .. } => {
                Some(format!("check that {} exists, is yours and has space left", path.display()))
            }
            Self::Credentials { path, .. } => {
                Some(format!("delete {}: a new key pair is made at the next start", path.display()))
            }
            Self::Silent { .. } => Some("another run is starting or stopping there: wait for it, or end it".to_owned()),
            Self::Random | Self::Store { .. } | Self::Start(_) => None,
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}
