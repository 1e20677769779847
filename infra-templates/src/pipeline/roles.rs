//! One role for each thing that does something, with what it does and nothing else.

use crate::policy::{
    Document, LOG_DELIVERY, NETWORK_LOOKS, SAMPLED_TRACING, Statement, TRACING, arn, s3_arn, secret_arn,
};
use crate::resources::{InlinePolicy, Properties, Role};
use crate::{Environment, Expression, Network, Resource, Stage, Template};

use super::network;

/// What a stage does with a bucket.
struct Access {
    /// The bucket.
    bucket: &'static str,
    /// The keys it reads and lists, as patterns; all where all of the bucket is the stage's business.
    keys: &'static [&'static str],
    /// Whether it writes there.
    writes: bool,
}

const fn own(bucket: &'static str) -> Access {
    Access { bucket, keys: &["*"], writes: true }
}

const fn reads(bucket: &'static str, keys: &'static [&'static str]) -> Access {
    Access { bucket, keys, writes: false }
}

/// A batch as the later stages see it: not what extraction refused, which holds rows as they came.
const BATCHES: &[&str] = &["data/*", "lake.json", "manifests/*"];

/// Extraction writes batches and their records. To say what is due it looks at everybody's records.
const EXTRACT: [Access; 5] = [
    own("ingestion"),
    own("extraction-times"),
    reads("transformation-times", &["*"]),
    reads("load-times", &["*"]),
    reads("code", &["catalog/*"]),
];

/// Transformation reads batches and the components that are live, and writes what these make of them.
const TRANSFORM: [Access; 4] = [
    reads("ingestion", BATCHES),
    own("transformed-data"),
    own("transformation-times"),
    reads("code", &["artefacts/*", "catalog/*"]),
];

/// Loading reads what was transformed, and keys that tell which rows are gone; how late the data is it says from the
/// records of extraction.
const LOAD: [Access; 6] = [
    reads("ingestion", BATCHES),
    reads("extraction-times", &["*"]),
    reads("transformed-data", &["*"]),
    reads("transformation-times", &["*"]),
    own("load-times"),
    reads("code", &["catalog/*"]),
];

fn access(stage: Stage) -> &'static [Access] {
    match stage {
        Stage::Extract => &EXTRACT,
        Stage::Transform => &TRANSFORM,
        Stage::Load => &LOAD,
    }
}

/// The setting under which a star goes back to its former component by itself, which is a new catalog record.
const AUTOMATIC_ROLLBACK: &str = "TOTESYS_CATALOG_AUTOMATIC_ROLLBACK";

/// The logical id of a stage's role.
pub(super) fn id(stage: Stage) -> &'static str {
    match stage {
        Stage::Extract => "ExtractRole",
        Stage::Transform => "TransformRole",
        Stage::Load => "LoadRole",
    }
}

/// The database a stage speaks to.
pub(super) fn database(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Extract => Some("source"),
        Stage::Transform => None,
        Stage::Load => Some("warehouse"),
    }
}

/// Adds the roles of the functions, the state machines and the schedule.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    for stage in Stage::ALL {
        template.add(id(stage), function_role(environment, stage));
    }
    template.add("StatesRole", states_role(environment));
    template.add("BackfillRole", backfill_role(environment));
    template.add("SchedulerRole", scheduler_role(environment));
}

fn role(environment: &Environment, of: &str, description: &str, trust: Statement, policy: Vec<Statement>) -> Resource {
    Role {
        role_name: environment.names.role(of).into(),
        description: description.to_owned(),
        assume_role_policy_document: Document::new(vec![trust]),
        policies: vec![InlinePolicy { policy_name: "own", policy_document: Document::new(policy) }],
    }
    .resource()
}

fn function_role(environment: &Environment, stage: Stage) -> Resource {
    let names = &environment.names;
    let mut statements = Vec::new();
    for access in access(stage) {
        statements.extend(bucket_statements(&names.bucket(access.bucket), access));
    }
    if stage == Stage::Transform && environment.host_settings.get(AUTOMATIC_ROLLBACK).is_some_and(|set| set == "true") {
        let catalog = s3_arn(&format!("{}/catalog/*", names.bucket("code")));
        statements.push(Statement::allow("GoBack", &["s3:PutObject"], vec![catalog]));
    }
    if let Some(database) = database(stage) {
        let secret = secret_arn(&names.secret(database));
        statements.push(Statement::allow("OpenDatabase", &["secretsmanager:GetSecretValue"], vec![secret]));
    }
    // The log group is there already: a function that could make others could fill them for ever.
    let logs = arn("logs", &format!("log-group:{}:*", names.function_logs(stage.name())));
    statements.push(Statement::allow("Log", &["logs:CreateLogStream", "logs:PutLogEvents"], vec![logs]));
    statements.push(Statement::allow_everywhere("Trace", &TRACING));
    if let Some(network) = &environment.network {
        statements.extend(placement(network, stage, &names.function(stage.name())));
    }
    let description = format!("What the {} function may do", stage.name());
    // Lambda takes a role on for whoever may pass it on, and only within its account; it does not say for which.
    role(environment, stage.name(), &description, Statement::trust("lambda.amazonaws.com"), statements)
}

