//! What the components in a folder were made from, so that they are not made again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Guest;

const FILE: &str = "stamp.json";

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Digest of sources, toolchain and list of guests.
    key: String,
    /// Digests of the components by name.
    components: BTreeMap<String, String>,
}

impl Stamp {
    /// The stamp of a folder; where there is none that can be read, one that fits nothing.
    pub(super) fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn of(key: String, built: &[Guest]) -> Self {
        let components = built.iter().map(|guest| (guest.name.clone(), guest.digest.clone())).collect();
        Self { key, components }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        Ok(fs::write(folder.join(FILE), serde_json::to_vec_pretty(self)?)?)
    }

    /// The guests as they lie in the folder, if they were made from this key and are undamaged.
    pub(super) fn current(&self, key: &str, folder: &Path, guests: &[&str]) -> Option<Vec<Guest>> {
        if self.key != key {
            return None;
        }
        let undamaged = |name: &&str| {
            let path = folder.join(format!("{name}.wasm"));
            let digest = sha256(&fs::read(&path).ok()?);
            (self.components.get(*name) == Some(&digest)).then(|| Guest {
                name: (*name).to_owned(),
                path,
                digest,
                rebuilt: false,
            })
        };
        guests.iter().map(undamaged).collect()
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
