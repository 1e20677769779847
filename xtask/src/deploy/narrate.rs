//! An operation of AWS on a stack, told as it happens.

use std::collections::BTreeMap;

use super::event::Event;
use super::expected::{Expected, Work};

/// Tells the events of one operation.
pub(crate) struct Narrator {
    expected: Expected,
    /// When the operation began, in milliseconds since 1970.
    began: i64,
    /// What is being worked on, since when, and what it is.
    open: BTreeMap<String, (i64, String, Work)>,
}

impl Narrator {
    pub(crate) fn new(expected: Expected, began: i64) -> Self {
        Self { expected, began, open: BTreeMap::new() }
    }

    /// The operation began at a moment, in milliseconds since 1970, by AWS's clock.
    pub(crate) fn begin(&mut self, began: i64) {
        self.began = began;
    }

    /// What to say about an event, if anything: each resource is told once it is done or has failed.
    pub(crate) fn tell(&mut self, event: &Event) -> Option<String> {
        let at = seconds(event.at - self.began);
        if event.is_of_stack() {
            let what = match event.status.as_str() {
                "ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS" => "going back to what was before",
                "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => "removing what was replaced or is not needed any more",
                _ => return None,
            };
            // What is being undone begins anew.
            self.open.clear();
            return Some(format!("{at:>7}  {what}"));
        }
        let work = Work::of(&event.status)?;
        let said = |what: String| Some(format!("{at:>7}  {what}"));
        let named = format!("{:<28}  {}", event.id, event.kind);
        if event.status.ends_with("_IN_PROGRESS") {
            let replaced = event.reason.as_deref().is_some_and(|reason| reason.contains("creation of a new physical"));
            let work = if replaced { Work::Create } else { work };
            self.open.entry(event.id.clone()).or_insert((event.at, event.kind.clone(), work));
            return None;
        }
        let (began, work) = self.open.remove(&event.id).map_or((event.at, work), |(began, _, work)| (began, work));
        if event.status.ends_with("_SKIPPED") {
            return said(format!("= {named}  stays in the account"));
        }
        let took = seconds(event.at - began);
        if event.is_failure() {
            let reason = event.reason.as_deref().unwrap_or("AWS gives no reason");
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            return said(format!("! {named}  failed after {took}: {reason}"));
        }
        let expected = seconds(self.expected.of(&event.kind, work));
        said(format!("{} {named}  {took} (expected {expected})", sign(work)))
    }

    /// What is being worked on, as of a moment in milliseconds since 1970: the longest first.
    pub(crate) fn waiting(&self, now: i64) -> Option<String> {
        let mut open: Vec<_> = self.open.iter().collect();
        open.sort_by_key(|(id, (began, _, _))| (*began, (*id).clone()));
        let (id, (began, kind, work)) = open.first()?;
        let others = if open.len() > 1 { format!(" and {} more", open.len() - 1) } else { String::new() };
        Some(format!(
            "{:>7}  … {id} for {} (expected {}){others}",
            seconds(now - self.began),
            seconds(now - began),
            seconds(self.expected.of(kind, *work)),
        ))
    }
}

fn sign(work: Work) -> char {
    match work {
        Work::Create => '+',
        Work::Update => '~',
        Work::Delete => '-',
    }
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The first failure that follows from no other.
    pub(crate) cause: Event,
    /// Others that failed by themselves.
    pub(crate) others: Vec<Event>,
    /// What AWS stopped because of them.
    pub(crate) stopped: Vec<String>,
}

