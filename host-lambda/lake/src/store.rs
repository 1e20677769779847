//! Objects: put once, get, list.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use bytes::{Bytes, BytesMut};

use crate::bucket::is_bucket_name;
use crate::{Bucket, BucketNames, LakeError, LakeSettings, Request, client, keys};

/// S3 lists at most this many keys at once.
const PAGE: usize = 1000;

/// How often a put is tried that meets another put of its key, and a body is read that breaks off.
/// The client's own retries cover everything else.
const TRIES: u32 = 6;

/// No object is larger: a Parquet part has about 32 MiB, and a single row that large fails its batch anyway.
const MOST_BYTES: u64 = 256 << 20;

/// What became of a conditional put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is new.
    Created,
    /// An object of that key existed, and is as it was.
    AlreadyThere,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// The object's key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written, in seconds since 1970; 0 where S3 does not say.
    pub written_at: i64,
}

/// The lake.
#[derive(Debug)]
pub struct Lake {
    pub(crate) client: Client,
    buckets: BucketNames,
    endpoint: Option<String>,
    /// Known from the settings, or once the identity was read.
    pub(crate) lake_id: OnceLock<String>,
}

impl Lake {
    /// A lake as the settings say; nothing is asked of it yet.
    ///
    /// # Errors
    /// When a bucket's name is none that S3 takes.
    pub async fn open(settings: LakeSettings) -> Result<Self, LakeError> {
        for bucket in Bucket::ALL {
            let name = settings.buckets.name(bucket);
            if !is_bucket_name(name) {
                return Err(LakeError::BucketName { name: name.to_owned() });
            }
        }
        let client = client::connect(&settings).await;
        let lake_id = settings.lake_id.map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self { client, buckets: settings.buckets, endpoint: settings.endpoint, lake_id })
    }

    /// Makes the buckets that do not exist yet. On AWS the deployment makes them.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn create_buckets(&self) -> Result<(), LakeError> {
        for bucket in Bucket::ALL {
            let name = self.buckets.name(bucket);
            let region = self.client.config().region().map(AsRef::as_ref).filter(|region| *region != "us-east-1");
            let constraint = region.map(|region| {
                CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
            });
            let created =
                self.client.create_bucket().bucket(name).set_create_bucket_configuration(constraint).send().await;
            match created {
                Ok(_) => tracing::debug!(bucket = name, "bucket created"),
                Err(error)
                    if matches!(
                        error.as_service_error().and_then(ProvideErrorMetadata::code),
                        Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")
                    ) => {}
                Err(error) => return Err(self.failure("create", bucket, "", error)),
            }
        }
        Ok(())
    }

    /// Puts an object, unless there is one of that key.
    ///
    /// # Errors
    /// When the key is not plain or S3 refuses.
    #[tracing::instrument(level = "debug", skip(self, body, content_type), fields(bytes = body.len()))]
    pub async fn put_new(&self, bucket: Bucket, key: &str, body: Bytes, content_type: &str) -> Result<Put, LakeError> {
        keys::check(key)?;
        let mut tried = 0;
        loop {
            let sent = self
                .client
                .put_object()
                .bucket(self.buckets.name(bucket))
                .key(key)
                .content_type(content_type)
                .if_none_match("*")
                .body(ByteStream::from(body.clone()))
                .send()
                .await;
            let error = match sent {
                Ok(_) => {
                    tracing::debug!("object written");
                    return Ok(Put::Created);
                }
                Err(error) if status(&error) == Some(412) => {
                    tracing::debug!("object was there already");
                    return Ok(Put::AlreadyThere);
                }
                Err(error) => error,
            };
            tried += 1;
            // 409: another conditional put of this key is under way, and may yet fail.
            if status(&error) != Some(409) || tried == TRIES {
                return Err(self.failure("put", bucket, key, error));
            }
            pause(tried).await;
        }
    }

    /// Gets an object.
    ///
    /// # Errors
    /// [`LakeError::NotFound`] when there is none of that key.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Bytes, LakeError> {
        self.get_within(bucket, key, None).await
    }

    /// Gets an object that should have so many bytes; no other is read into memory.
    pub(crate) async fn get_within(
        &self,
        bucket: Bucket,
        key: &str,
        expected: Option<u64>,
    ) -> Result<Bytes, LakeError> {
        keys::check(key)?;
        let too_large =
            || LakeError::TooLarge { bucket: self.name(bucket).to_owned(), key: key.to_owned(), limit: MOST_BYTES };
        if expected.is_some_and(|expected| expected > MOST_BYTES) {
            return Err(too_large());
        }
        let mut tried = 0;
        loop {
            let found = self
                .client
                .get_object()
                .bucket(self.buckets.name(bucket))
                .key(key)
                .send()
                .await
                .map_err(|error| self.failure("get", bucket, key, error))?;
            let length = found.content_length().and_then(|length| u64::try_from(length).ok());
            if let (Some(expected), Some(found)) = (expected, length)
                && expected != found
            {
                let bucket = self.buckets.name(bucket).to_owned();
                return Err(LakeError::FileLength { bucket, key: key.to_owned(), expected, found });
            }
            if length.is_some_and(|length| length > MOST_BYTES) {
                return Err(too_large());
            }
            match within(found.body, length).await {
                Ok(Some(body)) => return Ok(body),
                Ok(None) => return Err(too_large()),
                Err(source) => {
                    tried += 1;
                    if tried == TRIES {
                        return Err(LakeError::Unreachable {
                            request: self.request("get", bucket, key),
                            endpoint: self.endpoint.clone(),
                            source: Box::new(source),
                        });
                    }
                    pause(tried).await;
                }
            }
        }
    }

    /// Lists the objects whose keys start with a prefix, in the order of their keys.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn list(
        &self,
        bucket: Bucket,
        prefix: &str,
        at_most: Option<usize>,
    ) -> Result<Vec<ObjectEntry>, LakeError> {
        let wanted = at_most.unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        let mut next = None;
        while entries.len() < wanted {
            let page = i32::try_from((wanted - entries.len()).min(PAGE)).ok();
            let listed = self
                .client
                .list_objects_v2()
                .bucket(self.buckets.name(bucket))
                .prefix(prefix)
                .set_max_keys(page)
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| self.failure("list", bucket, prefix, error))?;
            for object in listed.contents.unwrap_or_default() {
                if let Some(key) = object.key {
                    let bytes = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                    let written_at = object.last_modified.map_or(0, |time| time.secs());
                    entries.push(ObjectEntry { key, bytes, written_at });
                }
            }
            next = listed.next_continuation_token;
            if next.is_none() {
                break;
            }
        }
        entries.truncate(wanted);
        Ok(entries)
    }

    /// Deletes an object; one that is not there is deleted already.
    pub(crate) async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), LakeError> {
        keys::check(key)?;
        let sent = self.client.delete_object().bucket(self.buckets.name(bucket)).key(key).send().await;
        sent.map(drop).map_err(|error| self.failure("delete", bucket, key, error))
    }

    /// The name of a bucket, for errors.
    pub(crate) fn name(&self, bucket: Bucket) -> &str {
        self.buckets.name(bucket)
    }

    pub(crate) fn request(&self, operation: &'static str, bucket: Bucket, key: &str) -> Request {
        Request { operation, bucket: self.buckets.name(bucket).to_owned(), key: key.to_owned() }
    }

    pub(crate) fn failure<E>(
        &self,
        operation: &'static str,
        bucket: Bucket,
        key: &str,
        error: SdkError<E, HttpResponse>,
    ) -> LakeError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        client::failure(self.request(operation, bucket, key), self.endpoint.as_deref(), error)
    }
}

/// A body of at most [`MOST_BYTES`], whatever length was promised; none when it goes on.
async fn within(mut body: ByteStream, length: Option<u64>) -> Result<Option<Bytes>, ByteStreamError> {
    let mut bytes = BytesMut::with_capacity(usize::try_from(length.unwrap_or_default()).unwrap_or_default());
    while let Some(chunk) = body.try_next().await? {
        if (bytes.len() + chunk.len()) as u64 > MOST_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// 50 ms, 100 ms, 200 ms and so on.
async fn pause(tried: u32) {
    tokio::time::sleep(Duration::from_millis(25 << tried)).await;
}
