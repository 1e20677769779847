//! Which lake this is.

use serde::{Deserialize, Serialize};

use crate::{Bucket, Lake, LakeError, Micros, digest, keys};

/// Which lake this is, written once. Manifests and the warehouse carry the id, so that two
/// environments cannot mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeIdentity {
    /// 32 random hex digits.
    pub lake_id: String,
    /// When it was written.
    pub created_at: Micros,
    /// The source the lake was made for.
    pub source: Option<SourceIdentity>,
}

/// Which database a lake was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// PostgreSQL's system identifier, a 64-bit number.
    pub system_identifier: String,
    /// The database's name.
    pub database: String,
}

impl Lake {
    /// The lake's identity, if it has one yet.
    ///
    /// # Errors
    /// [`LakeError::OtherLake`] when the settings name another lake.
    pub async fn identity(&self) -> Result<Option<LakeIdentity>, LakeError> {
        let bytes = match self.get(Bucket::Ingestion, keys::IDENTITY).await {
            Err(LakeError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let identity: LakeIdentity = self.parse(Bucket::Ingestion, keys::IDENTITY, &bytes)?;
        let expected = self.lake_id.get_or_init(|| identity.lake_id.clone());
        if *expected != identity.lake_id {
            return Err(LakeError::OtherLake {
                bucket: self.name(Bucket::Ingestion).to_owned(),
                key: keys::IDENTITY.to_owned(),
                expected: expected.clone(),
                found: identity.lake_id,
            });
        }
        Ok(Some(identity))
    }

    /// Gives the lake an identity if it has none; returns the one it has. Whether the source in it
    /// is the caller's is for the caller to judge.
    ///
    /// # Errors
    /// As for [`Lake::identity`].
    pub async fn establish_identity(&self, source: SourceIdentity) -> Result<LakeIdentity, LakeError> {
        if let Some(identity) = self.identity().await? {
            return Ok(identity);
        }
        let lake_id = match self.lake_id.get() {
            Some(known) => known.clone(),
            None => digest::random_hex::<16>()?,
        };
        let identity = LakeIdentity { lake_id, created_at: Micros::now(), source: Some(source) };
        let body = self.to_json(Bucket::Ingestion, keys::IDENTITY, &identity)?;
        self.put_new(Bucket::Ingestion, keys::IDENTITY, body, "application/json").await?;
        // Whoever came first wrote it: read back what it is.
        self.identity().await?.ok_or_else(|| LakeError::Inconsistent {
            bucket: self.name(Bucket::Ingestion).to_owned(),
            key: keys::IDENTITY.to_owned(),
            problem: "was removed while it was written",
        })
    }
}
