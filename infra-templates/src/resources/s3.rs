//! Amazon S3.

use serde::Serialize;

use super::Properties;
use crate::Expression;
use crate::policy::Document;

/// A bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Bucket {
    /// Its name.
    pub bucket_name: Expression,
    /// How its objects are encrypted.
    pub bucket_encryption: BucketEncryption,
    /// Whether old versions are kept.
    pub versioning_configuration: Status,
    /// What is refused to the public.
    pub public_access_block_configuration: PublicAccessBlock,
    /// Whose the objects are.
    pub ownership_controls: OwnershipControls,
    /// What becomes of old versions and of what was never finished.
    pub lifecycle_configuration: LifecycleConfiguration,
}

impl Properties for Bucket {
    const KIND: &'static str = "AWS::S3::Bucket";
}

/// A bucket's encryption.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketEncryption {
    /// The rules; one is enough.
    pub server_side_encryption_configuration: Vec<EncryptionRule>,
}

/// A rule of encryption.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionRule {
    /// What is done to objects that say nothing.
    pub server_side_encryption_by_default: EncryptionByDefault,
}

/// Encryption of objects that say nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionByDefault {
    /// `AES256` or `aws:kms`.
    #[serde(rename = "SSEAlgorithm")]
    pub algorithm: &'static str,
}

/// Whether something is done: `Enabled` or `Suspended`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Status {
    /// `Enabled` or `Suspended`.
    pub status: &'static str,
}

/// What is refused to the public.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicAccessBlock {
    /// Access lists that open an object.
    pub block_public_acls: bool,
    /// Policies that open the bucket.
    pub block_public_policy: bool,
    /// Access lists that are there already.
    pub ignore_public_acls: bool,
    /// Access through a policy that is there already.
    pub restrict_public_buckets: bool,
}

/// Whose the objects are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipControls {
    /// The rule.
    pub rules: Vec<OwnershipRule>,
}

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnershipRule {
    /// `BucketOwnerEnforced`: the bucket's owner's, and there are no access lists.
    pub object_ownership: &'static str,
}

/// What becomes of objects in time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleConfiguration {
    /// The rules.
    pub rules: Vec<LifecycleRule>,
}

/// One rule of a lifecycle, for every object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LifecycleRule {
    /// Its name.
    pub id: &'static str,
    /// `Enabled` or `Disabled`.
    pub status: &'static str,
    /// When old versions go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noncurrent_version_expiration: Option<NoncurrentVersionExpiration>,
    /// When the parts of an upload go that was never finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_incomplete_multipart_upload: Option<AbortIncompleteMultipartUpload>,
    /// Whether marks of deletion go that stand for nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
}

/// When old versions go.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NoncurrentVersionExpiration {
    /// Days after a newer version, or a deletion.
    pub noncurrent_days: u64,
}

/// When unfinished uploads go.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AbortIncompleteMultipartUpload {
    /// Days after they began.
    pub days_after_initiation: u64,
}

/// What a bucket allows and refuses.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BucketPolicy {
    /// The bucket.
    pub bucket: Expression,
    /// The policy.
    pub policy_document: Document,
}

impl Properties for BucketPolicy {
    const KIND: &'static str = "AWS::S3::BucketPolicy";
}
