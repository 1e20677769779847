//! The templates of example environments as they stand in `golden/`: who changes one changes the other, and the
//! difference is what a reviewer reads. What CloudFormation limits and what the project promises of every template is
//! checked over all of them.

mod examples;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use infra_templates::{Template, policy};
use serde_json::Value;

/// Set to write the golden files anew.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Before the first bucket exists there is no other way than inline.
const MOST_INLINE_BYTES: usize = 51_200;

/// By way of a bucket.
const MOST_BYTES: usize = 1_048_576;

const MOST_RESOURCES: usize = 500;
const MOST_PARAMETERS: usize = 200;

/// Compares texts with their golden files, or writes these.
fn compare(golden: impl IntoIterator<Item = (String, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let update = std::env::var_os(UPDATE).is_some();
    let mut differing = Vec::new();
    for (name, text) in golden {
        let path = folder.join(&name);
        if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            continue;
        }
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            differing.push(name);
        }
    }
    let hint = format!("{UPDATE}=1 cargo test -p infra-templates --test golden writes them; then read `git diff`");
    assert!(differing.is_empty(), "not as in infra-templates/golden: {} (hint: {hint})", differing.join(", "));
}

#[test]
fn templates_are_as_reviewed() {
    compare(examples::templates().into_iter().map(|(name, template)| (format!("{name}.json"), template.pretty())));
}

#[test]
fn policies_for_deployers_are_as_reviewed() {
    let pretty = |policy: Value| serde_json::to_string_pretty(&policy).unwrap() + "\n";
    let policies = examples::deployer_policies().into_iter().filter(|(name, _)| !name.ends_with("-long"));
    compare(policies.map(|(name, policy)| (format!("{name}.json"), pretty(policy))));
}

#[test]
fn state_machines_are_as_reviewed() {
    let pretty = |machine: Value| serde_json::to_string_pretty(&machine).unwrap() + "\n";
    compare(examples::machines().into_iter().map(|(name, machine)| (format!("{name}.asl.json"), pretty(machine))));
}

#[test]
fn diagrams_are_as_reviewed() {
    compare(examples::diagrams().into_iter().map(|(name, diagram)| (format!("{name}.mmd"), diagram)));
}

#[test]
fn the_same_settings_give_the_same_bytes() {
    let compact = || examples::templates().into_iter().map(|(name, template)| (name, template.compact()));
    assert!(compact().eq(compact()));
}

#[test]
fn every_template_is_within_the_limits_of_cloudformation() {
    for (name, template) in examples::templates() {
        let bytes = template.compact().len();
        assert!(bytes <= MOST_BYTES, "{name}: {bytes} bytes");
        assert!(!name.starts_with("data") || bytes <= MOST_INLINE_BYTES, "{name}: {bytes} bytes are too many inline");
        assert!(template.resources.len() <= MOST_RESOURCES, "{name}: {} resources", template.resources.len());
        assert!(template.parameters.len() <= MOST_PARAMETERS, "{name}: {} parameters", template.parameters.len());
    }
}

/// Every statement of every policy in a template, with the resource it stands in.
fn statements(template: &Template) -> Vec<(String, Value)> {
    fn collect(id: &str, value: &Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(object) => {
                if object.contains_key("Effect") {
                    found.push((id.to_owned(), value.clone()));
                }
                object.values().for_each(|value| collect(id, value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(id, value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (id, resource) in &template.resources {
        collect(id, &resource.properties, &mut found);
    }
    found
}

fn texts(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}

#[test]
fn nothing_is_allowed_on_everything_but_what_is_listed_with_its_reason() {
    let mut used = BTreeSet::new();
    for (name, template) in examples::templates() {
        for (id, statement) in statements(&template).iter().filter(|(_, statement)| statement["Effect"] == "Allow") {
            let actions = texts(&statement["Action"]);
            assert!(!actions.iter().any(|action| action.contains('*')), "{name} {id}: an action with `*`: {statement}");
            assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none(), "{name} {id}");
            if !texts(&statement["Resource"]).contains("*") {
                continue;
            }
            let listed = policy::WILDCARDS.iter().position(|wildcard| texts_of(wildcard.actions) == actions);
            used.insert(
                listed.unwrap_or_else(|| panic!("{name} {id} allows {actions:?} on `*`, and no reason is listed")),
            );
        }
    }
    assert_eq!(used.len(), policy::WILDCARDS.len(), "a listed exception is used nowhere");
}

fn texts_of(actions: &[&'static str]) -> BTreeSet<&'static str> {
    actions.iter().copied().collect()
}

#[test]
fn what_is_retained_is_retained_when_it_is_replaced_too() {
    for (name, template) in examples::templates() {
        for (id, resource) in &template.resources {
            assert_eq!(resource.deletion_policy, resource.update_replace_policy, "{name} {id}");
            let holds_data =
                ["AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::SecretsManager::Secret", "AWS::Glue::Database"];
            let retained = resource.deletion_policy == Some("Retain");
            assert!(retained || !holds_data.contains(&resource.kind), "{name} {id} would go with its stack");
        }
    }
}

#[test]
fn no_template_holds_a_secret() {
    for (name, template) in examples::templates() {
        let text = template.compact();
        for forbidden in ["SecretString", "postgresql://", "postgres://", "PASSWORD", "_URL\"", "PRIVATE KEY"] {
            assert!(!text.contains(forbidden), "{name} has `{forbidden}`");
        }
    }
}

/// The most characters of a role's own policies. A managed policy has room for 6,144.
const MOST_POLICY: usize = 10_240;

#[test]
fn a_deployer_is_allowed_actions_by_name_on_what_is_the_environments() {
    for (name, policy) in examples::deployer_policies() {
        let characters = policy.to_string().len();
        assert!(characters <= MOST_POLICY, "{name}: {characters} characters");
        for statement in policy["Statement"].as_array().unwrap() {
            let patterns = texts(&statement["Action"]).into_iter().filter(|action| action.contains('*'));
            assert_eq!(patterns.count(), 0, "{name}: {statement}");
            let everything = texts(&statement["Resource"]).contains("*");
            let looks = statement["Sid"].as_str().unwrap().starts_with("Look");
            assert_eq!(everything, looks, "{name}: {statement}");
        }
    }
}
