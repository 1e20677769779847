//! Each role does its work and nothing else: the functions' by doing it and by trying more, the others' by asking IAM.

use serde_json::{Value, json};
use totesys_tests::truth::assert_same;
use totesys_tests::{Data, TestDatabase};

use crate::asker::Refusal;
use crate::emulator::{ACCOUNT, Emulator, Permissions, REGION};
use crate::environment::{Environment, PREFIX};
use crate::tools;

/// The buckets, and the stage whose function writes into each; the last is the deployer's.
const BUCKETS: &[(&str, &str)] = &[
    ("ingestion", "extract"),
    ("extraction-times", "extract"),
    ("transformed-data", "transform"),
    ("transformation-times", "transform"),
    ("load-times", "load"),
    ("code", "nobody"),
];

/// Which secret a stage's function may read.
const SECRETS: &[(&str, Option<&str>)] =
    &[("extract", Some("source")), ("transform", None), ("load", Some("warehouse"))];

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_its_work_and_nothing_else() {
    let Some(tools) = tools::folder() else { return };
    let mut environment = Environment::new(&tools, Permissions::Enforced, Data::Sample).await;
    environment.deploy_as_least();
    environment.deploy(&tools::package());
    environment.set_secrets();

    // Its work: a whole execution with what the roles allow.
    let ran = environment.xtask_well(&["run", "--aws"]);
    assert!(ran.all().contains(&format!("{PREFIX}-pipeline")), "{ran:#?}");
    assert_same(&environment.warehouse, &environment.source).await;
    let rows = count(&environment.warehouse).await;

    let emulator = &environment.emulator;
    for (service, operation, arguments) in [
        ("iam", "list_users", json!({})),
        ("iam", "create_user", json!({ "UserName": "somebody" })),
        (
            "s3",
            "create_bucket",
            json!({ "Bucket": "others", "CreateBucketConfiguration": { "LocationConstraint": REGION } }),
        ),
        ("lambda", "delete_function", json!({ "FunctionName": "others" })),
    ] {
        assert!(emulator.ask_as("deployer", service, operation, arguments).is_err(), "a deployer may {operation}");
    }
    for (stage, secret) in SECRETS {
        writes_into_its_own_buckets_alone(emulator, stage);
        for asked in ["source", "warehouse"] {
            let id = json!({ "SecretId": format!("{PREFIX}/{asked}") });
            let found = emulator.ask_as(&role(stage), "secretsmanager", "get_secret_value", id);
            match found {
                Ok(_) => assert_eq!(*secret, Some(asked), "{stage} reads the secret of {asked}"),
                Err(refusal) => {
                    assert_ne!(*secret, Some(asked), "{refusal:?}");
                    assert_eq!(refusal.code, "AccessDeniedException", "{refusal:?}");
                }
            }
        }
    }
    what_aws_does_with_the_other_roles(emulator);
    // After all those attempts there is nothing to do.
    environment.xtask_well(&["run", "--aws"]);
    assert_eq!(count(&environment.warehouse).await, rows);
}

/// What is there cannot be put again, nor overwritten, nor deleted; and into the buckets of others nothing is put.
fn writes_into_its_own_buckets_alone(emulator: &Emulator, stage: &str) {
    for (purpose, writer) in BUCKETS {
        let bucket = format!("{PREFIX}-{purpose}");
        let listed = emulator.ask("s3", "list_objects_v2", json!({ "Bucket": bucket }));
        let key = listed["Contents"][0]["Key"].as_str().unwrap_or_else(|| panic!("nothing is in {bucket}")).to_owned();
        let attempt = |operation: &str, more: Value| {
            let mut arguments = json!({ "Bucket": bucket, "Key": key });
            arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let Err(refusal) = emulator.ask_as(&role(stage), "s3", operation, arguments) else {
                panic!("{stage} may {operation} on {bucket}");
            };
            refusal
        };
        let created = attempt("put_object", json!({ "Body": "other", "IfNoneMatch": "*" }));
        if stage == *writer {
            // It may, had the object not been there.
            assert_eq!(created.code, "PreconditionFailed", "{stage} {purpose} {created:?}");
        } else {
            assert_denied(&created);
        }
        let overwritten = attempt("put_object", json!({ "Body": "other" }));
        assert_denied(&overwritten);
        if stage == *writer {
            assert!(overwritten.message.contains("explicit deny in a resource-based policy"), "{overwritten:?}");
        }
        assert_denied(&attempt("delete_object", json!({})));
        assert_denied(&attempt("put_object_acl", json!({ "ACL": "public-read" })));
        let policy = emulator.ask_as(&role(stage), "s3", "delete_bucket_policy", json!({ "Bucket": bucket }));
        assert_denied(&policy.unwrap_err());
    }
}

fn assert_denied(refusal: &Refusal) {
    assert_eq!(refusal.code, "AccessDenied", "{refusal:?}");
}

/// Roles that the emulator does not hold anybody to.
fn what_aws_does_with_the_other_roles(emulator: &Emulator) {
    let function = |stage: &str| format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{PREFIX}-{stage}");
    let machine = |name: &str| format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{PREFIX}-{name}");
    let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{PREFIX}-alerts");
    let object = format!("arn:aws:s3:::{PREFIX}-ingestion/tables/x");
    let secret = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{PREFIX}/source-abcdef");
    let letters = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{PREFIX}-not-started");
    let asked: &[(&str, &str, String, bool)] = &[
        ("states", "lambda:InvokeFunction", function("extract"), true),
        ("states", "lambda:InvokeFunction", function("transform"), true),
        ("states", "lambda:InvokeFunction", function("load"), true),
        ("states", "lambda:InvokeFunction", function("other"), false),
        ("states", "lambda:UpdateFunctionCode", function("extract"), false),
        ("states", "sns:Publish", topic.clone(), true),
        ("states", "sns:Publish", format!("{topic}-of-others"), false),
        ("states", "states:StartExecution", machine("backfill"), true),
        ("states", "states:StartExecution", machine("other"), false),
        ("states", "s3:GetObject", object.clone(), false),
        ("states", "secretsmanager:GetSecretValue", secret.clone(), false),
        ("backfill", "lambda:InvokeFunction", function("extract"), true),
        ("backfill", "lambda:InvokeFunction", function("transform"), false),
        ("backfill", "lambda:InvokeFunction", function("load"), false),
        ("backfill", "states:StartExecution", machine("pipeline"), true),
        ("backfill", "states:StartExecution", machine("other"), false),
        ("backfill", "sns:Publish", topic.clone(), true),
        ("backfill", "s3:GetObject", object.clone(), false),
        ("scheduler", "states:StartExecution", machine("pipeline"), true),
        ("scheduler", "states:StartExecution", machine("backfill"), false),
        ("scheduler", "states:StopExecution", machine("pipeline"), false),
        ("scheduler", "sqs:SendMessage", letters, true),
        ("scheduler", "lambda:InvokeFunction", function("extract"), false),
        ("scheduler", "s3:GetObject", object, false),
        ("transform", "secretsmanager:GetSecretValue", secret, false),
        ("transform", "sns:Publish", topic, false),
    ];
    for (of, action, resource, expected) in asked {
        assert_eq!(emulator.may(&role(of), action, resource), *expected, "{of}: {action} on {resource}");
    }
}

fn role(of: &str) -> String {
    format!("{PREFIX}-{of}-role")
}

async fn count(warehouse: &TestDatabase) -> Vec<Vec<Option<String>>> {
    warehouse.warehouse_rows("SELECT count(*) FROM fact_sales_order").await
}
