//! Everything a guest's bytes depend on in this repository.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The folder the guests and the crates they share live in.
pub(super) const FOLDER: &str = "transforms-wasm";

/// One digest over all sources of the guests, the lock file and the root manifest with the profile.
pub(super) fn digest(workspace: &Path) -> Result<String> {
    let mut files = vec!["Cargo.lock".to_owned(), "Cargo.toml".to_owned()];
    collect(workspace, FOLDER, &mut files)?;
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let content = fs::read(workspace.join(&file)).with_context(|| format!("{file} cannot be read"))?;
        digest.update(format!("{file}\n{}\n", content.len()));
        digest.update(content);
    }
    Ok(format!("{:x}", digest.finalize()))
}

fn collect(workspace: &Path, folder: &str, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(workspace.join(folder)).with_context(|| format!("{folder} cannot be read"))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(workspace, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
