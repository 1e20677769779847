//! The ledger of loads. The truth is the row in the warehouse; this follows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::{Attempt, BatchNumber, Bucket, Committed, Lake, LakeError, Micros, Stored, keys, number_text};

/// A batch of one star that is in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// The batch.
    pub batch: BatchNumber,
    /// The star.
    pub star: String,
    /// The attempt that wrote this record.
    pub attempt: Attempt,
    /// The batch's snapshot time.
    pub taken_at: Micros,
    /// When the load had finished.
    pub finished_at: Micros,
    /// What it did, by warehouse table.
    pub tables: BTreeMap<String, LoadedTable>,
}

/// What a load did to one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedTable {
    /// Fact versions appended.
    #[serde(with = "number_text")]
    pub appended: u64,
    /// Dimension rows changed.
    #[serde(with = "number_text")]
    pub updated: u64,
    /// Dimension rows added.
    #[serde(with = "number_text")]
    pub inserted: u64,
    /// Rows that wait for a dimension row.
    #[serde(with = "number_text")]
    pub waiting: u64,
    /// Keys of a fact that are gone from the source.
    #[serde(with = "number_text", default)]
    pub deleted: u64,
    /// The first record id appended.
    #[serde(with = "number_text::option", default)]
    pub first_id: Option<i64>,
    /// The last record id appended.
    #[serde(with = "number_text::option", default)]
    pub last_id: Option<i64>,
}

impl Record for LoadRecord {
    const BUCKET: Bucket = Bucket::LoadTimes;

    fn key(&self) -> String {
        key(&self.star, self.batch)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

fn key(star: &str, batch: BatchNumber) -> String {
    format!("{}{}.json", keys::star_records(star), batch.inverted_key())
}

impl Lake {
    /// Records a finished load. After a repair the record may be there already, which is fine.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_load(&self, record: &LoadRecord) -> Result<Committed<LoadRecord>, LakeError> {
        self.commit(record).await
    }

    /// The load of a batch of a star, if it is recorded.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn load(&self, star: &str, batch: BatchNumber) -> Result<Option<Stored<LoadRecord>>, LakeError> {
        self.find(&key(star, batch)).await
    }

    /// A star's newest load.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn newest_load(&self, star: &str) -> Result<Option<Stored<LoadRecord>>, LakeError> {
        self.newest(&keys::star_records(star)).await
    }
}
