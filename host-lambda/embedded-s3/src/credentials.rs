//! The random key pair of a folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use crate::EmbeddedS3Error;

/// A key pair. No `Debug`: it would print the secret.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

impl Credentials {
    /// The folder's key pair; made at the first call. The caller holds the folder's lock.
    pub(crate) fn read_or_create(folder: &Path) -> Result<Self, EmbeddedS3Error> {
        if path(folder).exists() { Self::read(folder) } else { Self::create(folder) }
    }

    /// The folder's key pair.
    pub(crate) fn read(folder: &Path) -> Result<Self, EmbeddedS3Error> {
        let path = path(folder);
        let bytes = fs::read(&path).map_err(EmbeddedS3Error::file("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|source| EmbeddedS3Error::Credentials { path, source })
    }

    fn create(folder: &Path) -> Result<Self, EmbeddedS3Error> {
        let credentials =
            Self { access_key: format!("LOCAL{}", random_hex::<8>()?.to_uppercase()), secret_key: random_hex::<32>()? };
        let path = path(folder);
        // Written aside and renamed: a process killed half-way leaves no half of a key pair.
        let unfinished = folder.join("credentials.json.new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(EmbeddedS3Error::file("create", &unfinished))?;
        let json = serde_json::json!({"access_key": credentials.access_key, "secret_key": credentials.secret_key});
        file.write_all(json.to_string().as_bytes()).map_err(EmbeddedS3Error::file("write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(EmbeddedS3Error::file("write", &path))?;
        Ok(credentials)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("credentials.json")
}

fn random_hex<const BYTES: usize>() -> Result<String, EmbeddedS3Error> {
    let mut bytes = [0_u8; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| EmbeddedS3Error::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
