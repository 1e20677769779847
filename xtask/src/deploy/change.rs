//! What a change set would do, in plain words.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{
    ChangeSource, EvaluationType, PolicyAction, RequiresRecreation, ResourceAttribute, ResourceChange,
    ResourceChangeDetail,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::compare::{leaves, of_text};
use super::expected::Work;

/// What becomes of one resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Change {
    pub(crate) action: Action,
    pub(crate) id: String,
    /// Its type, such as `AWS::S3::Bucket`.
    pub(crate) kind: String,
    pub(crate) replacement: Certainty,
    /// What is removed or replaced stays in the account, under nobody's care.
    #[cfg_attr(test, serde(default))]
    pub(crate) kept: bool,
    #[cfg_attr(test, serde(default))]
    pub(crate) properties: Vec<PropertyChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    Add,
    Modify,
    Remove,
    Import,
    /// AWS cannot tell before.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Certainty {
    No,
    Maybe,
    Yes,
}

/// One place of a resource's properties, or of its attributes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct PropertyChange {
    pub(crate) path: String,
    #[cfg_attr(test, serde(default))]
    pub(crate) before: Option<Value>,
    #[cfg_attr(test, serde(default))]
    pub(crate) after: Option<Value>,
    /// Whether changing it makes a new resource.
    pub(crate) recreates: Certainty,
    /// The parameter or resource whose change is the cause, where the template itself is as it was.
    #[cfg_attr(test, serde(default))]
    pub(crate) because: Option<String>,
}

/// What stands behind a change set: both templates and the parameters that differ. AWS gives values before and after
/// for most properties; where it does not, these say them.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) parameters: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// A change as AWS describes it.
pub(crate) fn of(change: &ResourceChange, sides: &Sides) -> Change {
    let action = match change.action() {
        Some(aws_sdk_cloudformation::types::ChangeAction::Add) => Action::Add,
        Some(aws_sdk_cloudformation::types::ChangeAction::Modify) => Action::Modify,
        Some(aws_sdk_cloudformation::types::ChangeAction::Remove) => Action::Remove,
        Some(aws_sdk_cloudformation::types::ChangeAction::Import) => Action::Import,
        _ => Action::Unknown,
    };
    let replacement = match change.replacement() {
        Some(aws_sdk_cloudformation::types::Replacement::True) => Certainty::Yes,
        Some(aws_sdk_cloudformation::types::Replacement::Conditional) => Certainty::Maybe,
        _ => Certainty::No,
    };
    let kept = matches!(
        change.policy_action(),
        Some(PolicyAction::Retain | PolicyAction::ReplaceAndRetain | PolicyAction::ReplaceAndSnapshot)
    );
    let id = change.logical_resource_id().unwrap_or_default().to_owned();
    let mut properties: Vec<PropertyChange> = Vec::new();
    if action == Action::Modify {
        for detail in change.details() {
            for found in property(&id, detail, sides) {
                merge(&mut properties, found, is_direct(detail));
            }
        }
    }
    let kind = change.resource_type().unwrap_or_default().to_owned();
    Change { action, id, kind, replacement, kept, properties }
}

/// Whether a detail says for certain that the template itself changes there. AWS adds one that is not certain beside
/// each reference.
fn is_direct(detail: &ResourceChangeDetail) -> bool {
    let direct = matches!(detail.change_source(), Some(ChangeSource::DirectModification) | None);
    direct && detail.evaluation() != Some(&EvaluationType::Dynamic)
}

/// A property is named once for the template, and once for each parameter or resource behind it.
fn merge(properties: &mut Vec<PropertyChange>, found: PropertyChange, direct: bool) {
    let Some(known) = properties.iter_mut().find(|known| known.path == found.path) else {
        return properties.push(found);
    };
    known.recreates = known.recreates.max(found.recreates);
    if known.before == known.after {
        (known.before, known.after) = (found.before, found.after);
    }
    known.because = if direct { None } else { known.because.take().or(found.because) };
}

