//! The catalog: which component is live for each star, and the code it names.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use star_contract::Description;

use crate::record::Record;
use crate::{
    Attempt, Bucket, Committed, FileEntry, Generation, Lake, LakeError, Micros, ObjectEntry, Put, StarLedger, Stored,
    keys, number_text, sha256_hex,
};

/// All stars as they are live. Records are only added, so the catalog is the release history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogRecord {
    /// Its number: 1, 2, 3 and so on.
    #[serde(with = "number_text")]
    pub number: u64,
    /// The attempt that wrote it.
    pub attempt: Attempt,
    /// The SHA-256 of the record before, in lower-case hex; none for the first.
    pub previous: Option<String>,
    /// When it was written.
    pub published_at: Micros,
    /// Why, in the publisher's words.
    pub note: String,
    /// The stars, by name.
    pub stars: BTreeMap<String, StarEntry>,
    /// The star that owns each shared dimension.
    pub owners: BTreeMap<String, String>,
    /// The generations of transformations that rebuilds have made, by star, the newest last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<String, Vec<Generation>>,
}

impl CatalogRecord {
    /// The ledger of a star's transformations.
    #[must_use]
    pub fn ledger(&self, star: &str) -> StarLedger {
        StarLedger::new(star, self.generations.get(star).map(Vec::as_slice).unwrap_or_default())
    }
}

/// One star's live component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StarEntry {
    /// The SHA-256 of the portable component, in lower-case hex.
    pub digest: String,
    /// The contract's version.
    pub contract_version: String,
    /// The component's version.
    pub version: String,
    /// What the component says about itself.
    pub description: Description,
    /// The component compiled, by artefact key.
    pub artefacts: BTreeMap<String, ArtefactEntry>,
}

/// A component compiled for one engine and target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtefactEntry {
    /// Its key in the bucket.
    pub key: String,
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
    /// Its length.
    #[serde(with = "number_text")]
    pub bytes: u64,
    /// The publisher's signature over digest, star, version, artefact key and the artefact's
    /// SHA-256, in hex.
    pub signature: String,
    /// Which of the publisher's keys signed.
    pub public_key: String,
}

impl Stored<CatalogRecord> {
    /// The record that follows this one and says the same, until its caller changes what it is for.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn next(&self, note: &str) -> Result<CatalogRecord, LakeError> {
        Ok(CatalogRecord {
            number: self.number + 1,
            attempt: Attempt::random()?,
            previous: Some(self.sha256().to_owned()),
            published_at: Micros::now(),
            note: note.to_owned(),
            ..self.clone().into_record()
        })
    }
}

impl Record for CatalogRecord {
    const BUCKET: Bucket = Bucket::Code;

    fn key(&self) -> String {
        key(self.number)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.number == 0 || (self.number == 1) != self.previous.is_none() {
            return Err("does not follow the record before it");
        }
        for (star, entry) in &self.stars {
            if entry.description.star != *star {
                return Err("names a star differently than its component does");
            }
            let folder = keys::artefact(&entry.digest, "");
            let folder = folder.trim_end_matches(".cwasm");
            if entry.artefacts.values().any(|artefact| !artefact.key.starts_with(folder)) {
                return Err("lists an artefact of another component");
            }
        }
        if self.owners.values().any(|star| !self.stars.contains_key(star)) {
            return Err("gives a dimension to a star it does not list");
        }
        Ok(())
    }
}

fn key(number: u64) -> String {
    format!("{}{}.json", keys::CATALOG, keys::inverted(number))
}

impl Lake {
    /// Publishes a catalog record; only one attempt per number succeeds.
    ///
    /// # Errors
    /// When the record contradicts itself or the one before it, or S3 refuses.
    pub async fn commit_catalog(&self, record: &CatalogRecord) -> Result<Committed<CatalogRecord>, LakeError> {
        if let Some(previous) = &record.previous {
            let stored = self.catalog(record.number.saturating_sub(1)).await?;
            if stored.is_none_or(|stored| stored.sha256() != previous) {
                return Err(
                    self.inconsistent::<CatalogRecord>(&record.key(), "names a previous record that is not stored")
                );
            }
        }
        self.commit(record).await
    }

