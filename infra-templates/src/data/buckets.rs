//! The six buckets: versioned, encrypted, private, and immutable. Object Lock would not do for the last: it keeps an old
//! version from being deleted, but a new one becomes current all the same.

use serde_json::Value;

use crate::names::BUCKETS;
use crate::policy::{Document, Statement};
use crate::resources::{
    AbortIncompleteMultipartUpload, Bucket, BucketEncryption, BucketPolicy, EncryptionByDefault, EncryptionRule,
    LifecycleConfiguration, LifecycleRule, NoncurrentVersionExpiration, OwnershipControls, OwnershipRule, Properties,
    PublicAccessBlock, Status,
};
use crate::{Environment, Template, attribute, join, reference, sub};

/// The one bucket of which something is ever deleted.
const CODE: &str = "code";

/// Where `gc` may delete in the code bucket: what can be built again. The catalog and the records of deployments stay.
const COLLECTED: [&str; 4] = ["artefacts/*", "components/*", "functions/*", "templates/*"];

/// How long the parts of an upload are kept that was never finished, in days.
const UNFINISHED_DAYS: u64 = 3;

/// How the statements begin that refuse deletions.
const REFUSE_DELETING: &str = "RefuseDeleting";

/// Lets who may delete do so in the buckets of a data stack's template.
pub(super) fn let_delete(resource: &mut Value) {
    if resource["Type"] != BucketPolicy::KIND {
        return;
    }
    if let Some(statements) = resource["Properties"]["PolicyDocument"]["Statement"].as_array_mut() {
        statements.retain(|statement| !statement["Sid"].as_str().is_some_and(|sid| sid.starts_with(REFUSE_DELETING)));
    }
}

/// Adds the buckets and what each refuses.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    for purpose in BUCKETS {
        let name = environment.names.bucket(purpose);
        let id = format!("{}Bucket", pascal_case(purpose));
        let policy = BucketPolicy { bucket: reference(&id), policy_document: refusals(&id, purpose) };
        template.add(&*id, bucket(name, environment).resource().retained());
        // Without its policy a bucket that outlives the stack could be overwritten.
        template.add(format!("{id}Policy"), policy.resource().retained());
    }
}

fn bucket(name: String, environment: &Environment) -> Bucket {
    Bucket {
        bucket_name: name.into(),
        bucket_encryption: BucketEncryption {
            server_side_encryption_configuration: vec![EncryptionRule {
                server_side_encryption_by_default: EncryptionByDefault { algorithm: "AES256" },
            }],
        },
        versioning_configuration: Status { status: "Enabled" },
        public_access_block_configuration: PublicAccessBlock {
            block_public_acls: true,
            block_public_policy: true,
            ignore_public_acls: true,
            restrict_public_buckets: true,
        },
        ownership_controls: OwnershipControls {
            rules: vec![OwnershipRule { object_ownership: "BucketOwnerEnforced" }],
        },
        lifecycle_configuration: LifecycleConfiguration {
            rules: vec![
                LifecycleRule {
                    id: "old-versions",
                    status: "Enabled",
                    noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
                        noncurrent_days: environment.old_versions_days,
                    }),
                    abort_incomplete_multipart_upload: None,
                    expired_object_delete_marker: Some(true),
                },
                LifecycleRule {
                    id: "unfinished-uploads",
                    status: "Enabled",
                    noncurrent_version_expiration: None,
                    abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload {
                        days_after_initiation: UNFINISHED_DAYS,
                    }),
                    expired_object_delete_marker: None,
                },
            ],
        },
    }
}

/// What a bucket refuses whoever asks.
fn refusals(id: &str, purpose: &str) -> Document {
    // Together in this form the checkers know that the bucket and all of its objects are meant.
    let everything = vec![attribute(id, "Arn"), join("", vec![attribute(id, "Arn"), "/*".into()])];
    let keys = |pattern: &str| sub(&format!("${{{id}.Arn}}/{pattern}"));
    let objects = keys("*");
    let mut statements = vec![
        Statement::deny("RefusePlainHttp", &["s3:*"], everything).by_everybody().without_tls(),
        // An upload in parts says at its end whether it may overwrite; its beginning and its parts cannot.
        Statement::deny("RefuseOverwriting", &["s3:PutObject"], vec![objects.clone()])
            .by_everybody()
            .when("Null", "s3:if-none-match", vec!["true".into()])
            .when("Bool", "s3:ObjectCreationOperation", vec!["true".into()]),
    ];
    if purpose == CODE {
        let collected = COLLECTED.map(keys).to_vec();
        statements.push(Statement::deny_but(REFUSE_DELETING, &["s3:DeleteObject"], collected).by_everybody());
        // What was deleted by mistake is still there as an old version, until the lifecycle takes it.
        statements
            .push(Statement::deny("RefuseDeletingVersions", &["s3:DeleteObjectVersion"], vec![objects]).by_everybody());
    } else {
        let deletes = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
        statements.push(Statement::deny(REFUSE_DELETING, &deletes, vec![objects]).by_everybody());
    }
    Document::new(statements)
}

/// `extraction-times` as `ExtractionTimes`.
fn pascal_case(purpose: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    purpose.split('-').map(word).collect()
}
