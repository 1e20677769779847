//! The manifest: what one extraction saw. Written last; a batch without one does not exist.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use star_contract::{Column, Delivery};

use crate::file::{check_files, is_quarantine};
use crate::record::Record;
use crate::{
    Attempt, BackfillPart, BatchNumber, Bucket, Committed, FileEntry, Lake, LakeError, Micros, OpenRows, Stored, keys,
    number_text,
};

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
    /// Intervals of which versions may be lacking, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Rows that could not be decoded, in this batch or an earlier one, and have not been since.
    #[serde(default)]
    pub unreadable: Vec<OpenRows>,
    /// Set when the batch was made so that refused rows are offered again, whatever changed in the source.
    #[serde(default)]
    pub replay: Option<Replay>,
}

/// An interval of which versions may be lacking: the source went on as another than the one that was read before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why, in words of ours with hyphens.
    pub reason: String,
    /// The last time the former source was seen.
    pub from: Micros,
    /// When the batch was taken that saw the source as it went on.
    pub until: Micros,
}

/// Whose refused rows a batch offers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The star; every star when absent.
    pub star: Option<String>,
}

impl Replay {
    /// Whether this star's refused rows are meant.
    #[must_use]
    pub fn means(&self, star: &str) -> bool {
        self.star.as_deref().is_none_or(|meant| meant == star)
    }
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
    /// Every key the table has, when some may have gone since the batch before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeySet>,
    /// Set when the table was read in chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<BackfillPart>,
}

impl TableEntry {
    /// Whether nothing of older batches counts: the files hold the whole table, or chunks bring all of it from here on.
    #[must_use]
    pub fn begins_anew(&self) -> bool {
        self.whole || self.backfill.as_ref().is_some_and(|part| part.chunk.is_none())
    }

    /// Where its files lie.
    fn prefix(&self, table: &str) -> String {
        match &self.backfill {
            Some(BackfillPart { plan, chunk: Some(_) }) => keys::chunk_prefix(table, plan),
            _ => keys::ingested_prefix(table, self.from_batch),
        }
    }
}

/// The keys of all rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// The columns of the key; the files may have others.
    pub columns: Vec<Column>,
    /// The rows in the files.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// The files: of their own, or those of the whole table.
    pub files: Vec<FileEntry>,
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
            let prefix = entry.prefix(table);
            check_files(&entry.files, table, &prefix, entry.rows)?;
            if let Some(set) = &entry.keys {
                check_files(&set.files, table, &prefix, set.rows)?;
            }
        }
        if self.quarantine.iter().any(|file| !is_quarantine(file)) {
            return Err("lists a quarantine file that is none");
        }
        self.unreadable.iter().try_for_each(|open| open.check(self.batch))
    }
}

impl Manifest {
    /// Parses and checks a manifest as it is stored under a key; the bucket's name is for errors.
    ///
    /// # Errors
    /// When it is no manifest, of another format, or contradicts itself or its key.
    pub fn parse(bucket: &str, key: &str, bytes: &[u8]) -> Result<Self, LakeError> {
        crate::record::read(bucket, key, bytes)
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
