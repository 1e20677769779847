//! States and what they are made of, as the Amazon States Language names them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What the language calls the query language of a state, or of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum QueryLanguage {
    JSONata,
    JSONPath,
}

/// A machine, or what a Map does with each item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Machine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_language: Option<QueryLanguage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor_config: Option<ProcessorConfig>,
    pub start_at: &'static str,
    pub states: BTreeMap<&'static str, State>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

/// One state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "Type")]
pub(super) enum State {
    Task(Task),
    Choice(Choice),
    Map(Map),
    Pass(Pass),
    Succeed(Succeed),
    Fail(Fail),
}

/// Calls a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Task {
    pub comment: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_language: Option<QueryLanguage>,
    pub resource: &'static str,
    pub arguments: Value,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    pub output: Value,
    pub retry: Vec<Retry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catch>,
    #[serde(flatten)]
    pub then: Then,
}

/// Goes one way or another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Choice {
    pub choices: Vec<Way>,
    pub default: &'static str,
}

/// Where a choice goes when a condition holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Way {
    /// The condition in words.
    pub comment: &'static str,
    pub condition: String,
    pub next: &'static str,
}

/// Does the same for each item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Map {
    pub comment: &'static str,
    #[serde(flatten)]
    pub items: Items,
    pub item_selector: Value,
    pub max_concurrency: u64,
    pub item_processor: Box<Machine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catch>,
    #[serde(flatten)]
    pub then: Then,
}

/// Where a Map's items are and what its result becomes, in the one language or the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Items {
    #[serde(rename_all = "PascalCase")]
    JSONata { items: String, output: Value },
    /// Of a distributed Map, whose result is dropped.
    #[serde(rename_all = "PascalCase")]
    JSONPath { items_path: &'static str, result_path: Value, tolerated_failure_count: u64 },
}

/// How a Map runs its children.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProcessorConfig {
    /// `INLINE`, within the execution, or `DISTRIBUTED`, each an execution of its own.
    pub mode: &'static str,
    /// `STANDARD` or `EXPRESS`, where they are executions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_type: Option<&'static str>,
}

/// Passes on, with other data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Pass {
    pub comment: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_language: Option<QueryLanguage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(flatten)]
    pub then: Then,
}

/// Ends well.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Succeed {
    pub comment: &'static str,
}

/// Ends badly.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Fail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_language: Option<QueryLanguage>,
    pub error: String,
    pub cause: String,
}

/// What comes after a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Then {
    Next(&'static str),
    End(bool),
}

/// Which errors are tried again, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Retry {
    pub error_equals: Vec<&'static str>,
    /// Before the second attempt, in seconds.
    pub interval_seconds: u64,
    /// How much longer each wait is than the one before.
    pub backoff_rate: f64,
    /// After the first attempt.
    pub max_attempts: u64,
    /// The longest wait, in seconds.
    pub max_delay_seconds: u64,
    /// `FULL`: any time up to the wait, so that those who failed together do not come back together.
    pub jitter_strategy: &'static str,
}

/// Where an error leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Catch {
    pub error_equals: Vec<&'static str>,
    pub next: &'static str,
    #[serde(flatten)]
    pub becomes: Caught,
}

/// What the data is after an error, in the one language or the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Caught {
    #[serde(rename_all = "PascalCase")]
    JSONata { output: Value },
    /// The error is put here, beside what there was.
    #[serde(rename_all = "PascalCase")]
    JSONPath { result_path: &'static str },
}

/// A text that JSONata computes.
pub(super) fn jsonata(expression: &str) -> String {
    format!("{{% {expression} %}}")
}

/// A text within a JSONata expression, which knows no `\'`.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\u0027").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_within_an_expression_stays_one_text() {
        assert_eq!(literal("a star's\nrows \\ keys"), r"'a star\u0027s\nrows \\ keys'");
        assert_eq!(jsonata("1 + 1"), "{% 1 + 1 %}");
    }
}
