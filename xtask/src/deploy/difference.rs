//! What a deployment would change in a stack, for a person to read.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::change::{Action, Certainty, Change, PropertyChange, additions, holds_data};
use super::grant::{Grant, widened};

/// What would become of a stack.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Difference {
    pub(crate) stack: String,
    /// Whether there is no such stack yet.
    pub(crate) new: bool,
    pub(crate) changes: Vec<Change>,
    /// Whether only outputs or descriptions change, and no resource.
    #[cfg_attr(test, serde(default))]
    pub(crate) besides: bool,
    /// What its roles and resources would allow, and do not now.
    pub(crate) widened: Vec<Grant>,
}

/// How much a difference matters, as the exit code of `diff` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    Nothing = 0,
    Changes = 2,
    /// Something is replaced or removed, or permissions are widened.
    Grave = 3,
}

impl Difference {
    /// A stack that stays as it is.
    pub(crate) fn nothing(stack: &str) -> Self {
        Self { stack: stack.to_owned(), new: false, changes: Vec::new(), besides: false, widened: Vec::new() }
    }

    /// A stack that is made from nothing.
    pub(crate) fn all_new(stack: &str, template: &Value) -> Self {
        let (changes, widened) = (additions(template), widened(&Value::Null, template));
        Self { stack: stack.to_owned(), new: true, changes, besides: false, widened }
    }

    pub(crate) fn weight(&self) -> Weight {
        if !self.reasons().is_empty() {
            Weight::Grave
        } else if self.changes.is_empty() && !self.besides {
            Weight::Nothing
        } else {
            Weight::Changes
        }
    }

    /// Why a person is asked, if one is.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let replaced = |change: &&Change| match change.replacement {
            Certainty::Yes => true,
            // That a resource without data may be made anew is no question.
            Certainty::Maybe => holds_data(&change.kind),
            Certainty::No => false,
        };
        let names = |of: Vec<&Change>| of.iter().map(|change| change.id.as_str()).collect::<Vec<_>>().join(", ");
        let removed: Vec<&Change> = self.changes.iter().filter(|change| change.action == Action::Remove).collect();
        let replaced: Vec<&Change> = self.changes.iter().filter(replaced).collect();
        let mut reasons = Vec::new();
        if !removed.is_empty() {
            reasons.push(format!("removes {}", names(removed)));
        }
        if !replaced.is_empty() {
            reasons.push(format!("replaces {}", names(replaced)));
        }
        if !self.widened.is_empty() {
            reasons.push("widens permissions".to_owned());
        }
        reasons
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        if self.besides {
            return format!("stack {}: outputs or descriptions change, no resource does\n", self.stack);
        }
        if self.changes.is_empty() {
            return format!("stack {}: no changes\n", self.stack);
        }
        let made = if self.new { " (new)" } else { "" };
        let plural = if self.changes.len() == 1 { "" } else { "s" };
        let mut text = format!("stack {}{made}: {} change{plural}\n", self.stack, self.changes.len());
        let width = self.changes.iter().map(|change| change.id.len()).max().unwrap_or_default();
        for change in &self.changes {
            let (sign, word) = sign(change);
            let kept = if change.kept { "  (the old one stays in the account)" } else { "" };
            let _ = writeln!(text, "  {sign} {word:<8} {:<width$}  {}{kept}", change.id, change.kind);
            for property in &change.properties {
                let _ = writeln!(text, "      {}", line(property));
            }
        }
        if !self.widened.is_empty() {
            text += "permissions widened (actions × resources):\n";
            for grant in &self.widened {
                text += &grant.text();
            }
        }
        text
    }
}

fn sign(change: &Change) -> (char, &'static str) {
    match (change.action, change.replacement) {
        (Action::Add, _) => ('+', "add"),
        (Action::Import, _) => ('>', "take in"),
        (Action::Remove, _) => ('-', "remove"),
        (Action::Modify, Certainty::Yes) => ('±', "replace"),
        (Action::Modify, Certainty::Maybe) => ('~', "change?"),
        (Action::Modify, Certainty::No) => ('~', "change"),
        (Action::Unknown, _) => ('?', "unknown"),
    }
}

fn line(property: &PropertyChange) -> String {
    let PropertyChange { path, before, after, recreates, because } = property;
    let mut line = match (before, after) {
        (None, None) => path.clone(),
        (Some(before), Some(after)) => {
            let (before, after) = pair(&shown(before), &shown(after));
            format!("{path}  {before} → {after}")
        }
        (None, Some(after)) => format!("{path}  + {}", short(&shown(after))),
        (Some(before), None) => format!("{path}  - {}", short(&shown(before))),
    };
    if let Some(because) = because {
        let _ = write!(line, "  (follows {because})");
    }
    line += match recreates {
        Certainty::Yes => "  (this replaces the resource: it cannot be changed in place)",
        Certainty::Maybe => "  (this may replace the resource)",
        Certainty::No => "",
    };
    line
}

/// Text without quotes, everything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The longest text that is shown whole, in characters.
const LONGEST: usize = 120;

/// Both values, from a little before they differ where they are long.
fn pair(before: &str, after: &str) -> (String, String) {
    if before.chars().count().max(after.chars().count()) <= LONGEST {
        return (before.to_owned(), after.to_owned());
    }
    let same = before.chars().zip(after.chars()).take_while(|(one, other)| one == other).count();
    let skip = same.saturating_sub(20);
    let cut = |text: &str| {
        let rest: String = text.chars().skip(skip).collect();
        if skip > 0 { format!("…{}", short(&rest)) } else { short(&rest) }
    };
    (cut(before), cut(after))
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let (before, after) = pair(&long("1"), &long("2 and more"));
        assert_eq!(before, format!("…{}1", "x".repeat(20)));
        assert_eq!(after, format!("…{}2 and more", "x".repeat(20)));
        assert_eq!(short(&"ä".repeat(121)), format!("{}…", "ä".repeat(120)));
        assert_eq!(pair("1769", "2048"), ("1769".to_owned(), "2048".to_owned()));
    }
}