impl Failure {
    /// Finds the cause among an operation's events, the oldest first.
    pub(crate) fn of(events: &[Event]) -> Option<Self> {
        let failed = |event: &&Event| event.is_failure() && !event.is_consequence();
        let mut own = events.iter().filter(failed).filter(|event| !event.is_of_stack());
        let Some(cause) = own.next() else {
            // Sometimes only the stack itself says what is wrong.
            let stack = |event: &&Event| event.is_of_stack() && event.reason.is_some() && says_failure(event);
            let cause = events.iter().find(stack)?.clone();
            return Some(Self { cause, others: Vec::new(), stopped: Vec::new() });
        };
        let others = own.cloned().collect();
        let stopped = events.iter().filter(|event| event.is_failure() && event.is_consequence());
        Some(Self { cause: cause.clone(), others, stopped: stopped.map(|event| event.id.clone()).collect() })
    }

    /// Cause first, then what else failed.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("cause: {}\n", self.cause.sentence());
        for other in &self.others {
            text += &format!("also:  {}\n", other.sentence());
        }
        if !self.stopped.is_empty() {
            text += &format!("stopped because of it: {}\n", self.stopped.join(", "));
        }
        text
    }

    /// What is known to mend such a cause.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        let reason = self.cause.reason.as_deref().unwrap_or_default().to_lowercase();
        REMEDIES.iter().find(|(words, _)| words.iter().any(|word| reason.contains(word))).map(|(_, remedy)| *remedy)
    }
}

/// What AWS's reasons contain, and what to do about it.
const REMEDIES: &[(&[&str], &str)] = &[
    (
        &["is not authorized", "accessdenied", "access denied"],
        "the deployer lacks a right: `cargo xtask doctor --policy` prints what it needs",
    ),
    (
        &["already exists", "alreadyexists", "bucketalreadyownedbyyou"],
        "something of this name is there already, made by another hand: choose another `prefix`, or delete it",
    ),
    (&["limit exceeded", "limitexceeded", "quota"], "raise the quota in the Service Quotas console, or ask for less"),
    (&["memorysize", "timeout"], "correct the stage's `memory` or `timeout` in the settings file"),
    (&["subnet", "security group", "securitygroup", "vpc"], "correct the environment's `network` in the settings file"),
];

fn says_failure(event: &Event) -> bool {
    event.is_failure() || event.status.contains("ROLLBACK")
}

/// A duration for a person, from milliseconds.
pub(crate) fn seconds(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, status: &str, reason: &str) -> Event {
        let kind = if id == "stack" { super::super::event::STACK } else { "AWS::Lambda::Function" };
        let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        Event { event: String::new(), id: id.into(), kind: kind.into(), status: status.into(), reason, at: 0 }
    }

    #[test]
    fn the_cause_is_the_first_failure_that_follows_from_no_other() {
        for (events, expected) in [
            (vec![event("A", "CREATE_COMPLETE", "")], None),
            (
                vec![
                    event("A", "CREATE_FAILED", "Resource creation cancelled"),
                    event("B", "CREATE_FAILED", "no such subnet"),
                    event("C", "CREATE_FAILED", "no such role"),
                    event("stack", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [B, C, A]."),
                ],
                Some("B"),
            ),
            (vec![event("stack", "UPDATE_ROLLBACK_IN_PROGRESS", "Export x cannot be deleted")], Some("stack")),
            (vec![event("A", "DELETE_FAILED", "")], Some("A")),
        ] {
            assert_eq!(Failure::of(&events).map(|failure| failure.cause.id).as_deref(), expected, "{events:?}");
        }
    }

    #[test]
    fn causes_that_are_known_have_remedies() {
        for (reason, expected) in [
            ("User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole", "doctor --policy"),
            ("acme-code already exists in stack arn:aws:cloudformation:…", "prefix"),
            ("'MemorySize' value failed to satisfy constraint", "memory"),
            ("Something nobody has seen", ""),
        ] {
            let failure = Failure::of(&[event("A", "CREATE_FAILED", reason)]).unwrap();
            let remedy = failure.remedy();
            assert_eq!(remedy.is_some(), !expected.is_empty(), "{reason}");
            assert!(remedy.unwrap_or_default().contains(expected), "{reason}: {remedy:?}");
        }
    }
}
