//! What a change would allow that is not allowed now, as actions × resources.

use std::fmt::Write as _;

use infra_templates::permissions::{Effect, granted, grants, widened as widened_permissions};
use serde::Serialize;
use serde_json::Value;

/// Actions that one principal could take on each of some resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Grant {
    pub(crate) principal: String,
    /// Whether it was refused before and is refused no more, rather than allowed.
    #[cfg_attr(test, serde(default))]
    pub(crate) no_longer_refused: bool,
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    /// Under which condition; empty when under any.
    #[cfg_attr(test, serde(default))]
    pub(crate) condition: String,
}

/// What the second template allows beyond the first.
pub(crate) fn widened(before: &Value, after: &Value) -> Vec<Grant> {
    grants(&widened_permissions(&granted(before), &granted(after)))
        .into_iter()
        .map(|grant| Grant {
            principal: grant.principal,
            no_longer_refused: grant.effect == Effect::Deny,
            actions: grant.actions.into_iter().collect(),
            resources: grant.resources.into_iter().collect(),
            condition: grant.condition,
        })
        .collect()
}

impl Grant {
    /// Who may do what, and a line for each resource.
    pub(crate) fn text(&self) -> String {
        let principal = if self.principal == "*" { "everybody" } else { &self.principal };
        let verb = if self.no_longer_refused { "is no longer refused" } else { "may" };
        let mut text = format!("  {principal} {verb} {}", self.actions.join(", "));
        if !self.condition.is_empty() {
            let _ = write!(text, " when {}", self.condition);
        }
        text += "\n";
        for resource in &self.resources {
            let _ = writeln!(text, "      × {resource}");
        }
        text
    }
}
