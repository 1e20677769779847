//! The manifest: what one extraction saw. Written last; a batch without one does not exist.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use star_contract::{Column, Delivery};

use crate::file::check_files;
use crate::record::Record;
use crate::{Attempt, BatchNumber, Bucket, Committed, FileEntry, Lake, LakeError, Micros, Stored, keys, number_text};

/// What one extraction saw, under one database snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The batch's number.
    pub batch: BatchNumber,
    /// The lake it belongs to.
    pub lake_id: String,
    /// The attempt that wrote it.
    pub attempt: Attempt,
    /// What the next extraction compares the source with; the source crate knows what is in it.
    pub baseline: serde_json::Value,
    /// The snapshot's time.
    pub taken_at: Micros,
    /// The number of the catalog record it ran under.
    #[serde(with = "number_text")]
    pub catalog: u64,
    /// The manifest before; none for the first batch.
    pub previous: Option<PreviousManifest>,
    /// The tables, by name.
    pub tables: BTreeMap<String, TableEntry>,
    /// Rows the extraction could not decode.
    pub quarantine: Vec<FileEntry>,
}

/// The manifest before: a batch can only follow the one it was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousManifest {
    /// Its batch.
    pub batch: BatchNumber,
    /// The SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
}

/// One table of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Changes, or a snapshot of the whole table.
    pub delivery: Delivery,
    /// Whether anything changed since the batch before.
    pub changed: bool,
    /// The batch that wrote the files: an earlier one for a snapshot that did not change.
    pub from_batch: BatchNumber,
    /// Whether the files hold the whole table, as a first batch's do.
    pub whole: bool,
    /// The rows in the files.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// The columns in the files, in their order.
    pub columns: Vec<Column>,
    /// The files.
    pub files: Vec<FileEntry>,
    /// Rows that could not be decoded; they are in quarantine.
    #[serde(with = "number_text")]
    pub refused: u64,
}

impl Record for Manifest {
    const BUCKET: Bucket = Bucket::Ingestion;

    fn key(&self) -> String {
        key(self.batch)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn lake_id(&self) -> Option<&str> {
        Some(&self.lake_id)
    }

    fn check(&self) -> Result<(), &'static str> {
        let before = self.previous.as_ref().map(|previous| previous.batch.next());
        if before.unwrap_or(BatchNumber::FIRST) != self.batch {
            return Err("does not follow the batch before it");
        }
        for (table, entry) in &self.tables {
            if entry.from_batch > self.batch
                || (entry.from_batch < self.batch && (entry.delivery == Delivery::Changes || entry.changed))
            {
                return Err("points at files of a batch that cannot have written them");
            }
            check_files(&entry.files, table, &keys::ingested_prefix(table, entry.from_batch), entry.rows)?;
        }
        if self.quarantine.iter().any(|file| !file.key.starts_with(keys::QUARANTINE)) {
            return Err("lists a quarantine file that is none");
        }
        Ok(())
    }
}

fn key(batch: BatchNumber) -> String {
    format!("{}{}.json", keys::MANIFESTS, batch.inverted_key())
}

impl Lake {
    /// Writes a manifest, and with it the batch; only one attempt per batch succeeds.
    ///
    /// # Errors
    /// When the manifest contradicts itself or the one before it, or S3 refuses.
    pub async fn commit_manifest(&self, manifest: &Manifest) -> Result<Committed<Manifest>, LakeError> {
        if let Some(previous) = &manifest.previous {
            let stored = self.manifest(previous.batch).await?;
            if stored.is_none_or(|stored| stored.sha256() != previous.sha256) {
                return Err(
                    self.inconsistent::<Manifest>(&manifest.key(), "names a previous manifest that is not stored")
                );
            }
        }
        self.commit(manifest).await
    }

    /// The newest batch, if there is any.
    ///
    /// # Errors
    /// When the manifest is damaged, of another format or of another lake.
    pub async fn newest_manifest(&self) -> Result<Option<Stored<Manifest>>, LakeError> {
        self.newest(keys::MANIFESTS).await
    }

    /// A batch, if it exists.
    ///
    /// # Errors
    /// As for [`Lake::newest_manifest`].
    pub async fn manifest(&self, batch: BatchNumber) -> Result<Option<Stored<Manifest>>, LakeError> {
        self.find(&key(batch)).await
    }
}
