use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::permissions::{self, Effect};
use crate::{RawEnvironment, Stage, attribute};

/// The environment of an example: everything that has a default has it.
pub(super) fn production() -> Environment {
    let raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("acme-totesys".to_owned()),
        ..RawEnvironment::default()
    };
    raw.check("production", BTreeMap::new()).unwrap()
}

/// What a role may do with resources of a service, as `action resource` with the prefix and everything before it cut off.
fn allowed(template: &Template, role: &str, service: &str) -> BTreeSet<String> {
    let template = serde_json::to_value(template).unwrap();
    let granted = permissions::granted(&template);
    let own = granted.iter().filter(|permission| permission.principal == role && permission.effect == Effect::Allow);
    let of_service = own.filter(|permission| permission.action.starts_with(&format!("{service}:")));
    let short = |permission: &permissions::Permission| {
        let (_, resource) = permission.resource.split_once("acme-totesys").unwrap();
        format!("{} {}", permission.action, resource.trim_start_matches(['-', '/']))
    };
    of_service.map(short).collect()
}

#[test]
fn each_stage_writes_its_own_buckets_and_reads_no_others_secret() {
    let template = pipeline_stack(&production());
    for (stage, writes, secrets) in [
        (Stage::Extract, ["extraction-times/*", "ingestion/*"].as_slice(), Some("source-??????")),
        (Stage::Transform, &["transformation-times/*", "transformed-data/*"], None),
        (Stage::Load, &["load-times/*"], Some("warehouse-??????")),
    ] {
        let role = format!("acme-totesys-{}-role", stage.name());
        let s3 = allowed(&template, &role, "s3");
        let not_reading =
            s3.iter().filter(|what| !what.starts_with("s3:GetObject ") && !what.starts_with("s3:ListBucket "));
        let expected: Vec<String> = writes.iter().map(|keys| format!("s3:PutObject {keys}")).collect();
        assert_eq!(not_reading.cloned().collect::<Vec<_>>(), expected, "{role}");
        let secrets: BTreeSet<String> =
            secrets.iter().map(|secret| format!("secretsmanager:GetSecretValue {secret}")).collect();
        assert_eq!(allowed(&template, &role, "secretsmanager"), secrets, "{role}");
    }
}

#[test]
fn only_a_transform_that_may_go_back_writes_the_catalog() {
    let key = "TOTESYS_CATALOG_AUTOMATIC_ROLLBACK".to_owned();
    for (set, expected) in [(None, false), (Some("false"), false), (Some("true"), true)] {
        let host_settings = set.map(|set| (key.clone(), set.to_owned())).into_iter().collect();
        let environment = Environment { host_settings, ..production() };
        let allowed = allowed(&pipeline_stack(&environment), "acme-totesys-transform-role", "s3");
        assert_eq!(allowed.contains("s3:PutObject code/catalog/*"), expected, "{set:?}");
    }
}

#[test]
fn a_function_in_a_network_reaches_what_its_stage_needs() {
    let raw: crate::RawNetwork = toml::from_str(
        "vpc = 'vpc-01234567'\nsubnets = ['subnet-01234567']\ns3_prefix_list = 'pl-01234567'\n\
         databases = ['10.0.3.0/24']\ndatabase_port = 6432",
    )
    .unwrap();
    let raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("acme-totesys".to_owned()),
        network: Some(raw),
        ..RawEnvironment::default()
    };
    let template = serde_json::to_value(pipeline_stack(&raw.check("vpc", BTreeMap::new()).unwrap())).unwrap();
    let reaches = |group: &str| {
        let group = format!("${{{group}.GroupId}}");
        let granted = permissions::granted(&template);
        let own = granted.into_iter().filter(|permission| permission.principal == group);
        own.map(|permission| format!("{} {}", permission.action, permission.resource)).collect::<Vec<_>>()
    };
    assert_eq!(reaches("LakeOnlyGroup"), ["egress tcp 443 pl-01234567"]);
    assert_eq!(
        reaches("DatabasesGroup"),
        ["egress tcp 443 ${SecretsEndpointGroup.GroupId}", "egress tcp 443 pl-01234567", "egress tcp 6432 10.0.3.0/24"]
    );
    for (function, group) in [
        ("ExtractFunction", "DatabasesGroup"),
        ("TransformFunction", "LakeOnlyGroup"),
        ("LoadFunction", "DatabasesGroup"),
    ] {
        let groups = &template["Resources"][function]["Properties"]["VpcConfig"]["SecurityGroupIds"];
        assert_eq!(groups, &serde_json::json!([attribute(group, "GroupId")]), "{function}");
    }
}
