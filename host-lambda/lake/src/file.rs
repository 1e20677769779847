//! Files that records list.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Bucket, Lake, LakeError, Part, Put, number_text, sha256_hex};

/// A file a record lists, with what it is checked against when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its key, in the bucket the record speaks of.
    pub key: String,
    /// The table whose rows it holds; in quarantine, the stage or star that refused them.
    pub table: String,
    /// Its rows.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// Its length.
    #[serde(with = "number_text")]
    pub bytes: u64,
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
}

impl Lake {
    /// Stores a Parquet part.
    ///
    /// # Errors
    /// As for [`Lake::put_lines`].
    pub async fn put_part(&self, bucket: Bucket, key: String, table: &str, part: Part) -> Result<FileEntry, LakeError> {
        let Part { bytes, rows, sha256 } = part;
        let entry = FileEntry { key, table: table.to_owned(), rows, bytes: bytes.len() as u64, sha256 };
        self.put_listed(bucket, &entry, bytes, "application/vnd.apache.parquet").await?;
        Ok(entry)
    }

    /// Stores refused rows, one JSON value per line.
    ///
    /// # Errors
    /// When S3 refuses, or the key is taken by a file of other content.
    pub async fn put_lines(
        &self,
        bucket: Bucket,
        key: String,
        stage_or_star: &str,
        lines: Bytes,
    ) -> Result<FileEntry, LakeError> {
        let rows = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (bytes, sha256) = (lines.len() as u64, sha256_hex(&lines));
        let entry = FileEntry { key, table: stage_or_star.to_owned(), rows, bytes, sha256 };
        self.put_listed(bucket, &entry, lines, "application/x-ndjson").await?;
        Ok(entry)
    }

    /// Puts a file; one that is there already must be the same, as after an answer that got lost.
    pub(crate) async fn put_listed(
        &self,
        bucket: Bucket,
        entry: &FileEntry,
        body: Bytes,
        content_type: &str,
    ) -> Result<(), LakeError> {
        if self.put_new(bucket, &entry.key, body, content_type).await? == Put::AlreadyThere {
            self.read_file(bucket, entry).await?;
        }
        Ok(())
    }

    /// Reads a listed file and checks it.
    ///
    /// # Errors
    /// When it is missing, of another length or of another checksum; each names the file.
    pub async fn read_file(&self, bucket: Bucket, entry: &FileEntry) -> Result<Bytes, LakeError> {
        let at = || (self.name(bucket).to_owned(), entry.key.clone());
        let bytes = match self.get_within(bucket, &entry.key, Some(entry.bytes)).await {
            Err(LakeError::NotFound { .. }) => {
                let (bucket, key) = at();
                return Err(LakeError::FileMissing { bucket, key });
            }
            other => other?,
        };
        let found = bytes.len() as u64;
        if found != entry.bytes {
            let (bucket, key) = at();
            return Err(LakeError::FileLength { bucket, key, expected: entry.bytes, found });
        }
        if sha256_hex(&bytes) != entry.sha256 {
            let (bucket, key) = at();
            return Err(LakeError::FileDigest { bucket, key });
        }
        Ok(bytes)
    }
}

/// What is wrong with a list of files that should lie under a prefix and sum up to so many rows.
pub(crate) fn check_files(files: &[FileEntry], table: &str, prefix: &str, rows: u64) -> Result<(), &'static str> {
    if files.iter().any(|file| file.table != table || !file.key.starts_with(prefix)) {
        return Err("lists a file that does not belong to its table and batch");
    }
    let sum = files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.rows));
    if sum != Some(rows) {
        return Err("lists files whose rows do not sum up");
    }
    Ok(())
}
