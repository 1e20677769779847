//! Records: JSON objects written once, the newest found by one listing.

use std::ops::Deref;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Attempt, Bucket, Lake, LakeError, Put, sha256_hex};

/// The format this version writes and reads.
const FORMAT: u32 = 1;

/// A kind of record.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The bucket it lies in.
    const BUCKET: Bucket;

    /// Its key, from what it says; a stored record lies under no other.
    fn key(&self) -> String;

    /// The attempt that wrote it.
    fn attempt(&self) -> &Attempt;

    /// The lake it belongs to, if it says so.
    fn lake_id(&self) -> Option<&str> {
        None
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// A record as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    record: T,
    sha256: String,
}

impl<T> Stored<T> {
    /// The SHA-256 of the stored bytes, in lower-case hex: what the next record calls `previous`.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The record alone.
    #[must_use]
    pub fn into_record(self) -> T {
        self.record
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

/// Whose record is stored after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed<T> {
    /// This attempt's.
    Ours,
    /// Another attempt's, which came first.
    Theirs(Box<Stored<T>>),
}

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// How every record begins; its checksum follows.
fn beginning() -> String {
    format!("{{\"format\":{FORMAT},")
}

/// A record's JSON, which begins with its format number, with the checksum of what it is without one. The checksum
/// tells damage, not intent: whoever may write may seal.
#[must_use]
pub fn seal_record(json: &[u8]) -> Bytes {
    let beginning = beginning();
    let rest = json.get(beginning.len()..).unwrap_or_default();
    let mut sealed = format!("{beginning}\"sha256\":\"{}\",", sha256_hex(json)).into_bytes();
    sealed.extend_from_slice(rest);
    Bytes::from(sealed)
}

/// Whether bytes are what [`seal_record`] made, to the last.
fn sealed(bytes: &[u8]) -> bool {
    let beginning = beginning();
    let checksum = format!("\"sha256\":\"{}\",", "0".repeat(64)).len();
    let Some(rest) = bytes.get(beginning.len() + checksum..) else { return false };
    seal_record(&[beginning.as_bytes(), rest].concat()) == bytes
}

impl Lake {
    /// Writes a record unless there is one; says whose it is then.
    pub(crate) async fn commit<T: Record>(&self, record: &T) -> Result<Committed<T>, LakeError> {
        let key = record.key();
        self.verify(record, &key)?;
        let body = self.to_json(T::BUCKET, &key, record)?;
        match self.put_new(T::BUCKET, &key, body, "application/json").await? {
            Put::Created => Ok(Committed::Ours),
            Put::AlreadyThere => {
                let stored = self.read::<T>(&key).await?;
                let ours = stored.attempt() == record.attempt();
                Ok(if ours { Committed::Ours } else { Committed::Theirs(Box::new(stored)) })
            }
        }
    }

    /// The first record under a prefix, which is the newest.
    pub(crate) async fn newest<T: Record>(&self, prefix: &str) -> Result<Option<Stored<T>>, LakeError> {
        match self.list(T::BUCKET, prefix, Some(1)).await?.pop() {
            Some(newest) => self.read(&newest.key).await.map(Some),
            None => Ok(None),
        }
    }

    /// A record, if there is one.
    pub(crate) async fn find<T: Record>(&self, key: &str) -> Result<Option<Stored<T>>, LakeError> {
        match self.read(key).await {
            Ok(stored) => Ok(Some(stored)),
            Err(LakeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read<T: Record>(&self, key: &str) -> Result<Stored<T>, LakeError> {
        let bytes = self.get(T::BUCKET, key).await?;
        let record = self.parse::<T>(T::BUCKET, key, &bytes)?;
        self.verify(&record, key)?;
        Ok(Stored { record, sha256: sha256_hex(&bytes) })
    }

    /// Parses JSON with a format number and a checksum of its own.
    pub(crate) fn parse<T: DeserializeOwned>(&self, bucket: Bucket, key: &str, bytes: &[u8]) -> Result<T, LakeError> {
        let record = parse(self.name(bucket), key, bytes)?;
        if !sealed(bytes) {
            let (bucket, key) = (self.name(bucket).to_owned(), key.to_owned());
            return Err(LakeError::Inconsistent { bucket, key, problem: "is not as it was written" });
        }
        Ok(record)
    }

    /// JSON with a format number and a checksum of its own.
    pub(crate) fn to_json<T: Serialize>(&self, bucket: Bucket, key: &str, record: &T) -> Result<Bytes, LakeError> {
        let json = serde_json::to_vec(&Written { format: FORMAT, record }).map_err(|source| LakeError::Unwritable {
            bucket: self.name(bucket).to_owned(),
            key: key.to_owned(),
            source,
        })?;
        Ok(seal_record(&json))
    }

    fn verify<T: Record>(&self, record: &T, key: &str) -> Result<(), LakeError> {
        if let (Some(expected), Some(found)) = (self.lake_id.get(), record.lake_id())
            && expected != found
        {
            return Err(LakeError::OtherLake {
                bucket: self.name(T::BUCKET).to_owned(),
                key: key.to_owned(),
                expected: expected.clone(),
                found: found.to_owned(),
            });
        }
        check(record, self.name(T::BUCKET), key)
    }

    pub(crate) fn inconsistent<T: Record>(&self, key: &str, problem: &'static str) -> LakeError {
        LakeError::Inconsistent { bucket: self.name(T::BUCKET).to_owned(), key: key.to_owned(), problem }
    }
}

/// Parses JSON with a format number; bucket and key are for errors.
fn parse<T: DeserializeOwned>(bucket: &str, key: &str, bytes: &[u8]) -> Result<T, LakeError> {
    let unreadable = |source| LakeError::Unreadable { bucket: bucket.to_owned(), key: key.to_owned(), source };
    // The format first: of another one nothing else can be expected to parse.
    let Format { format: found } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if found != FORMAT {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        return Err(LakeError::UnknownFormat { bucket, key, found, known: FORMAT });
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Refuses a record that contradicts itself or its key.
fn check<T: Record>(record: &T, bucket: &str, key: &str) -> Result<(), LakeError> {
    let problem = if record.key() == key { record.check() } else { Err("lies under another record's key") };
    problem.map_err(|problem| LakeError::Inconsistent { bucket: bucket.to_owned(), key: key.to_owned(), problem })
}

/// Parses and checks a record as it is stored under a key.
pub(crate) fn read<T: Record>(bucket: &str, key: &str, bytes: &[u8]) -> Result<T, LakeError> {
    let record: T = parse(bucket, key, bytes)?;
    check(&record, bucket, key)?;
    Ok(record)
}
