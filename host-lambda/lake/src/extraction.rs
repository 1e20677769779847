//! The ledger of extractions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::{Attempt, BatchNumber, Bucket, Committed, Lake, LakeError, Micros, Stored, keys, number_text};

/// A finished extraction that made a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractionRecord {
    /// The batch.
    pub batch: BatchNumber,
    /// The attempt that made it.
    pub attempt: Attempt,
    /// When it began.
    pub started_at: Micros,
    /// When it had finished.
    pub finished_at: Micros,
    /// Rows written.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// Bytes written.
    #[serde(with = "number_text")]
    pub bytes: u64,
    /// Rows that could not be decoded.
    #[serde(with = "number_text")]
    pub refused: u64,
    /// The same by table.
    pub tables: BTreeMap<String, TableCounts>,
}

/// What an extraction wrote of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    /// Rows written.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// Bytes written.
    #[serde(with = "number_text")]
    pub bytes: u64,
    /// Rows that could not be decoded.
    #[serde(with = "number_text")]
    pub refused: u64,
}

/// A check that found nothing new, and so made no batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The attempt that made it.
    pub attempt: Attempt,
    /// The snapshot's time.
    pub taken_at: Micros,
    /// The newest batch then.
    pub after: Option<BatchNumber>,
    /// The snapshot's xmax: a later one is no smaller.
    #[serde(with = "number_text")]
    pub xmax: u64,
    /// Whether no transaction was open then: as long as none ends after it, `xmax` stays what it is.
    #[serde(default)]
    pub settled: bool,
    /// How long it took, in microseconds.
    #[serde(with = "number_text")]
    pub duration_micros: u64,
    /// What of the source's schema had changed since that batch, and was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// An extraction that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleRecord {
    /// The attempt.
    pub attempt: Attempt,
    /// When it gave up.
    pub at: Micros,
    /// Why, without row values.
    pub reason: String,
}

impl Record for TroubleRecord {
    const BUCKET: Bucket = Bucket::ExtractionTimes;

    fn key(&self) -> String {
        let at = u64::try_from(self.at.0).unwrap_or_default();
        format!("{}{}-{}.json", keys::TROUBLES, keys::inverted(at), self.attempt)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

impl Record for ExtractionRecord {
    const BUCKET: Bucket = Bucket::ExtractionTimes;

    fn key(&self) -> String {
        format!("{}{}.json", keys::EXTRACTIONS, self.batch.inverted_key())
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

impl Record for CheckRecord {
    const BUCKET: Bucket = Bucket::ExtractionTimes;

    fn key(&self) -> String {
        let taken_at = u64::try_from(self.taken_at.0).unwrap_or_default();
        format!("{}{}-{}.json", keys::CHECKS, keys::inverted(taken_at), self.attempt)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

impl Lake {
    /// Records a finished extraction.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_extraction(&self, record: &ExtractionRecord) -> Result<Committed<ExtractionRecord>, LakeError> {
        self.commit(record).await
    }

    /// Records a check that found nothing.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_check(&self, record: &CheckRecord) -> Result<Committed<CheckRecord>, LakeError> {
        self.commit(record).await
    }

    /// Records an extraction that could not be made.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_trouble(&self, record: &TroubleRecord) -> Result<Committed<TroubleRecord>, LakeError> {
        self.commit(record).await
    }

    /// The newest record of an extraction that could not be made.
    ///
    /// # Errors
    /// When it is damaged or S3 refuses.
    pub async fn newest_trouble(&self) -> Result<Option<Stored<TroubleRecord>>, LakeError> {
        self.newest(keys::TROUBLES).await
    }

    /// The newest extraction's record.
    ///
    /// # Errors
    /// When it is damaged or S3 refuses.
    pub async fn newest_extraction(&self) -> Result<Option<Stored<ExtractionRecord>>, LakeError> {
        self.newest(keys::EXTRACTIONS).await
    }

    /// The newest check's record.
    ///
    /// # Errors
    /// When it is damaged or S3 refuses.
    pub async fn newest_check(&self) -> Result<Option<Stored<CheckRecord>>, LakeError> {
        self.newest(keys::CHECKS).await
    }
}
