//! What a person reads of a deployment, from recorded change sets and events.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::types::{
    ChangeAction, ChangeSource, EvaluationType, PolicyAction, Replacement, RequiresRecreation, ResourceAttribute,
    ResourceChange, ResourceChangeDetail, ResourceTargetDefinition,
};
use serde::Deserialize;
use serde_json::json;

use super::change::{self, Action, Certainty, Sides};
use super::change_set::opening;
use super::difference::{Difference, Weight};
use super::event::{Event, last_operation};
use super::expected::Expected;
use super::follow::ending;
use super::interruption;
use super::narrate::Narrator;
use super::stack::Stack;

/// A recorded operation.
#[derive(Deserialize)]
struct Recorded {
    stack: String,
    /// The state it ended in.
    status: String,
    /// How long it took, in seconds.
    took: u64,
    difference: Option<Difference>,
    events: Vec<Event>,
}

fn recorded(json: &str) -> Recorded {
    serde_json::from_str(json).unwrap()
}

/// Everything that is said of it, the way `deploy` and `destroy` say it.
fn transcript(recorded: &Recorded, done: &str) -> String {
    let mut lines = Vec::new();
    let expected = Expected::learn(&[]);
    if let Some(difference) = &recorded.difference {
        lines.push(difference.text().trim_end().to_owned());
        let resources = difference.changes.iter().map(|change| (change.id.clone(), json!({ "Type": change.kind })));
        let template = json!({ "Resources": resources.collect::<BTreeMap<_, _>>() });
        let works = difference.changes.iter().map(|change| (change.id.clone(), change.work())).collect();
        let doing = if difference.new { "creating" } else { "updating" };
        lines.push(opening(&recorded.stack, doing, expected.of_all(&template, &works)));
    }
    let began = recorded.events[0].at;
    let mut narrator = Narrator::new(expected, began);
    for event in &recorded.events {
        lines.extend(narrator.tell(event));
    }
    let stack = Stack {
        name: recorded.stack.clone(),
        id: format!("arn:aws:cloudformation:eu-west-2:123456789012:stack/{}/1", recorded.stack),
        status: recorded.status.clone(),
        reason: None,
        parameters: BTreeMap::new(),
        outputs: BTreeMap::new(),
        protected: false,
        changed_at: began,
    };
    let took = Duration::from_secs(recorded.took);
    let ending = ending(&stack, &recorded.events, took, "production", done);
    lines.extend(ending.said);
    if let Some((problem, hint)) = ending.problem {
        lines.extend([format!("error: {problem}"), format!("hint: {hint}")]);
    }
    lines.join("\n")
}

#[test]
fn a_first_deployment() {
    insta::assert_snapshot!(transcript(&recorded(include_str!("tests/create.json")), "created"));
}

#[test]
fn an_update() {
    insta::assert_snapshot!(transcript(&recorded(include_str!("tests/update.json")), "updated"));
}

#[test]
fn an_update_that_fails() {
    insta::assert_snapshot!(transcript(&recorded(include_str!("tests/failed.json")), "updated"));
}

#[test]
fn a_first_deployment_that_fails() {
    insta::assert_snapshot!(transcript(&recorded(include_str!("tests/first.json")), "created"));
}

#[test]
fn a_destruction() {
    insta::assert_snapshot!(transcript(&recorded(include_str!("tests/destroy.json")), "deleted"));
}

#[test]
fn a_destruction_that_fails() {
    insta::assert_snapshot!(transcript(&recorded(include_str!("tests/stuck.json")), "deleted"));
}