fn property(id: &str, detail: &ResourceChangeDetail, sides: &Sides) -> Vec<PropertyChange> {
    let Some(target) = detail.target() else { return Vec::new() };
    let dynamic = detail.evaluation() == Some(&EvaluationType::Dynamic);
    let recreates = match target.requires_recreation() {
        Some(RequiresRecreation::Always) if !dynamic => Certainty::Yes,
        Some(RequiresRecreation::Always | RequiresRecreation::Conditionally) => Certainty::Maybe,
        _ => Certainty::No,
    };
    let because = match detail.change_source() {
        Some(ChangeSource::DirectModification) | None => None,
        Some(_) => detail.causing_entity().map(str::to_owned),
    };
    let of_property = target.attribute() == Some(&ResourceAttribute::Properties);
    let name = match (target.path(), target.name()) {
        (Some(path), _) if !path.is_empty() => {
            path.trim_start_matches('/').trim_start_matches("Properties/").replace('/', ".")
        }
        (_, Some(name)) => name.to_owned(),
        _ => target.attribute().map(|attribute| attribute.as_str().to_owned()).unwrap_or_default(),
    };
    let (before, after) = match (target.before_value(), target.after_value()) {
        (None, None) => of_templates(id, target.name().filter(|_| of_property), because.as_deref(), sides),
        (before, after) => (before.map(of_text), after.map(of_text)),
    };
    let change = |path, before, after| PropertyChange { path, before, after, recreates, because: because.clone() };
    if before == after {
        return vec![change(name, None, None)];
    }
    // What a function of CloudFormation wraps is a value all the same.
    let plain = |path: String| path.replace(".Fn::Sub", "").replace(".Fn::Join", "");
    leaves(&name, before.as_ref(), after.as_ref())
        .into_iter()
        .map(|leaf| change(plain(leaf.path), leaf.before, leaf.after))
        .collect()
}

/// A property before and after as the templates have it, or as the parameter it follows.
fn of_templates(id: &str, name: Option<&str>, because: Option<&str>, sides: &Sides) -> (Option<Value>, Option<Value>) {
    let Some(name) = name else { return (None, None) };
    let of = |template: &Value| template["Resources"][id]["Properties"].get(name).cloned();
    let (before, after) = (of(&sides.before), of(&sides.after));
    if before != after {
        return (before, after);
    }
    let parameter = because.or_else(|| sides.parameters.keys().map(String::as_str).find(|key| refers(&after, key)));
    match parameter.and_then(|key| sides.parameters.get(key)) {
        Some((before, after)) => (before.clone().map(Value::String), after.clone().map(Value::String)),
        None => (None, None),
    }
}

fn refers(value: &Option<Value>, parameter: &str) -> bool {
    let (plain, inside) = (json!({ "Ref": parameter }).to_string(), format!("${{{parameter}}}"));
    value.as_ref().map(Value::to_string).is_some_and(|text| text.contains(&plain) || text.contains(&inside))
}

impl Change {
    /// What AWS has to do for it, as far as its duration goes.
    pub(crate) fn work(&self) -> Work {
        match (self.action, self.replacement) {
            (Action::Remove, _) => Work::Delete,
            (Action::Modify, Certainty::No | Certainty::Maybe) => Work::Update,
            _ => Work::Create,
        }
    }
}

/// Everything a template makes, as additions.
pub(crate) fn additions(template: &Value) -> Vec<Change> {
    let resources = template["Resources"].as_object();
    resources
        .into_iter()
        .flatten()
        .map(|(id, resource)| Change {
            action: Action::Add,
            id: id.clone(),
            kind: resource["Type"].as_str().unwrap_or_default().to_owned(),
            replacement: Certainty::No,
            kept: false,
            properties: Vec::new(),
        })
        .collect()
}

/// What such a resource holds cannot be made again from a template.
pub(crate) fn holds_data(kind: &str) -> bool {
    matches!(
        kind,
        "AWS::S3::Bucket"
            | "AWS::SecretsManager::Secret"
            | "AWS::Glue::Database"
            | "AWS::KMS::Key"
            | "AWS::Logs::LogGroup"
            | "AWS::SNS::Topic"
            | "AWS::SQS::Queue"
    )
}
