//! A lake of a test's own.

use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;
use totesys_embedded_s3::EmbeddedS3;
use totesys_lake::{Bucket, Lake, LakeSettings};

/// A lake in a temporary folder, with its server and its six buckets; gone when dropped.
pub struct LocalLake {
    /// The lake.
    pub lake: Lake,
    /// The server it lives on.
    pub server: EmbeddedS3,
    folder: TempDir,
}

impl LocalLake {
    /// An empty lake.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = EmbeddedS3::open(folder.path()).await?;
        let lake = Lake::open(settings_for(&server)).await?;
        lake.create_buckets().await?;
        Ok(Self { lake, server, folder })
    }

    /// What another opener of this lake says.
    #[must_use]
    pub fn settings(&self) -> LakeSettings {
        settings_for(&self.server)
    }

    /// The folder the server serves.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The plain file behind an object, for tests that damage it.
    #[must_use]
    pub fn file_of(&self, bucket: Bucket, key: &str) -> PathBuf {
        self.folder.path().join("buckets").join(self.settings().buckets.name(bucket)).join(key)
    }
}

/// A record that was changed, with a checksum that fits again.
#[must_use]
pub fn resealed(record: &str) -> Vec<u8> {
    let checksum = "\"sha256\":\"";
    let Some(start) = record.find(checksum) else { return record.as_bytes().to_vec() };
    let end = start + checksum.len() + 64 + "\",".len();
    totesys_lake::seal_record(format!("{}{}", &record[..start], &record[end..]).as_bytes()).to_vec()
}

pub(crate) fn settings_for(server: &EmbeddedS3) -> LakeSettings {
    LakeSettings::on_server("totesys", server.endpoint(), server.access_key(), server.secret_key())
}
