//! What whoever deploys must be allowed: CloudFormation does everything with the rights of who called it.

use serde_json::{Value, json};

use crate::names::BUCKETS;
use crate::{Environment, Stage};

/// The least policy a deployer needs: every action that `deploy`, `diff`, `drift`, `rollback`, `destroy`, `secret set`,
/// `run`, `logs`, `status` and `gc` take, on the environment's own resources. Where the settings name no account its
/// place is `*`.
///
/// Rights to tag are among them because `deploy` tags its stacks, and CloudFormation everything in them.
///
/// It fits into a role's own policies, which have room for 10,240 characters: with a private network up to a prefix of
/// 32. A managed policy has room for 6,144.
#[must_use]
pub fn policy(environment: &Environment) -> Value {
    let arns = Arns::of(environment);
    let mut statements = kept(&arns);
    statements.extend(running(&arns));
    if environment.network.is_some() {
        statements.extend(placed(&arns));
    }
    statements.push(allow("LookAround", LOOK_AROUND, vec!["*".to_owned()]));
    document(statements)
}

/// What `destroy --delete-data` needs besides, to empty the buckets and to have CloudFormation delete everything in the
/// data stack. It is a policy of its own so that nobody has it by default. A very first deployment that fails is undone
/// only for who has it too; otherwise what was made stays, and stands in the way of the next attempt.
#[must_use]
pub fn deletion_policy(environment: &Environment) -> Value {
    let arns = Arns::of(environment);
    // A database goes with its tables and functions, so AWS asks for them even where there are none.
    let functions = format!("userDefinedFunction/{}/*", environment.names.glue_database());
    let mut database = arns.glue();
    database.push(arns.of_service("glue", &functions));
    document(vec![
        allow(
            "DeleteBuckets",
            &["s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"],
            arns.buckets(""),
        ),
        // For a version by its id AWS asks for both rights to delete.
        allow(
            "DeleteObjects",
            &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"],
            arns.buckets("/*"),
        ),
        allow("DeleteSecrets", &["secretsmanager:DeleteSecret"], arns.secrets()),
        allow("DeleteDatabase", &["glue:DeleteDatabase"], database),
        allow("DeleteTopic", &["sns:DeleteTopic"], vec![arns.of_service("sns", &arns.environment.names.topic())]),
    ])
}

/// What AWS allows on every resource or on none.
const LOOK_AROUND: &[&str] = &[
    "cloudformation:DescribeStackDriftDetectionStatus",
    "cloudwatch:GetMetricData",
    "logs:DescribeLogGroups",
    "sns:GetSubscriptionAttributes",
    "sns:Unsubscribe",
    "states:ValidateStateMachineDefinition",
];

/// ARNs of the environment's resources, with nothing left for CloudFormation to fill in.
struct Arns<'a> {
    environment: &'a Environment,
    partition: &'static str,
    account: &'a str,
}

impl<'a> Arns<'a> {
    fn of(environment: &'a Environment) -> Self {
        let partition = match environment.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Self { environment, partition, account: environment.account.as_deref().unwrap_or("*") }
    }

    fn of_service(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.environment.region, self.account)
    }

    fn bucket(&self, purpose: &str, keys: &str) -> String {
        format!("arn:{}:s3:::{}{keys}", self.partition, self.environment.names.bucket(purpose))
    }

    fn buckets(&self, keys: &str) -> Vec<String> {
        BUCKETS.iter().map(|purpose| self.bucket(purpose, keys)).collect()
    }

    fn secrets(&self) -> Vec<String> {
        let secret = |database| format!("secret:{}-*", self.environment.names.secret(database));
        ["source", "warehouse"].map(|database| self.of_service("secretsmanager", &secret(database))).to_vec()
    }

    fn glue(&self) -> Vec<String> {
        let database = self.environment.names.glue_database();
        let resources = ["catalog".to_owned(), format!("database/{database}"), format!("table/{database}/*")];
        resources.map(|resource| self.of_service("glue", &resource)).to_vec()
    }

    fn roles(&self) -> Vec<String> {
        let others = ["backfill", "scheduler", "states"];
        let role =
            |of| format!("arn:{}:iam::{}:role/{}", self.partition, self.account, self.environment.names.role(of));
        Stage::ALL.map(Stage::name).into_iter().chain(others).map(role).collect()
    }

    fn stages(&self, service: &str, resource: impl Fn(&str) -> String) -> Vec<String> {
        Stage::ALL.map(|stage| self.of_service(service, &resource(stage.name()))).to_vec()
    }

    fn machines(&self, resource: impl Fn(&str) -> String) -> Vec<String> {
        let names = &self.environment.names;
        let machines = [names.state_machine(), names.backfill_machine()];
        machines.map(|machine| self.of_service("states", &resource(&machine))).to_vec()
    }
}

