//! What can go wrong with the lake.

use std::fmt;

use star_contract::ColumnType;

/// A cause of another library, kept for the chain.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// What was asked of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The operation, as a word: `get`, `put`, `list`, `create`.
    pub operation: &'static str,
    /// The bucket's name.
    pub bucket: String,
    /// The key or prefix; empty when it is about the bucket.
    pub key: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s3://{}/{}", self.operation, self.bucket, self.key)
    }
}

/// S3's codes for what passes by itself.
const PASSING: &[&str] =
    &["InternalError", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "SlowDown", "Throttling"];

/// What went wrong with the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Nobody answered, or not in time.
    #[error("the lake cannot be reached: {request}")]
    Unreachable {
        /// What was asked.
        request: Request,
        /// Of whom, when it is not AWS.
        endpoint: Option<String>,
        /// The cause.
        source: Source,
    },
    /// No credentials were found.
    #[error("no credentials for the lake: {request}")]
    NoCredentials {
        /// What was asked.
        request: Request,
        /// The cause.
        source: Source,
    },
    /// The credentials were not accepted.
    #[error("the lake does not accept the credentials: {request}")]
    WrongCredentials {
        /// What was asked.
        request: Request,
        /// The cause.
        source: Source,
    },
    /// The credentials do not permit this.
    #[error("access denied: {request}")]
    AccessDenied {
        /// What was asked.
        request: Request,
        /// The cause.
        source: Source,
    },
    /// There is no such bucket.
    #[error("no such bucket: {request}")]
    NoSuchBucket {
        /// What was asked.
        request: Request,
        /// The cause.
        source: Source,
    },
    /// The bucket is in another region.
    #[error("the bucket is in another region: {request}")]
    WrongRegion {
        /// What was asked.
        request: Request,
        /// The cause.
        source: Source,
    },
    /// There is no such object.
    #[error("no such object: {request}")]
    NotFound {
        /// What was asked.
        request: Request,
    },
    /// Somebody else kept writing the same object.
    #[error("the object stayed contended: {request}")]
    Contended {
        /// What was asked.
        request: Request,
        /// The cause.
        source: Source,
    },
    /// S3 answered with something else.
    #[error("the lake failed with {}: {request}", code.as_deref().unwrap_or("no error code"))]
    Failed {
        /// What was asked.
        request: Request,
        /// S3's error code, if it gave one.
        code: Option<String>,
        /// The cause.
        source: Source,
    },
    /// A bucket's name in the settings is none that S3 takes.
    #[error("`{name}` is no bucket name")]
    BucketName {
        /// The name.
        name: String,
    },
    /// A key has other characters than `A-Z a-z 0-9 . _ = / -`.
    #[error("`{key}` is no plain key")]
    Key {
        /// The key.
        key: String,
    },
    /// A snapshot time lies outside the calendar.
    #[error("the snapshot time is no day of the calendar")]
    NoDay,
    /// A listed file is gone.
    #[error("a listed file is missing: s3://{bucket}/{key}")]
    FileMissing {
        /// The bucket's name.
        bucket: String,
        /// The file's key.
        key: String,
    },
    /// A listed file is shorter or longer than it was.
    #[error("a listed file is damaged: s3://{bucket}/{key} has {found} bytes instead of {expected}")]
    FileLength {
        /// The bucket's name.
        bucket: String,
        /// The file's key.
        key: String,
        /// The bytes it was written with.
        expected: u64,
        /// The bytes it has now.
        found: u64,
    },
    /// A listed file has its length but not its checksum.
    #[error("a listed file is damaged: s3://{bucket}/{key} has another checksum than it was written with")]
    FileDigest {
        /// The bucket's name.
        bucket: String,
        /// The file's key.
        key: String,
    },
    /// An object is larger than any this program writes.
    #[error("s3://{bucket}/{key} has more than the {limit} bytes that are read at most")]
    TooLarge {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
        /// The most bytes that are read.
        limit: u64,
    },
    /// A listed file has its checksum and is not what its record says of it.
    #[error("s3://{bucket}/{key}: {source}")]
    InFile {
        /// The bucket's name.
        bucket: String,
        /// The file's key.
        key: String,
        /// What is wrong with it.
        source: Box<LakeError>,
    },
    /// A record was written by a later version.
    #[error("s3://{bucket}/{key} has format {found}, this version reads {known}")]
    UnknownFormat {
        /// The bucket's name.
        bucket: String,
        /// The record's key.
        key: String,
        /// Its format.
        found: u32,
        /// The format this version reads.
        known: u32,
    },
    /// A record is not the JSON it should be.
    #[error("s3://{bucket}/{key} cannot be read")]
    Unreadable {
        /// The bucket's name.
        bucket: String,
        /// The record's key.
        key: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// A record could not be written as JSON.
    #[error("s3://{bucket}/{key} cannot be written")]
    Unwritable {
        /// The bucket's name.
        bucket: String,
        /// The record's key.
        key: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// A record contradicts itself, its key or the record before it.
    #[error("s3://{bucket}/{key} {problem}")]
    Inconsistent {
        /// The bucket's name.
        bucket: String,
        /// The record's key.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A record belongs to another lake.
    #[error("s3://{bucket}/{key} belongs to lake {found}, this is lake {expected}")]
    OtherLake {
        /// The bucket's name.
        bucket: String,
        /// The record's key.
        key: String,
        /// This lake.
        expected: String,
        /// The record's lake.
        found: String,
    },
    /// Parquet could not be written or read.
    #[error("Parquet cannot be {action}")]
    Parquet {
        /// `written` or `read`.
        action: &'static str,
        /// The cause.
        source: Source,
    },
    /// A Parquet file or record batch lacks a column.
    #[error("column `{column}` is missing")]
    ColumnMissing {
        /// The column.
        column: String,
    },
    /// A column of a Parquet file or record batch has another type.
    #[error("column `{column}` is {found} instead of {expected}")]
    ColumnMismatch {
        /// The column.
        column: String,
        /// The type it should have.
        expected: ColumnType,
        /// The Arrow type it has.
        found: String,
    },
    /// A written Parquet file does not hold the rows it should.
    #[error("a Parquet file holds {found} rows after {expected} were written")]
    RowsLost {
        /// The rows written.
        expected: u64,
        /// The rows in the file.
        found: u64,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

impl LakeError {
    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Contended { .. } => true,
            Self::Failed { code, .. } => code.as_deref().is_none_or(|code| PASSING.contains(&code)),
            _ => false,
        }
    }

    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { endpoint: Some(endpoint), .. } => {
                format!(
                    "check that an S3 server listens at {endpoint}; a local one runs as long as the run that started it"
                )
            }
            Self::Unreachable { endpoint: None, .. } => "check the network and the region".to_owned(),
            Self::NoCredentials { .. } => {
                "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the function a role".to_owned()
            }
            Self::WrongCredentials { .. } => {
                "check the access key, the secret key and this machine's clock; temporary credentials expire".to_owned()
            }
            Self::AccessDenied { request, .. } => {
                format!("let the role {} objects in bucket {}", request.operation, request.bucket)
            }
            Self::NoSuchBucket { request, .. } => {
                format!("create bucket {}, or correct the bucket prefix in the settings", request.bucket)
            }
            Self::WrongRegion { .. } => "set the region the buckets are in".to_owned(),
            Self::Contended { .. } => "run again: another run was writing the same record".to_owned(),
            Self::BucketName { .. } => {
                "use 3 to 63 lower-case letters, digits and hyphens; the prefix leaves 21 for the bucket's purpose"
                    .to_owned()
            }
            Self::FileMissing { .. } | Self::FileLength { .. } | Self::FileDigest { .. } => {
                "restore the file from the bucket's versions or a backup: stored data is never rewritten".to_owned()
            }
            Self::UnknownFormat { .. } => "run the version that wrote it, or a later one".to_owned(),
            Self::Unreadable { .. } | Self::Inconsistent { .. } | Self::TooLarge { .. } | Self::InFile { .. } => {
                "something else wrote or changed this object: restore it from the bucket's versions".to_owned()
            }
            Self::OtherLake { .. } => "two environments are mixed: check the buckets in the settings".to_owned(),
            Self::Failed { code: Some(code), .. } if code == "KeyTooLongError" => {
                "use a shorter bucket prefix: the local server names files after bucket and key".to_owned()
            }
            Self::NotFound { .. }
            | Self::Failed { .. }
            | Self::Key { .. }
            | Self::NoDay
            | Self::Unwritable { .. }
            | Self::Parquet { .. }
            | Self::ColumnMissing { .. }
            | Self::ColumnMismatch { .. }
            | Self::RowsLost { .. }
            | Self::Random => return None,
        })
    }

    pub(crate) fn writing(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Parquet { action: "written", source: Box::new(source) }
    }

    pub(crate) fn reading(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Parquet { action: "read", source: Box::new(source) }
    }
}
