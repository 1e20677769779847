//! What kept a star from transforming a batch. It is no transformation: the batch waits.

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::{Attempt, BatchNumber, Bucket, Committed, Lake, LakeError, Micros, Stored, keys};

/// The most records looked at.
const MOST: usize = 16;

/// A batch that a star's component failed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The batch.
    pub batch: BatchNumber,
    /// The star.
    pub star: String,
    /// The attempt that failed.
    pub attempt: Attempt,
    /// The component's digest.
    pub digest: String,
    /// Why, in words of ours.
    pub reason: String,
    /// When.
    pub failed_at: Micros,
}

impl Record for FailureRecord {
    const BUCKET: Bucket = Bucket::TransformationTimes;

    fn key(&self) -> String {
        keys::failure(&self.star, self.batch, &self.digest)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

impl Lake {
    /// Notes that a component failed on a batch; the first time counts.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_failure(&self, record: &FailureRecord) -> Result<Committed<FailureRecord>, LakeError> {
        self.commit(record).await
    }

    /// How a star's component failed on a batch after those it has transformed, if it did.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn current_failure(
        &self,
        star: &str,
        transformed: u64,
        digest: &str,
    ) -> Result<Option<FailureRecord>, LakeError> {
        // The newest batch comes first; on one batch several components may have failed.
        for entry in self.list(Bucket::TransformationTimes, &keys::failures(star), Some(MOST)).await? {
            let Some(failure) = self.find::<FailureRecord>(&entry.key).await?.map(Stored::into_record) else {
                continue;
            };
            if failure.batch.0 <= transformed {
                break;
            }
            if failure.digest == digest {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }
}