fn document(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn allow(sid: &str, actions: &[&str], resources: Vec<String>) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// For the stacks themselves, and for the data stack.
fn kept(arns: &Arns<'_>) -> Vec<Value> {
    let names = &arns.environment.names;
    let stacks = [names.data_stack(), names.pipeline_stack(), names.tables_stack()];
    let collected = ["artefacts", "components", "functions", "templates"];
    vec![
        allow(
            "Stacks",
            &[
                "cloudformation:ContinueUpdateRollback",
                "cloudformation:CreateChangeSet",
                "cloudformation:DeleteChangeSet",
                "cloudformation:DeleteStack",
                "cloudformation:DescribeChangeSet",
                "cloudformation:DescribeEvents",
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStackResourceDrifts",
                "cloudformation:DescribeStackResources",
                "cloudformation:DescribeStacks",
                "cloudformation:DetectStackDrift",
                "cloudformation:DetectStackResourceDrift",
                "cloudformation:ExecuteChangeSet",
                "cloudformation:GetTemplate",
                "cloudformation:ListChangeSets",
                "cloudformation:ListStackResources",
                "cloudformation:RollbackStack",
                "cloudformation:UpdateTerminationProtection",
            ],
            stacks.iter().map(|stack| arns.of_service("cloudformation", &format!("stack/{stack}/*"))).collect(),
        ),
        allow(
            "Buckets",
            &[
                "s3:CreateBucket",
                "s3:GetAccelerateConfiguration",
                "s3:GetAnalyticsConfiguration",
                "s3:GetBucketCORS",
                "s3:GetBucketLogging",
                "s3:GetBucketNotification",
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPolicy",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketTagging",
                "s3:GetBucketVersioning",
                "s3:GetBucketWebsite",
                "s3:GetEncryptionConfiguration",
                "s3:GetIntelligentTieringConfiguration",
                "s3:GetInventoryConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:GetMetricsConfiguration",
                "s3:GetReplicationConfiguration",
                "s3:ListBucket",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:TagResource",
            ],
            arns.buckets(""),
        ),
        allow("Read", &["s3:GetObject"], arns.buckets("/*")),
        allow("Upload", &["s3:PutObject"], vec![arns.bucket("code", "/*")]),
        allow(
            "Collect",
            &["s3:DeleteObject"],
            collected.iter().map(|keys| arns.bucket("code", &format!("/{keys}/*"))).collect(),
        ),
        allow(
            "Secrets",
            &[
                "secretsmanager:CreateSecret",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:TagResource",
                "secretsmanager:UpdateSecret",
            ],
            arns.secrets(),
        ),
        allow(
            "Tables",
            &[
                "glue:CreateDatabase",
                "glue:CreateTable",
                "glue:DeleteTable",
                "glue:GetDatabase",
                "glue:GetTable",
                "glue:GetTables",
                "glue:UpdateDatabase",
                "glue:UpdateTable",
            ],
            arns.glue(),
        ),
        allow(
            "Topic",
            &[
                "sns:ConfirmSubscription",
                "sns:CreateTopic",
                "sns:GetDataProtectionPolicy",
                "sns:GetTopicAttributes",
                "sns:ListSubscriptionsByTopic",
                "sns:ListTagsForResource",
                "sns:SetTopicAttributes",
                "sns:Subscribe",
                "sns:TagResource",
            ],
            vec![arns.of_service("sns", &names.topic())],
        ),
        allow(
            "Deployments",
            &[
                "events:DeleteRule",
                "events:DescribeRule",
                "events:ListTagsForResource",
                "events:ListTargetsByRule",
                "events:PutRule",
                "events:PutTargets",
                "events:RemoveTargets",
                "events:TagResource",
            ],
            vec![arns.of_service("events", &format!("rule/{}-deployments", names.prefix()))],
        ),
    ]
}

/// For the pipeline stack.
fn running(arns: &Arns<'_>) -> Vec<Value> {
    let names = &arns.environment.names;
    let mut pass = allow("PassRoles", &["iam:PassRole"], arns.roles());
    let services = ["lambda.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"];
    pass["Condition"] = json!({ "StringEquals": { "iam:PassedToService": services } });
    // A group is meant with and without `:*` after its name: tags are put on it without, all else is done with it.
    let log_groups = [names.function_logs("*"), names.states_logs(&format!("{}-*", names.prefix()))]
        .map(|groups| arns.of_service("logs", &format!("log-group:{groups}")));
    let mut machines = arns.machines(|machine| format!("stateMachine:{machine}"));
    machines.extend(arns.machines(|machine| format!("execution:{machine}:*")));
    vec![
        allow(
            "Functions",
            &[
                "lambda:CreateFunction",
                "lambda:DeleteFunction",
                "lambda:GetFunction",
                "lambda:GetFunctionCodeSigningConfig",
                "lambda:GetFunctionConfiguration",
                "lambda:GetFunctionRecursionConfig",
                "lambda:GetRuntimeManagementConfig",
                "lambda:ListTags",
                "lambda:TagResource",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
            ],
            arns.stages("lambda", |stage| format!("function:{}", names.function(stage))),
        ),
        allow(
            "Roles",
            &[
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:PutRolePolicy",
                "iam:SimulatePrincipalPolicy",
                "iam:TagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
                "iam:UpdateRoleDescription",
            ],
            arns.roles(),
        ),
        pass,
        allow(
            "Machines",
            &[
                "states:CreateStateMachine",
                "states:DeleteStateMachine",
                "states:DescribeExecution",
                "states:DescribeStateMachine",
                "states:GetExecutionHistory",
                "states:ListExecutions",
                "states:ListTagsForResource",
                "states:StartExecution",
                "states:StopExecution",
                "states:TagResource",
                "states:UpdateStateMachine",
            ],
            machines,
        ),
        allow(
            "Schedule",
            &[
                "scheduler:CreateSchedule",
                "scheduler:DeleteSchedule",
                "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
            ],
            vec![arns.of_service("scheduler", &format!("schedule/default/{}", names.schedule()))],
        ),
        allow(
            "DeadLetters",
            &[
                "sqs:CreateQueue",
                "sqs:DeleteQueue",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ListQueueTags",
                "sqs:SetQueueAttributes",
                "sqs:TagQueue",
            ],
            vec![arns.of_service("sqs", &names.dead_letters())],
        ),
        allow(
            "Logs",
            &[
                "logs:CreateLogGroup",
                "logs:DeleteLogGroup",
                "logs:DescribeIndexPolicies",
                "logs:FilterLogEvents",
                "logs:GetDataProtectionPolicy",
                "logs:ListTagsForResource",
                "logs:PutRetentionPolicy",
                "logs:TagResource",
            ],
            log_groups.to_vec(),
        ),
        allow(
            "Alarms",
            &[
                "cloudwatch:DeleteAlarms",
                "cloudwatch:DescribeAlarms",
                "cloudwatch:ListTagsForResource",
                "cloudwatch:PutMetricAlarm",
                "cloudwatch:TagResource",
            ],
            vec![arns.of_service("cloudwatch", &format!("alarm:{}-*", names.prefix()))],
        ),
        allow(
            "Dashboard",
            &["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
            vec![format!("arn:{}:cloudwatch::{}:dashboard/{}", arns.partition, arns.account, names.dashboard())],
        ),
    ]
}

/// For a private network. EC2 gives ids when it makes things, so new ones are known by their kind only.
fn placed(arns: &Arns<'_>) -> Vec<Value> {
    let kinds = ["route-table", "security-group", "security-group-rule", "subnet", "vpc", "vpc-endpoint"];
    vec![
        allow(
            "Network",
            &[
                "ec2:AuthorizeSecurityGroupEgress",
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:CreateSecurityGroup",
                "ec2:CreateTags",
                "ec2:CreateVpcEndpoint",
                "ec2:DeleteSecurityGroup",
                "ec2:DeleteVpcEndpoints",
                "ec2:ModifyVpcEndpoint",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
            ],
            kinds.iter().map(|kind| arns.of_service("ec2", &format!("{kind}/*"))).collect(),
        ),
        allow(
            "LookAtNetwork",
            &[
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroupRules",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcEndpoints",
                "ec2:DescribeVpcs",
            ],
            vec!["*".to_owned()],
        ),
    ]
}
