//! Batches that a star refused too much of. They are no transformations: the batch waits.

use serde::{Deserialize, Serialize};
use star_contract::Delivery;

use crate::record::Record;
use crate::{Attempt, BatchNumber, Bucket, Committed, FileEntry, Lake, LakeError, Micros, Stored, keys, number_text};

/// A batch that a star's component refused too much of. The same component answers the same, so that the batch
/// need not be tried again before the component or the setting is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRecord {
    /// The batch.
    pub batch: BatchNumber,
    /// The star.
    pub star: String,
    /// The attempt that found it.
    pub attempt: Attempt,
    /// The component's digest.
    pub digest: String,
    /// What was allowed, as the setting's own name for it.
    pub limit: String,
    /// Whether changes or rows of snapshots were refused.
    pub delivery: Delivery,
    /// Rows refused until it was stopped.
    #[serde(with = "number_text")]
    pub refused: u64,
    /// Rows the batch delivers so.
    #[serde(with = "number_text")]
    pub delivered: u64,
    /// The rows refused until then.
    pub quarantine: Vec<FileEntry>,
    /// When the batch's snapshot was taken.
    pub observed_at: Micros,
    /// When it was stopped.
    pub stopped_at: Micros,
}

impl Record for StopRecord {
    const BUCKET: Bucket = Bucket::TransformationTimes;

    fn key(&self) -> String {
        keys::stop(&self.star, self.batch, &self.digest, &self.limit)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.quarantine.iter().any(|file| !file.key.starts_with(keys::QUARANTINE)) {
            return Err("lists a quarantine file that is none");
        }
        Ok(())
    }
}

impl Lake {
    /// Notes a batch that was stopped.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_stop(&self, record: &StopRecord) -> Result<Committed<StopRecord>, LakeError> {
        self.commit(record).await
    }

    /// How a batch was stopped under this component and limit, if it was.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn stop(
        &self,
        star: &str,
        batch: BatchNumber,
        digest: &str,
        limit: &str,
    ) -> Result<Option<Stored<StopRecord>>, LakeError> {
        self.find(&keys::stop(star, batch, digest, limit)).await
    }

    /// A stop of the newest batch of a star that was ever stopped.
    ///
    /// # Errors
    /// As for [`Lake::stop`].
    pub async fn newest_stop(&self, star: &str) -> Result<Option<Stored<StopRecord>>, LakeError> {
        self.newest(&keys::stops(star)).await
    }
}
