//! Files that records list.

use arrow_array::RecordBatch;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use star_contract::Column;

use crate::{Bucket, Lake, LakeError, Part, Put, keys, number_text, read_parquet, sha256_hex};

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

impl Lake {
    /// The rows of a listed Parquet file in batches of so many at most, with these columns in this order. The file is
    /// checked first, and that it holds as many rows as its record says at the end.
    ///
    /// # Errors
    /// As for [`Lake::read_file`]; and when it is no Parquet with these columns. Each names the file.
    pub async fn read_rows(
        &self,
        bucket: Bucket,
        entry: &FileEntry,
        columns: &[Column],
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, LakeError>> + use<>, LakeError> {
        let bytes = self.read_file(bucket, entry).await?;
        let (bucket, key, expected) = (self.name(bucket).to_owned(), entry.key.clone(), entry.rows);
        let named =
            move |source| LakeError::InFile { bucket: bucket.clone(), key: key.clone(), source: Box::new(source) };
        let mut batches = read_parquet(bytes, columns, batch_rows).map_err(&named)?;
        let mut found = Some(0_u64);
        Ok(std::iter::from_fn(move || {
            let so_far = found?;
            match batches.next() {
                Some(Ok(batch)) => {
                    found = so_far.checked_add(batch.num_rows() as u64);
                    Some(Ok(batch))
                }
                Some(Err(error)) => {
                    found = None;
                    Some(Err(named(error)))
                }
                None => {
                    found = None;
                    (so_far != expected).then(|| Err(named(LakeError::RowsLost { expected, found: so_far })))
                }
            }
        }))
    }
}

/// Whether a file lies where refused rows do.
pub(crate) fn is_quarantine(file: &FileEntry) -> bool {
    file.key.starts_with(keys::QUARANTINE) && keys::check(&file.key).is_ok()
}

/// What is wrong with a list of files that should lie under a prefix and sum up to so many rows.
pub(crate) fn check_files(files: &[FileEntry], table: &str, prefix: &str, rows: u64) -> Result<(), &'static str> {
    if files.iter().any(|file| file.table != table || !file.key.starts_with(prefix) || keys::check(&file.key).is_err())
    {
        return Err("lists a file that does not belong to its table and batch");
    }
    let sum = files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.rows));
    if sum != Some(rows) {
        return Err("lists files whose rows do not sum up");
    }
    Ok(())
}
