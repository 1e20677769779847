//! Compiled components, kept in a folder: compiling takes a second or more.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use totesys_sandbox::{Digest, EngineKey};

use crate::PublishError;

/// The folder.
pub(crate) struct Cache(PathBuf);

impl Cache {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// What is kept of a component for an engine.
    pub(crate) fn find(&self, component: Digest, engine: &EngineKey) -> Result<Option<Vec<u8>>, PublishError> {
        let path = self.path(component, engine);
        match fs::read(&path) {
            Ok(kept) => {
                let code = unsealed(kept);
                if code.is_none() {
                    tracing::warn!("a kept compiled component is damaged and is compiled again");
                }
                Ok(code)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PublishError::Cache { path, source }),
        }
    }

    /// Keeps compiled code. It is written beside and renamed, so that nobody reads half of it.
    pub(crate) fn keep(&self, component: Digest, engine: &EngineKey, code: &[u8]) -> Result<(), PublishError> {
        static DRAFTS: AtomicU32 = AtomicU32::new(0);
        let path = self.path(component, engine);
        let draft = format!("{}-{}.new", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed));
        let draft = path.with_extension(draft);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&draft, sealed(code))?;
            fs::rename(&draft, &path)
        };
        write().map_err(|source| PublishError::Cache { path: path.clone(), source })
    }

    fn path(&self, component: Digest, engine: &EngineKey) -> PathBuf {
        self.0.join(component.to_string()).join(format!("{engine}.cwasm"))
    }
}

/// Code as it is kept: its digest goes before it.
fn sealed(code: &[u8]) -> Vec<u8> {
    [Digest::of(code).to_string().as_bytes(), code].concat()
}

/// The code, if it is still what was kept.
fn unsealed(mut kept: Vec<u8>) -> Option<Vec<u8>> {
    let code = if kept.len() < 64 { return None } else { kept.split_off(64) };
    (Digest::of(&code).to_string().as_bytes() == kept).then_some(code)
}