#[test]
fn a_stack_that_stays_as_it_is() {
    let nothing = Difference::nothing("acme-totesys-data");
    let outputs = Difference { besides: true, ..Difference::nothing("acme-totesys-pipeline") };
    insta::assert_snapshot!(nothing.text() + &outputs.text(), @r"
    stack acme-totesys-data: no changes
    stack acme-totesys-pipeline: outputs or descriptions change, no resource does
    ");
    assert_eq!((nothing.weight(), outputs.weight()), (Weight::Nothing, Weight::Changes));
}

#[test]
fn who_interrupts_is_told_what_goes_on() {
    assert_eq!(interruption::words(), None);
    interruption::begin("acme-totesys-pipeline", "`cargo xtask deploy --env production` follows it".to_owned());
    let (problem, hint) = interruption::words().unwrap();
    insta::assert_snapshot!(
        format!("error: {problem}\nhint: {hint}"),
        @r"
    error: interrupted; AWS goes on with stack `acme-totesys-pipeline` by itself, to its end or back
    hint: `cargo xtask deploy --env production` follows it
    "
    );
    interruption::end();
    assert_eq!(interruption::words(), None);
}

#[test]
fn what_is_waited_for_is_said() {
    let recorded = recorded(include_str!("tests/create.json"));
    let began = recorded.events[0].at;
    let mut narrator = Narrator::new(Expected::default(), began);
    assert_eq!(narrator.waiting(began), None);
    for event in &recorded.events[..4] {
        narrator.tell(event);
    }
    insta::assert_snapshot!(
        narrator.waiting(began + 150_000).unwrap(),
        @"2 min 30 s  … ExtractRole for 2 min 29 s (expected 18 s) and 1 more"
    );
}

#[test]
fn the_last_operation_is_followed_from_its_beginning() {
    let (create, update) = (recorded(include_str!("tests/create.json")), recorded(include_str!("tests/update.json")));
    let events: Vec<Event> = create.events.iter().chain(&update.events).cloned().collect();
    assert_eq!(last_operation(&events), update.events);
    assert_eq!(last_operation(&create.events), create.events);
}

#[test]
fn only_what_cannot_be_taken_back_or_widens_is_asked_about() {
    let update = recorded(include_str!("tests/update.json")).difference.unwrap();
    assert_eq!(update.reasons(), ["removes OldTopic", "replaces DeadLetters", "widens permissions"]);
    let function = |action, replacement, kind: &str| change::Change {
        action,
        id: "A".into(),
        kind: kind.into(),
        replacement,
        kept: false,
        properties: Vec::new(),
    };
    let (function_kind, bucket) = ("AWS::Lambda::Function", "AWS::S3::Bucket");
    for (change, weight) in [
        (function(Action::Add, Certainty::No, function_kind), Weight::Changes),
        (function(Action::Modify, Certainty::No, bucket), Weight::Changes),
        (function(Action::Modify, Certainty::Maybe, function_kind), Weight::Changes),
        (function(Action::Modify, Certainty::Maybe, bucket), Weight::Grave),
        (function(Action::Modify, Certainty::Yes, function_kind), Weight::Grave),
        (function(Action::Remove, Certainty::No, function_kind), Weight::Grave),
    ] {
        let difference = Difference { changes: vec![change], ..Difference::nothing("acme-totesys-pipeline") };
        assert_eq!(difference.weight(), weight, "{difference:?}");
    }
}

fn target(name: &str) -> aws_sdk_cloudformation::types::builders::ResourceTargetDefinitionBuilder {
    ResourceTargetDefinition::builder().attribute(ResourceAttribute::Properties).name(name)
}

fn modified(details: Vec<ResourceChangeDetail>) -> ResourceChange {
    ResourceChange::builder()
        .action(ChangeAction::Modify)
        .logical_resource_id("ExtractFunction")
        .resource_type("AWS::Lambda::Function")
        .set_details(Some(details))
        .build()
}

#[test]
fn values_come_from_aws_or_from_the_templates() {
    let function = |memory: u64| {
        json!({ "Resources": { "ExtractFunction": {
            "Properties": { "MemorySize": memory, "Code": { "S3Key": { "Ref": "CodeKey" } } },
        }}})
    };
    let sides = Sides {
        before: function(1769),
        after: function(2048),
        parameters: BTreeMap::from([("CodeKey".to_owned(), (Some("old.zip".to_owned()), Some("new.zip".to_owned())))]),
    };
    let detail = |target: aws_sdk_cloudformation::types::builders::ResourceTargetDefinitionBuilder| {
        ResourceChangeDetail::builder()
            .target(target.requires_recreation(RequiresRecreation::Never).build())
            .evaluation(EvaluationType::Static)
            .change_source(ChangeSource::DirectModification)
    };
    let by_parameter =
        |target| detail(target).change_source(ChangeSource::ParameterReference).causing_entity("CodeKey");
    let perhaps = |target| detail(target).evaluation(EvaluationType::Dynamic);
    for (details, expected) in [
        // AWS says path and values.
        (
            vec![
                detail(target("MemorySize").path("/Properties/MemorySize").before_value("1").after_value("2")).build(),
            ],
            vec![r#"MemorySize "1" "2" -"#],
        ),
        // Documents are compared place by place.
        (
            vec![
                detail(
                    target("Environment")
                        .path("/Properties/Environment")
                        .before_value(r#"{"Variables":{"A":"1","B":"2"}}"#)
                        .after_value(r#"{"Variables":{"A":"1","B":"3"}}"#),
                )
                .build(),
            ],
            vec![r#"Environment.Variables.B "2" "3" -"#],
        ),
        // It says the property alone: the templates know more.
        (vec![detail(target("MemorySize")).build()], vec!["MemorySize 1769 2048 -"]),
        // The template is as it was, and its parameter is not.
        (vec![by_parameter(target("Code")).build()], vec![r#"Code "old.zip" "new.zip" CodeKey"#]),
        // Both at once are one line: beside a reference AWS says that the template may change as well.
        (
            vec![perhaps(target("Code")).build(), by_parameter(target("Code")).build()],
            vec![r#"Code "old.zip" "new.zip" CodeKey"#],
        ),
        (
            vec![by_parameter(target("Code")).build(), detail(target("Code")).build()],
            vec![r#"Code "old.zip" "new.zip" -"#],
        ),
        // Nothing knows values of tags.
        (
            vec![detail(ResourceTargetDefinition::builder().attribute(ResourceAttribute::Tags)).build()],
            vec!["Tags - - -"],
        ),
    ] {
        let shown = |value: Option<serde_json::Value>| value.map_or("-".to_owned(), |value| value.to_string());
        let found: Vec<String> = change::of(&modified(details), &sides)
            .properties
            .into_iter()
            .map(|found| {
                let because = found.because.unwrap_or("-".to_owned());
                format!("{} {} {} {because}", found.path, shown(found.before), shown(found.after))
            })
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn what_replaces_is_certain_only_where_aws_is() {
    let detail = |evaluation, recreation| {
        let target = target("FunctionName").requires_recreation(recreation);
        ResourceChangeDetail::builder().target(target.build()).evaluation(evaluation).build()
    };
    for (evaluation, recreation, expected) in [
        (EvaluationType::Static, RequiresRecreation::Always, Certainty::Yes),
        (EvaluationType::Dynamic, RequiresRecreation::Always, Certainty::Maybe),
        (EvaluationType::Static, RequiresRecreation::Conditionally, Certainty::Maybe),
        (EvaluationType::Static, RequiresRecreation::Never, Certainty::No),
    ] {
        let found = change::of(&modified(vec![detail(evaluation, recreation)]), &Sides::default());
        assert_eq!(found.properties[0].recreates, expected);
    }
    let removed = ResourceChange::builder()
        .action(ChangeAction::Remove)
        .policy_action(PolicyAction::Retain)
        .replacement(Replacement::False)
        .build();
    let removed = change::of(&removed, &Sides::default());
    assert!(removed.kept && removed.action == Action::Remove && removed.properties.is_empty());
}
