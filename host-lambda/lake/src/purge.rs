//! The end of a lake.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::delete_objects::{DeleteObjectsError, DeleteObjectsOutput};
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{Delete, Error, ObjectIdentifier};

use crate::{Bucket, Lake, LakeError};

/// How often a page of deletions is tried of which some are refused, and how long is waited between: what a bucket's
/// policy no longer refuses may be refused for some seconds more.
const TRIES: (u32, Duration) = (15, Duration::from_secs(2));

/// What was deleted for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Versions of objects, and the marks of deletions.
    pub versions: u64,
    /// The bytes that they had.
    pub bytes: u64,
}

impl Lake {
    /// Deletes everything in a bucket: every version of every object, and what was uploaded of objects that were never
    /// finished. Nothing of it can be brought back. The bucket is left, empty, for the stack that it belongs to.
    ///
    /// This is the one way a lake is ever deleted, and only `cargo xtask destroy --delete-data` goes it, for who has typed
    /// the data stack's name. The bucket's policy refuses deletions to everybody until that stack was told otherwise.
    ///
    /// Broken off, it goes on where it was when it is called again; a bucket that is not there is empty.
    ///
    /// # Errors
    /// When S3 refuses, for about half a minute where it is about single objects.
    #[tracing::instrument(level = "debug", skip(self))]
    pub async fn purge(&self, bucket: Bucket) -> Result<Purged, LakeError> {
        match self.purge_versions(bucket).await {
            Err(LakeError::NoSuchBucket { .. }) => Ok(Purged::default()),
            Err(error) => Err(error),
            Ok(purged) => {
                self.abort_uploads(bucket).await?;
                tracing::debug!(purged.versions, purged.bytes, "bucket emptied");
                Ok(purged)
            }
        }
    }

    async fn purge_versions(&self, bucket: Bucket) -> Result<Purged, LakeError> {
        let (most, pause) = TRIES;
        let (mut purged, mut tried) = (Purged::default(), 0);
        loop {
            // From the beginning each time: what was deleted is not there any more.
            let listed = self.client.list_object_versions().bucket(self.name(bucket)).send().await;
            let found = versions(listed.map_err(|error| self.failure("list", bucket, "", error))?);
            if found.is_empty() {
                return Ok(purged);
            }
            let errors = self.delete_versions(bucket, &found).await?;
            for (version, bytes) in &found {
                let is_left =
                    |error: &Error| error.key() == Some(&version.key) && error.version_id() == version.version_id();
                if !errors.iter().any(is_left) {
                    purged.versions += 1;
                    purged.bytes += bytes;
                }
            }
            match errors.into_iter().next() {
                None => tried = 0,
                Some(error) => {
                    tried += 1;
                    if tried == most {
                        return Err(self.refusal(bucket, error));
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Deletes these; gives what S3 says of those that it did not delete.
    async fn delete_versions(
        &self,
        bucket: Bucket,
        found: &[(ObjectIdentifier, u64)],
    ) -> Result<Vec<Error>, LakeError> {
        let objects = found.iter().map(|(version, _)| version.clone()).collect();
        let deleted: Result<DeleteObjectsOutput, SdkError<DeleteObjectsError, HttpResponse>> =
            match Delete::builder().set_objects(Some(objects)).quiet(true).build() {
                Ok(these) => self.client.delete_objects().bucket(self.name(bucket)).delete(these).send().await,
                Err(error) => Err(SdkError::construction_failure(error)),
            };
        let deleted = deleted.map_err(|error| self.failure("delete", bucket, "", error))?;
        Ok(deleted.errors.unwrap_or_default())
    }

    fn refusal(&self, bucket: Bucket, error: Error) -> LakeError {
        let request = self.request("delete", bucket, error.key().unwrap_or_default());
        let source = error.message.unwrap_or_default().into();
        match error.code {
            Some(code) if code == "AccessDenied" => LakeError::AccessDenied { request, source },
            code => LakeError::Failed { request, code, source },
        }
    }

    /// Takes back uploads in parts that were begun and not finished.
    async fn abort_uploads(&self, bucket: Bucket) -> Result<(), LakeError> {
        let (mut key, mut id) = (None, None);
        loop {
            let listed = self
                .client
                .list_multipart_uploads()
                .bucket(self.name(bucket))
                .set_key_marker(key)
                .set_upload_id_marker(id)
                .send()
                .await
                .map_err(|error| self.failure("list", bucket, "", error))?;
            for upload in listed.uploads() {
                let (key, id) = (upload.key().unwrap_or_default(), upload.upload_id().unwrap_or_default());
                let asked = self.client.abort_multipart_upload().bucket(self.name(bucket)).key(key).upload_id(id);
                match asked.send().await {
                    Err(error) if error.code() != Some("NoSuchUpload") => {
                        return Err(self.failure("delete", bucket, key, error));
                    }
                    _ => {}
                }
            }
            if listed.is_truncated() != Some(true) {
                return Ok(());
            }
            (key, id) = (listed.next_key_marker, listed.next_upload_id_marker);
        }
    }
}

/// The versions and marks of a page of a listing, each with its bytes.
fn versions(page: ListObjectVersionsOutput) -> Vec<(ObjectIdentifier, u64)> {
    let of = |key: Option<String>, id: Option<String>, bytes: Option<i64>| {
        let version = ObjectIdentifier::builder().set_key(key).set_version_id(id).build().ok()?;
        Some((version, bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()))
    };
    let objects = page.versions.unwrap_or_default().into_iter();
    let objects = objects.filter_map(|version| of(version.key, version.version_id, version.size));
    let marks = page.delete_markers.unwrap_or_default().into_iter();
    objects.chain(marks.filter_map(|mark| of(mark.key, mark.version_id, None))).collect()
}
