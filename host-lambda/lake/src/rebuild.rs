//! Rebuilds of stars: each makes a generation of transformations.

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::{Attempt, BatchNumber, Bucket, Committed, Generation, Lake, LakeError, Micros, Stored, keys, number_text};

/// That a generation of a star's transformations was begun, and with what. Whoever comes back goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildRecord {
    /// The star.
    pub star: String,
    /// The generation's number.
    #[serde(with = "number_text")]
    pub generation: u64,
    /// The attempt that began it.
    pub attempt: Attempt,
    /// The first batch that is transformed again.
    pub from: BatchNumber,
    /// The generations it stands on.
    pub on: Vec<Generation>,
    /// The component's digest.
    pub digest: String,
    /// The number of the catalog record the component was live in.
    #[serde(with = "number_text")]
    pub catalog: u64,
    /// When it was begun.
    pub begun_at: Micros,
}

impl Record for RebuildRecord {
    const BUCKET: Bucket = Bucket::TransformationTimes;

    fn key(&self) -> String {
        keys::rebuild(&self.star, self.generation)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.on.iter().any(|generation| generation.number >= self.generation) {
            return Err("stands on a generation that is not before it");
        }
        Ok(())
    }
}

impl Lake {
    /// Begins a generation; only one attempt per number succeeds.
    ///
    /// # Errors
    /// When the record contradicts itself or S3 refuses.
    pub async fn commit_rebuild(&self, record: &RebuildRecord) -> Result<Committed<RebuildRecord>, LakeError> {
        self.commit(record).await
    }

    /// The newest generation of a star that was begun, whether it ever came to count.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn newest_rebuild(&self, star: &str) -> Result<Option<Stored<RebuildRecord>>, LakeError> {
        self.newest(&keys::rebuilds(star)).await
    }
}
