//! The operations the lake uses, over plain files.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};

use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, GetObjectInput, GetObjectOutput,
    HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    PutObjectInput, PutObjectOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::Mutex;

use crate::EmbeddedS3Error;

/// Two keys share a lock now and then; with this many that costs nothing.
const LOCKS: usize = 64;

/// The file system names a file after bucket and key, in base64 and with 46 bytes around them, and
/// no file name may be longer than 255 bytes.
const MAX_NAME: usize = 255 - 46;

/// Buckets as folders and objects as files. What is not here stays "not implemented".
pub(crate) struct Objects {
    files: FileSystem,
    folder: PathBuf,
    /// A conditional put is a check and then a rename; whoever holds the key's lock does both.
    puts: Vec<Mutex<()>>,
}

impl Objects {
    pub(crate) fn open(buckets: &Path) -> Result<Self, EmbeddedS3Error> {
        let files = FileSystem::new(buckets)
            .map_err(|error| EmbeddedS3Error::Store { folder: buckets.to_owned(), source: Box::new(error.into()) })?;
        Ok(Self { files, folder: buckets.to_owned(), puts: (0..LOCKS).map(|_| Mutex::new(())).collect() })
    }

    fn lock_of(&self, bucket: &str, key: &str) -> &Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((bucket, key));
        &self.puts[(hash % LOCKS as u64) as usize]
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
        let _put = self.lock_of(&request.input.bucket, &request.input.key).lock().await;
        self.files.put_object(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check(&request.input.bucket, &request.input.key)?;
        self.files.get_object(request).await
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
