//! Rules of checkers (cfn-lint, checkov, and the AWS Control Tower rules for cfn-guard) that resources break on purpose, each with
//! its reason. They stand in the resource's metadata: whoever reads the template finds why, and what runs the checkers
//! lets nothing else pass.

use serde_json::{Value, json};

use crate::{Resource, Template};

/// Rules that are broken on purpose.
struct Exception {
    /// The rules, as the checkers call them.
    rules: &'static [&'static str],
    /// Why.
    reason: &'static str,
}

const fn exception(rules: &'static [&'static str], reason: &'static str) -> Exception {
    Exception { rules, reason }
}

const BUCKET: &[Exception] = &[
    exception(
        &["CKV_AWS_18", "CT.S3.PR.2"],
        "access logs would fill a bucket of their own; CloudTrail records data events where somebody wants them",
    ),
    exception(&["CT.S3.PR.4"], "nothing waits for objects: the state machine knows what it had written"),
    exception(
        &["CT.S3.PR.9"],
        "Object Lock does not keep a new version from becoming current; the bucket's policy refuses overwriting",
    ),
    exception(
        &["CT.S3.PR.10"],
        "keys of S3 encrypt it; a key of our own is paid by the month and the request, and the same roles would hold it",
    ),
];

const BUCKET_POLICY: &[Exception] =
    &[exception(&["I1022"], "cfn-guard's rule of encrypted requests (CT.S3.PR.8) knows the objects as Fn::Join only")];

const FUNCTION: &[Exception] = &[
    exception(&["CKV_AWS_115"], "new accounts refuse reserved concurrency; the state machine calls one at a time"),
    exception(&["CKV_AWS_116"], "the state machine calls it and waits: no call is left over"),
    exception(&["CKV_AWS_173"], "its variables are names and settings and no secrets"),
];

const PUBLIC_FUNCTION: &[Exception] = &[exception(
    &["CKV_AWS_117", "CT.LAMBDA.PR.3"],
    "the databases are reached without a private network; where they are in one, the settings place it there",
)];

const LOG_GROUP: &[Exception] = &[
    exception(&["CT.CLOUDWATCH.PR.2"], "the settings say how long lines are kept, and they hold no rows to audit"),
    exception(
        &["CKV_AWS_158", "CT.CLOUDWATCH.PR.3"],
        "keys of CloudWatch encrypt it, and it holds neither rows nor secrets",
    ),
];

const QUEUE: &[Exception] = &[
    exception(&["CKV_AWS_27"], "keys of SQS encrypt it, and it holds the names of what was not started"),
    exception(&["CT.SQS.PR.1"], "it is itself where it is told what failed"),
];

const SECRET: &[Exception] = &[exception(
    &["CKV_AWS_149"],
    "the account's key of Secrets Manager encrypts it; no other account is to read it, which is what another key is for",
)];

const TOPIC: &[Exception] = &[exception(
    &["CKV_AWS_26"],
    "no KMS key: alarms cannot publish under the AWS-managed one, and what is told holds nothing worth a key of its own",
)];

fn of(resource: &Resource) -> Vec<&'static Exception> {
    let exceptions: &[&[Exception]] = match resource.kind {
        "AWS::Lambda::Function" if resource.properties.get("VpcConfig").is_none() => &[FUNCTION, PUBLIC_FUNCTION],
        "AWS::Lambda::Function" => &[FUNCTION],
        "AWS::Logs::LogGroup" => &[LOG_GROUP],
        "AWS::S3::Bucket" => &[BUCKET],
        "AWS::S3::BucketPolicy" => &[BUCKET_POLICY],
        "AWS::SNS::Topic" => &[TOPIC],
        "AWS::SQS::Queue" => &[QUEUE],
        "AWS::SecretsManager::Secret" => &[SECRET],
        _ => &[],
    };
    exceptions.iter().copied().flatten().collect()
}

/// Writes down which rules a template's resources break, and why.
pub(crate) fn declare(template: &mut Template) {
    for resource in template.resources.values_mut() {
        let exceptions = of(resource);
        if !exceptions.is_empty() {
            resource.metadata = Some(metadata(&exceptions));
        }
    }
}

fn metadata(exceptions: &[&Exception]) -> Value {
    let listed = exceptions.iter().map(|exception| json!({ "Rules": exception.rules, "Reason": exception.reason }));
    let mut metadata = json!({ "Exceptions": listed.collect::<Vec<_>>() });
    // Checkov and cfn-lint read parts of their own only.
    let rules = || exceptions.iter().flat_map(|exception| exception.rules.iter().map(|rule| (*rule, exception.reason)));
    let skipped = rules().filter(|(rule, _)| rule.starts_with("CKV"));
    let skipped: Vec<Value> = skipped.map(|(rule, reason)| json!({ "id": rule, "comment": reason })).collect();
    if !skipped.is_empty() {
        metadata["checkov"] = json!({ "skip": skipped });
    }
    let ignored: Vec<&str> = rules().map(|(rule, _)| rule).filter(|rule| rule.starts_with('I')).collect();
    if !ignored.is_empty() {
        metadata["cfn-lint"] = json!({ "config": { "ignore_checks": ignored } });
    }
    metadata
}
