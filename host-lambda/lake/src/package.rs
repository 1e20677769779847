//! What a deployment is made of: the functions' package, the stacks' templates, and a record of each deployment.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::{
    Attempt, Bucket, Committed, Lake, LakeError, Micros, ObjectEntry, Put, Stored, keys, number_text, sha256_hex,
};

/// What was deployed, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Its number: 1, 2, 3 and so on.
    #[serde(with = "number_text")]
    pub number: u64,
    /// The attempt that wrote it.
    pub attempt: Attempt,
    /// When the deployment had succeeded.
    pub at: Micros,
    /// The key of the functions' package.
    pub code: String,
    /// The keys of the templates, by stack.
    pub templates: BTreeMap<String, String>,
    /// Why, in words of who deployed.
    pub note: String,
}

impl Record for DeploymentRecord {
    const BUCKET: Bucket = Bucket::Code;

    fn key(&self) -> String {
        format!("{}{}.json", keys::DEPLOYMENTS, keys::inverted(self.number))
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.number == 0 {
            return Err("has no number");
        }
        if !keys::is_package(&self.code) {
            return Err("names a package that is none");
        }
        if !self.templates.values().all(|key| keys::is_template(key)) {
            return Err("names a template that is none");
        }
        Ok(())
    }
}

impl Lake {
    /// Stores the functions' package, a zip file; returns its key, which says its SHA-256.
    ///
    /// # Errors
    /// When S3 refuses, or other bytes lie under the key.
    pub async fn put_package(&self, zip: Bytes) -> Result<String, LakeError> {
        let key = keys::package(&sha256_hex(&zip));
        self.put_by_digest(key, zip, "application/zip").await
    }

    /// Whether a package is stored under a key.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn has_package(&self, key: &str) -> Result<bool, LakeError> {
        Ok(keys::is_package(key) && self.has_code(key).await?)
    }

    /// Stores a stack's template; returns its key, which says its SHA-256.
    ///
    /// # Errors
    /// As for [`Lake::put_package`].
    pub async fn put_template(&self, text: &str) -> Result<String, LakeError> {
        let key = keys::template(&sha256_hex(text.as_bytes()));
        self.put_by_digest(key, Bytes::copy_from_slice(text.as_bytes()), "application/json").await
    }

    /// Every stored package and template, by key.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn packages(&self) -> Result<Vec<ObjectEntry>, LakeError> {
        let mut entries = self.list(Bucket::Code, keys::PACKAGES, None).await?;
        entries.extend(self.list(Bucket::Code, keys::TEMPLATES, None).await?);
        Ok(entries)
    }

    /// Records a deployment; only one attempt per number succeeds.
    ///
    /// # Errors
    /// When the record contradicts itself or S3 refuses.
    pub async fn commit_deployment(&self, record: &DeploymentRecord) -> Result<Committed<DeploymentRecord>, LakeError> {
        self.commit(record).await
    }

    /// The newest deployment.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn newest_deployment(&self) -> Result<Option<Stored<DeploymentRecord>>, LakeError> {
        self.newest(keys::DEPLOYMENTS).await
    }

    /// The newest deployments, the newest first; so many at most.
    ///
    /// # Errors
    /// As for [`Lake::newest_deployment`].
    pub async fn newest_deployments(&self, at_most: usize) -> Result<Vec<Stored<DeploymentRecord>>, LakeError> {
        let mut found = Vec::new();
        for entry in self.list(Bucket::Code, keys::DEPLOYMENTS, Some(at_most)).await? {
            found.extend(self.find(&entry.key).await?);
        }
        Ok(found)
    }

    async fn put_by_digest(&self, key: String, body: Bytes, content_type: &str) -> Result<String, LakeError> {
        let expected = body.len() as u64;
        if self.put_new(Bucket::Code, &key, body, content_type).await? == Put::AlreadyThere {
            // Not read back, for a package is large and CloudFormation reads it itself: S3 wrote it whole or not at all.
            let listed = self.list(Bucket::Code, &key, Some(1)).await?;
            let found = listed.first().map_or(0, |entry| entry.bytes);
            if found != expected {
                return Err(LakeError::FileLength { bucket: self.name(Bucket::Code).to_owned(), key, expected, found });
            }
        }
        Ok(key)
    }
}
