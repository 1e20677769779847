use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::RawEnvironment;
use crate::permissions::{self, Effect, Grant};

fn stack() -> Value {
    let raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("acme-totesys".to_owned()),
        ..RawEnvironment::default()
    };
    serde_json::to_value(data_stack(&raw.check("production", BTreeMap::new()).unwrap())).unwrap()
}

/// What everybody is refused of a bucket.
fn refused(stack: &Value, bucket: &str) -> Vec<String> {
    let granted = permissions::granted(stack);
    let own = granted.into_iter().filter(|permission| permission.resource.contains(&format!("${{{bucket}.Arn}}")));
    let own: BTreeSet<_> = own.collect();
    assert!(own.iter().all(|permission| permission.effect == Effect::Deny && permission.principal == "*"));
    permissions::grants(&own).iter().map(Grant::to_string).collect()
}

#[test]
fn a_bucket_refuses_plain_http_overwriting_and_deleting_whoever_asks() {
    let stack = stack();
    assert_eq!(
        refused(&stack, "IngestionBucket"),
        [
            "* is refused s3:* on ${IngestionBucket.Arn}, ${IngestionBucket.Arn}/* when aws:SecureTransport Bool false",
            "* is refused s3:DeleteObject, s3:DeleteObjectVersion on ${IngestionBucket.Arn}/*",
            "* is refused s3:PutObject on ${IngestionBucket.Arn}/* when s3:ObjectCreationOperation Bool true and \
             s3:if-none-match Null true",
        ]
    );
    let policies = stack["Resources"].as_object().unwrap().values();
    let policies = policies.filter(|resource| resource["Type"] == "AWS::S3::BucketPolicy");
    assert_eq!(policies.count(), 6);
}

#[test]
fn of_the_code_bucket_only_what_can_be_built_again_is_deleted() {
    let refused = refused(&stack(), "CodeBucket");
    let deletes: Vec<&String> = refused.iter().filter(|refusal| refusal.contains("s3:Delete")).collect();
    assert_eq!(
        deletes,
        [
            "* is refused s3:DeleteObject on everything but ${CodeBucket.Arn}/artefacts/*, ${CodeBucket.Arn}/components/*, \
             ${CodeBucket.Arn}/functions/*, ${CodeBucket.Arn}/templates/*",
            "* is refused s3:DeleteObjectVersion on ${CodeBucket.Arn}/*",
        ]
    );
}

#[test]
fn everything_but_who_hears_of_it_outlives_the_stack() {
    let stack = stack();
    let resources = stack["Resources"].as_object().unwrap().iter();
    let going: Vec<&String> =
        resources.filter(|(_, resource)| resource["DeletionPolicy"] != "Retain").map(|(id, _)| id).collect();
    assert_eq!(going, ["AlertsTopicPolicy", "DeploymentsRule"]);
}

#[test]
fn without_retention_everything_goes_and_may_be_deleted() {
    let kept = stack();
    let given_up = without_retention(kept.clone());
    let policies = |stack: &Value| -> BTreeSet<String> {
        let resources = stack["Resources"].as_object().unwrap().values();
        resources
            .map(|resource| format!("{} {}", resource["DeletionPolicy"], resource["UpdateReplacePolicy"]))
            .collect()
    };
    assert_eq!(Vec::from_iter(policies(&kept)), [r#""Retain" "Retain""#, "null null"]);
    assert_eq!(Vec::from_iter(policies(&given_up)), [r#""Delete" "Delete""#, "null null"]);
    for bucket in ["IngestionBucket", "CodeBucket"] {
        let (before, after) = (refused(&kept, bucket), refused(&given_up, bucket));
        assert!(before.iter().any(|refusal| refusal.contains("s3:Delete")), "{before:?}");
        let others: Vec<_> = before.into_iter().filter(|refusal| !refusal.contains("s3:Delete")).collect();
        assert_eq!((after, others.len()), (others, 2));
    }
    assert_eq!(without_retention(given_up.clone()), given_up);
}
