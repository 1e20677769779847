//! The operations the lake uses, over plain files.

use std::io;
use std::path::{Path, PathBuf};

use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, GetObjectInput, GetObjectOutput,
    HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use crate::EmbeddedS3Error;
use crate::file::{self, Content, Unfinished};

/// The library names a file of its own after bucket and key, in base64 and with 46 bytes around them, and no file
/// name may be longer than 255 bytes.
const MAX_NAME: usize = 255 - 46;

/// Buckets as folders and objects as files. What is not here stays "not implemented".
pub(crate) struct Objects {
    files: FileSystem,
    folder: PathBuf,
}

impl Objects {
    pub(crate) fn open(buckets: &Path) -> Result<Self, EmbeddedS3Error> {
        file::clear(buckets).map_err(EmbeddedS3Error::file("clear", buckets))?;
        let files = FileSystem::new(buckets)
            .map_err(|error| EmbeddedS3Error::Store { folder: buckets.to_owned(), source: Box::new(error.into()) })?;
        Ok(Self { files, folder: buckets.to_owned() })
    }

    /// Refuses what the file system would mistreat: missing buckets, which it would make up, and
    /// keys that S3 itself takes.
    fn check(&self, bucket: &str, key: &str) -> S3Result<()> {
        if !self.folder.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._=/-".contains(&byte))
            && key.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !plain {
            return Err(s3_error!(InvalidArgument, "this server takes plain keys only: A-Z a-z 0-9 . _ = / -"));
        }
        if (bucket.len() * 4).div_ceil(3) + (key.len() * 4).div_ceil(3) > MAX_NAME {
            return Err(s3_error!(KeyTooLongError, "bucket and key are too long for the file system"));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        totesys_failpoint::fails("s3:put").map_err(|error| s3_error!(error, InternalError))?;
        let PutObjectInput { bucket, key, body, if_match, if_none_match, content_length, .. } = request.input;
        if if_match.is_some() {
            return Err(s3_error!(NotImplemented, "this server takes no if-match"));
        }
        let Some(body) = body else { return Err(s3_error!(IncompleteBody)) };
        let unfinished = Unfinished::write(&self.folder, body).await.map_err(not_written)?;
        if content_length.is_some_and(|length| unfinished.length().ok() != u64::try_from(length).ok()) {
            return Err(s3_error!(IncompleteBody));
        }
        let new = if_none_match.is_some();
        if unfinished.finish(&self.folder.join(bucket).join(key), new).map_err(not_written)? {
            Ok(S3Response::new(PutObjectOutput::default()))
        } else {
            Err(s3_error!(PreconditionFailed, "the object is there already"))
        }
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        if request.input.range.is_some() {
            return self.files.get_object(request).await;
        }
        let place = self.folder.join(&request.input.bucket).join(&request.input.key);
        let (content, length) = Content::open(place).await.map_err(not_read)?;
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(content)),
            content_length: i64::try_from(length).ok(),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        self.files.head_object(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(request).await
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(request).await
    }
}

fn not_written(error: io::Error) -> S3Error {
    s3_error!(error, InternalError)
}

fn not_read(error: io::Error) -> S3Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => s3_error!(error, NoSuchKey),
        _ => s3_error!(error, InternalError),
    }
}
