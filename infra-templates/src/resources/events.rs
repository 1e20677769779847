//! Amazon EventBridge rules.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Properties;
use crate::Expression;

/// What is done about events of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rule {
    /// Its name.
    pub name: Expression,
    /// What it does.
    pub description: String,
    /// The events it is about.
    pub event_pattern: Value,
    /// `ENABLED` or `DISABLED`.
    pub state: &'static str,
    /// Where they go.
    pub targets: Vec<Target>,
}

impl Properties for Rule {
    const KIND: &'static str = "AWS::Events::Rule";
}

/// Where an event goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    /// Its name within the rule.
    pub id: &'static str,
    /// The topic, queue or machine.
    pub arn: Expression,
    /// What is made of the event on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<InputTransformer>,
}

/// What is made of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InputTransformer {
    /// Parts of the event, by name.
    pub input_paths_map: BTreeMap<&'static str, &'static str>,
    /// The text, with `<name>` for the parts.
    pub input_template: String,
}
