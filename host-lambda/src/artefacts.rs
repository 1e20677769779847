//! Artefacts in a local folder: a new process on the same machine need not fetch them again.

use std::fs;
use std::path::PathBuf;

/// The most artefacts that are kept.
const KEPT: usize = 16;

/// The folder. Failing to use it costs a request to the lake, nothing else.
pub(crate) struct ArtefactFolder(PathBuf);

impl ArtefactFolder {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// What is kept under an artefact's digest, if it is a file of that length. It is unchecked otherwise.
    pub(crate) fn find(&self, sha256: &str, bytes: u64) -> Option<Vec<u8>> {
        let path = self.path(sha256);
        let found = fs::symlink_metadata(&path).ok()?;
        if !found.is_file() || found.len() != bytes {
            return None;
        }
        fs::read(path).ok()
    }

    /// Keeps an artefact under its digest, and lets go of the oldest beyond [`KEPT`].
    pub(crate) fn keep(&self, sha256: &str, code: &[u8]) {
        let draft = self.0.join(format!("{sha256}-{}.new", std::process::id()));
        let kept = fs::create_dir_all(&self.0)
            .and_then(|()| fs::write(&draft, code))
            .and_then(|()| fs::rename(&draft, self.path(sha256)));
        if let Err(error) = kept {
            tracing::warn!(%error, "an artefact cannot be kept on this machine");
        }
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut entries: Vec<_> =
            entries.filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
        entries.sort();
        let surplus = entries.len().saturating_sub(KEPT);
        for (_, path) in entries.into_iter().take(surplus) {
            // Somebody else may have been faster.
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.0.join(format!("{sha256}.cwasm"))
    }
}