    /// The newest catalog record, which is live.
    ///
    /// # Errors
    /// When it is damaged, of another format or S3 refuses.
    pub async fn newest_catalog(&self) -> Result<Option<Stored<CatalogRecord>>, LakeError> {
        self.newest(keys::CATALOG).await
    }

    /// A catalog record, if it exists.
    ///
    /// # Errors
    /// As for [`Lake::newest_catalog`].
    pub async fn catalog(&self, number: u64) -> Result<Option<Stored<CatalogRecord>>, LakeError> {
        self.find(&key(number)).await
    }

    /// Stores a portable component; returns its digest.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn put_component(&self, component: Bytes) -> Result<String, LakeError> {
        let digest = sha256_hex(&component);
        let key = keys::component(&digest);
        if self.put_new(Bucket::Code, &key, component, "application/wasm").await? == Put::AlreadyThere {
            self.get_component(&digest).await?;
        }
        Ok(digest)
    }

    /// Reads a portable component and checks it against its digest.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub async fn get_component(&self, digest: &str) -> Result<Bytes, LakeError> {
        let (bucket, key) = (self.name(Bucket::Code).to_owned(), keys::component(digest));
        match self.get(Bucket::Code, &key).await {
            Err(LakeError::NotFound { .. }) => Err(LakeError::FileMissing { bucket, key }),
            Ok(component) if sha256_hex(&component) != digest => Err(LakeError::FileDigest { bucket, key }),
            other => other,
        }
    }

    /// Stores a compiled component; returns its key. The signature is the publisher's affair.
    ///
    /// # Errors
    /// When S3 refuses, or the key is taken by other bytes.
    pub async fn put_artefact(&self, digest: &str, artefact_key: &str, artefact: Bytes) -> Result<String, LakeError> {
        let file = artefact_file(keys::artefact(digest, artefact_key), artefact.len() as u64, sha256_hex(&artefact));
        self.put_listed(Bucket::Code, &file, artefact, "application/octet-stream").await?;
        Ok(file.key)
    }

    /// Every stored component and artefact, by key.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn code(&self) -> Result<Vec<ObjectEntry>, LakeError> {
        let mut entries = self.list(Bucket::Code, keys::COMPONENTS, None).await?;
        entries.extend(self.list(Bucket::Code, keys::ARTEFACTS, None).await?);
        Ok(entries)
    }

    /// Whether a component or artefact is stored under a key.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn has_code(&self, key: &str) -> Result<bool, LakeError> {
        Ok(self.list(Bucket::Code, key, Some(1)).await?.iter().any(|entry| entry.key == key))
    }

    /// Whether a portable component is stored.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn has_component(&self, digest: &str) -> Result<bool, LakeError> {
        self.has_code(&keys::component(digest)).await
    }

    /// The digest of the component that a key of [`Lake::code`] belongs to.
    #[must_use]
    pub fn component_of(key: &str) -> Option<&str> {
        let component = key.strip_prefix(keys::COMPONENTS).and_then(|name| name.strip_suffix(".wasm"));
        component.or_else(|| key.strip_prefix(keys::ARTEFACTS)?.split('/').next())
    }

    /// Deletes a stored component, artefact, package or template. Nothing else in a lake is ever deleted.
    ///
    /// # Errors
    /// When the key is none of [`Lake::code`] and [`Lake::packages`], or S3 refuses.
    pub async fn delete_code(&self, key: &str) -> Result<(), LakeError> {
        if Self::component_of(key).is_none() && !keys::is_package(key) && !keys::is_template(key) {
            return Err(LakeError::Key { key: key.to_owned() });
        }
        self.delete(Bucket::Code, key).await
    }

    /// Reads a compiled component and checks its length and checksum. Whether it may be run, its
    /// signature decides.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub async fn get_artefact(&self, entry: &ArtefactEntry) -> Result<Bytes, LakeError> {
        let file = artefact_file(entry.key.clone(), entry.bytes, entry.sha256.clone());
        self.read_file(Bucket::Code, &file).await
    }
}

fn artefact_file(key: String, bytes: u64, sha256: String) -> FileEntry {
    FileEntry { key, table: String::new(), rows: 0, bytes, sha256 }
}
