//! The ledger of transformations.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use star_contract::Role;

use crate::file::{check_files, is_quarantine};
use crate::record::Record;
use crate::{
    Attempt, BatchNumber, Bucket, Committed, FileEntry, Lake, LakeError, Micros, OpenRows, StarLedger, Stored, keys,
    number_text,
};

/// What one component made of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformationRecord {
    /// The batch.
    pub batch: BatchNumber,
    /// The star.
    pub star: String,
    /// The attempt that made it.
    pub attempt: Attempt,
    /// The generation of the star's transformations it belongs to.
    #[serde(default, with = "number_text", skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// The component's digest.
    pub digest: String,
    /// The component's version.
    pub version: String,
    /// The contract's version.
    pub contract_version: String,
    /// The number of the catalog record it ran under.
    #[serde(with = "number_text")]
    pub catalog: u64,
    /// What it wrote, one entry per table.
    pub outputs: Vec<TableOutput>,
    /// Rows of the batch it refused.
    #[serde(with = "number_text")]
    pub refused: u64,
    /// The same by reason.
    #[serde(with = "number_text::by_name")]
    pub refused_by_code: BTreeMap<String, u64>,
    /// The refused rows.
    pub quarantine: Vec<FileEntry>,
    /// Changes that are still refused after this batch, those of earlier batches included, in the order observed.
    #[serde(default)]
    pub open: Vec<OpenRows>,
    /// What earlier batches' refused rows gave now, in the order observed.
    #[serde(default)]
    pub released: Vec<Released>,
    /// How many refused rows of earlier batches were taken now.
    #[serde(default, with = "number_text")]
    pub released_rows: u64,
    /// What the open rows were last offered under: a digest of component and snapshots. The same answers the same.
    #[serde(default)]
    pub offered_under: Option<String>,
    /// What the component might use, by the names of the settings.
    #[serde(default, with = "number_text::by_name")]
    pub limits: BTreeMap<String, u64>,
    /// What it used, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// When it began.
    pub started_at: Micros,
    /// When it had finished.
    pub finished_at: Micros,
}

/// What a component used for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The time spent in calls, in milliseconds.
    #[serde(with = "number_text")]
    pub milliseconds: u64,
    /// The largest linear memory, in bytes.
    #[serde(with = "number_text")]
    pub memory_bytes: u64,
    /// Fuel, where it was counted.
    #[serde(default, with = "number_text::option")]
    pub fuel: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What rows that were refused in an earlier batch gave when they were taken at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The batch that observed the rows.
    pub observed_batch: BatchNumber,
    /// When its snapshot was taken.
    pub observed_at: Micros,
    /// Whether later batches had delivered newer versions of their keys: a dimension row there is stays then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overtaken: bool,
    /// What they gave, one entry per table.
    pub outputs: Vec<TableOutput>,
}

/// What a component wrote for one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOutput {
    /// The warehouse table.
    pub table: String,
    /// Fact or dimension.
    pub role: Role,
    /// The rows in the files.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// The files, in the order of their rows.
    pub files: Vec<FileEntry>,
}

impl Record for TransformationRecord {
    const BUCKET: Bucket = Bucket::TransformationTimes;

    fn key(&self) -> String {
        key(&self.star, self.generation, self.batch)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn check(&self) -> Result<(), &'static str> {
        let released = self.released.iter().flat_map(|released| &released.outputs);
        for output in self.outputs.iter().chain(released) {
            check_files(&output.files, &output.table, &keys::transformed_prefix(&output.table), output.rows)?;
        }
        if self.quarantine.iter().any(|file| !is_quarantine(file)) {
            return Err("lists a quarantine file that is none");
        }
        if self.released.iter().any(|released| released.observed_batch >= self.batch) {
            return Err("releases rows of a batch that is not before it");
        }
        self.open.iter().try_for_each(|open| open.check(self.batch))
    }
}

fn key(star: &str, generation: u64, batch: BatchNumber) -> String {
    format!("{}{}.json", keys::transformations(star, generation), batch.inverted_key())
}

impl TransformationRecord {
    /// How many changes are still refused after this batch.
    #[must_use]
    pub fn open_rows(&self) -> u64 {
        self.open.iter().map(OpenRows::count).sum()
    }
}

impl Lake {
    /// Records a finished transformation.
    ///
    /// # Errors
    /// When the record contradicts itself or S3 refuses.
    pub async fn commit_transformation(
        &self,
        record: &TransformationRecord,
    ) -> Result<Committed<TransformationRecord>, LakeError> {
        self.commit(record).await
    }

    /// What a star made of a batch, if it has.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn transformation(
        &self,
        ledger: impl Into<StarLedger>,
        batch: BatchNumber,
    ) -> Result<Option<Stored<TransformationRecord>>, LakeError> {
        let ledger = ledger.into();
        self.find(&key(&ledger.star, ledger.of(batch), batch)).await
    }

    /// A star's newest transformation.
    ///
    /// # Errors
    /// As for [`Lake::transformation`].
    pub async fn newest_transformation(
        &self,
        ledger: impl Into<StarLedger>,
    ) -> Result<Option<Stored<TransformationRecord>>, LakeError> {
        let ledger: StarLedger = ledger.into();
        let newest = self.newest(&keys::transformations(&ledger.star, ledger.current())).await?;
        // A generation that has none yet goes on from the last batch that counts in those before it.
        match ledger.before() {
            Some((before, Some(last))) if newest.is_none() => self.transformation(&before, last).await,
            _ => Ok(newest),
        }
    }

    /// The digests of all components that any batch was ever transformed with, in any generation.
    ///
    /// # Errors
    /// As for [`Lake::transformation`].
    pub async fn components_used(&self) -> Result<BTreeSet<String>, LakeError> {
        let mut digests = BTreeSet::new();
        for prefix in [keys::STARS, keys::GENERATIONS] {
            for entry in self.list(Bucket::TransformationTimes, prefix, None).await? {
                let record = self.find::<TransformationRecord>(&entry.key).await?;
                digests.extend(record.map(|record| record.into_record().digest));
            }
        }
        Ok(digests)
    }
}