/// Statement ids by bucket: they are what a refusal by AWS names, and must be there once.
fn sids(bucket: &str) -> [&'static str; 3] {
    match bucket {
        "ingestion" => ["ListIngestion", "ReadIngestion", "WriteIngestion"],
        "extraction-times" => ["ListExtractionTimes", "ReadExtractionTimes", "WriteExtractionTimes"],
        "transformed-data" => ["ListTransformedData", "ReadTransformedData", "WriteTransformedData"],
        "transformation-times" => ["ListTransformationTimes", "ReadTransformationTimes", "WriteTransformationTimes"],
        "load-times" => ["ListLoadTimes", "ReadLoadTimes", "WriteLoadTimes"],
        _ => ["ListCode", "ReadCode", "WriteCode"],
    }
}

fn bucket_statements(name: &str, access: &Access) -> Vec<Statement> {
    let [list, read, write] = sids(access.bucket);
    let objects: Vec<Expression> = access.keys.iter().map(|keys| s3_arn(&format!("{name}/{keys}"))).collect();
    let listing = Statement::allow(list, &["s3:ListBucket"], vec![s3_arn(name)]);
    // Asked for an object that is not there, S3 says so only to who may list its key.
    let listing = match access.keys {
        ["*"] => listing,
        keys => listing.when("StringLike", "s3:prefix", keys.iter().map(|keys| (*keys).into()).collect()),
    };
    let mut statements = vec![listing, Statement::allow(read, &["s3:GetObject"], objects.clone())];
    if access.writes {
        statements.push(Statement::allow(write, &["s3:PutObject"], objects));
    }
    statements
}

/// What Lambda needs to place a function in a network, and the function itself is refused: Lambda uses its role for it.
fn placement(network: &Network, stage: Stage, function: &str) -> Vec<Statement> {
    let interfaces = arn("ec2", "network-interface/*");
    let subnets = network.subnets.iter().map(|subnet| arn("ec2", &format!("subnet/{subnet}")));
    let groups = network::groups(network, stage).into_iter().map(|group| network::group_arn(&group));
    let made_from: Vec<_> = [interfaces].into_iter().chain(subnets).chain(groups).collect();
    let own = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"];
    let all = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ];
    vec![
        Statement::allow("Place", &["ec2:CreateNetworkInterface"], made_from),
        // These know network interfaces only. Lambda asks beforehand whether the role may delete one, and says no to a
        // function whose role names less than every resource.
        Statement::allow("ManagePlace", &own, vec![arn("ec2", "*/*")]),
        Statement::allow_everywhere("LookAtPlace", &NETWORK_LOOKS),
        Statement::deny("LambdaItselfOnly", &all, vec!["*".into()]).when(
            "ArnEquals",
            "lambda:SourceFunctionArn",
            vec![arn("lambda", &format!("function:{function}"))],
        ),
    ]
}

fn states_role(environment: &Environment) -> Resource {
    let names = &environment.names;
    let functions = Stage::ALL.map(|stage| function_arn(environment, stage)).to_vec();
    let statements = vec![
        Statement::allow("Call", &["lambda:InvokeFunction"], functions),
        Statement::allow("Backfill", &["states:StartExecution"], vec![machine_arn(&names.backfill_machine())]),
        Statement::allow("Alert", &["sns:Publish"], vec![arn("sns", &names.topic())]),
        Statement::allow_everywhere("Log", &LOG_DELIVERY),
        Statement::allow_everywhere("Trace", &SAMPLED_TRACING),
    ];
    let trust = Statement::trust("states.amazonaws.com").for_this_account();
    role(environment, "states", "What the pipeline's state machine may do", trust, statements)
}

fn backfill_role(environment: &Environment) -> Resource {
    let names = &environment.names;
    let own = names.backfill_machine();
    // A distributed map starts executions of the very machine it stands in.
    let executions = ["/*", ":*"].map(|rest| arn("states", &format!("execution:{own}{rest}"))).to_vec();
    let machines = vec![machine_arn(&own), machine_arn(&names.state_machine())];
    let statements = vec![
        Statement::allow("Call", &["lambda:InvokeFunction"], vec![function_arn(environment, Stage::Extract)]),
        Statement::allow("Start", &["states:StartExecution"], machines),
        Statement::allow("Follow", &["states:DescribeExecution", "states:StopExecution"], executions),
        Statement::allow("Alert", &["sns:Publish"], vec![arn("sns", &names.topic())]),
        Statement::allow_everywhere("Log", &LOG_DELIVERY),
        Statement::allow_everywhere("Trace", &SAMPLED_TRACING),
    ];
    let trust = Statement::trust("states.amazonaws.com").for_this_account();
    role(environment, "backfill", "What the state machine of chunks may do", trust, statements)
}

fn scheduler_role(environment: &Environment) -> Resource {
    let names = &environment.names;
    let statements = vec![
        Statement::allow("Start", &["states:StartExecution"], vec![machine_arn(&names.state_machine())]),
        Statement::allow("Complain", &["sqs:SendMessage"], vec![arn("sqs", &names.dead_letters())]),
    ];
    let trust = Statement::trust("scheduler.amazonaws.com").for_this_account();
    role(environment, "scheduler", "What the schedule may do", trust, statements)
}

fn function_arn(environment: &Environment, stage: Stage) -> Expression {
    arn("lambda", &format!("function:{}", environment.names.function(stage.name())))
}

fn machine_arn(machine: &str) -> Expression {
    arn("states", &format!("stateMachine:{machine}"))
}
