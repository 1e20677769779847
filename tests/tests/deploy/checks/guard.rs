//! The rules of AWS Control Tower, read by cfn-guard.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PACKAGE: &str = "node/node_modules/@cdklabs/cdk-validator-cfnguard";

/// A rule that a resource of a template breaks.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Broken {
    pub(super) rule: String,
    pub(super) resource: String,
    /// What it demands, and how to keep it.
    pub(super) demand: String,
}

/// Every rule that is broken, with every resource that breaks it.
pub(super) fn broken(tools: &Path, templates: &[&Path]) -> BTreeSet<Broken> {
    let package = tools.join(PACKAGE);
    let mut guard = Command::new(package.join("bin/ubuntu").join(std::env::consts::ARCH).join("cfn-guard"));
    guard.args(["validate", "--structured", "--output-format", "json", "--show-summary", "none", "--rules"]);
    guard.arg(package.join("rules/control-tower/cfn-guard")).arg("--data").args(templates);
    let output = guard.output().unwrap();
    let reports: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(reports.len(), templates.len());
    let rules = |report: &Value, key: &str| report[key].as_array().unwrap().clone();
    // Many rules are about nothing that a template has. If all were, nothing would have been read.
    assert!(reports.iter().any(|report| !rules(report, "compliant").is_empty()), "{reports:#?}");
    let mut found = BTreeSet::new();
    for report in &reports {
        for rule in &rules(report, "not_compliant") {
            let (mut resources, mut demand) = (BTreeSet::new(), String::new());
            visit(rule, &mut |key, text| {
                if key == "path"
                    && let Some(rest) = text.strip_prefix("/Resources/")
                {
                    resources.extend(rest.split('/').next().map(str::to_owned));
                }
                if key == "custom_message" && text.contains("[CT.") {
                    demand = text.split_whitespace().collect::<Vec<_>>().join(" ");
                }
            });
            let name = rule["Rule"]["name"].as_str().unwrap();
            assert!(!resources.is_empty(), "{rule}");
            found.extend(resources.into_iter().map(|resource| Broken {
                rule: name.to_owned(),
                resource,
                demand: demand.clone(),
            }));
        }
    }
    found
}

/// Every text of a value, with its key.
fn visit(value: &Value, each: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) => each(key, text),
                    other => visit(other, each),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, each)),
        _ => {}
    }
}
