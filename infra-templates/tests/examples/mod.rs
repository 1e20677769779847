//! The environments whose templates stand in `golden/`.

use std::collections::BTreeMap;

use infra_templates::{Environment, RawEnvironment, Template, data_stack, deployer, diagram, machine, pipeline_stack};
use serde_json::Value;

/// Everything that has a default has it.
const PLAIN: &str = r#"
region = "eu-west-2"
prefix = "acme-totesys"
emails = ["ops@acme.example"]
"#;

/// Databases in a private network, and everything else set as well.
const VPC: &str = r#"
region = "eu-west-2"
account = "123456789012"
prefix = "acme-totesys"
emails = ["ops@acme.example", "on-call@acme.example"]
schedule = "cron(0/15 6-20 ? * MON-FRI *)"
architecture = "x86_64"
execution_minutes = 12
log_retention_days = 90
old_versions_days = 365
sslrootcert = "certificates/eu-west-2-bundle.pem"
chunk_above_bytes = 5368709120

[extract]
memory = 3008
timeout = 700

[transform]
memory = 2048
timeout = 300

[load]
memory = 1024
timeout = 400

[network]
vpc = "vpc-0123456789abcdef0"
subnets = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
security_groups = ["sg-0123456789abcdef0"]
route_tables = ["rtb-0123456789abcdef0"]
s3_prefix_list = "pl-7ca54015"
databases = ["10.0.3.0/24"]
"#;

fn publishers() -> (String, String) {
    ("TOTESYS_CATALOG_PUBLISHERS".to_owned(), format!("[\"{}\"]", "0f".repeat(32)))
}

fn environment(text: &str, settings: &[(&str, &str)]) -> Environment {
    let raw: RawEnvironment = toml::from_str(text).unwrap();
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    raw.check("production", settings.chain([publishers()]).collect()).unwrap()
}

/// As [`VPC`], with a long prefix.
fn long() -> Environment {
    environment(&VPC.replace("acme-totesys", &"abcdefghij".repeat(4)[..32]), &[])
}

/// The environments, by what is special to them.
fn environments() -> BTreeMap<&'static str, Environment> {
    BTreeMap::from([
        ("", environment(PLAIN, &[])),
        ("-vpc", environment(VPC, &[("TOTESYS_CATALOG_AUTOMATIC_ROLLBACK", "true")])),
    ])
}

/// Every template, by its file's name without the ending.
pub(crate) fn templates() -> BTreeMap<String, Template> {
    let stacks = |(special, environment): (&str, Environment)| {
        [
            (format!("data{special}"), data_stack(&environment)),
            (format!("pipeline{special}"), pipeline_stack(&environment)),
        ]
    };
    environments().into_iter().flat_map(stacks).collect()
}

/// What a deployer needs, by its file's name without the ending.
pub(crate) fn deployer_policies() -> BTreeMap<String, Value> {
    let policy = |(special, environment): (&str, Environment)| {
        [
            (format!("deployer{special}"), deployer::policy(&environment)),
            (format!("deployer-deletion{special}"), deployer::deletion_policy(&environment)),
        ]
    };
    environments().into_iter().chain([("-long", long())]).flat_map(policy).collect()
}

/// The definitions of the state machines, by their files' names without the ending. A network changes nothing in them.
pub(crate) fn machines() -> BTreeMap<&'static str, Value> {
    let environment = environment(PLAIN, &[]);
    BTreeMap::from([
        ("pipeline-machine", machine::pipeline(&environment)),
        ("backfill-machine", machine::backfill(&environment)),
    ])
}

/// The diagrams, by their files' names without the ending.
pub(crate) fn diagrams() -> BTreeMap<String, String> {
    let stacks = environments().into_iter().map(|(special, environment)| {
        let stacks = [data_stack(&environment), pipeline_stack(&environment)];
        (format!("infrastructure{special}"), diagram::infrastructure(&stacks.each_ref()))
    });
    let machines = machines().into_iter().map(|(name, machine)| (name.to_owned(), diagram::state_machine(&machine)));
    stacks.chain(machines).collect()
}
