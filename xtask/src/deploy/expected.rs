//! How long AWS is expected to take.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::event::Event;

/// What is done to a resource, as far as its duration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Create,
    Update,
    Delete,
}

impl Work {
    /// The work that a status such as `CREATE_IN_PROGRESS` belongs to.
    pub(crate) fn of(status: &str) -> Option<Self> {
        [("CREATE_", Self::Create), ("IMPORT_", Self::Create), ("UPDATE_", Self::Update), ("DELETE_", Self::Delete)]
            .into_iter()
            .find(|(prefix, _)| status.starts_with(prefix))
            .map(|(_, work)| work)
    }
}

/// Durations in milliseconds by kind of resource: what they took the last time in this stack, otherwise what they
/// typically take.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    seen: BTreeMap<(String, Work), i64>,
}

impl Expected {
    /// Learns from a stack's events, the oldest first.
    pub(crate) fn learn(events: &[Event]) -> Self {
        let (mut seen, mut open) = (BTreeMap::new(), BTreeMap::new());
        for event in events {
            let Some(work) = Work::of(&event.status) else { continue };
            if event.status.ends_with("_IN_PROGRESS") {
                open.entry((event.id.as_str(), work)).or_insert(event.at);
            } else if let Some(began) = open.remove(&(event.id.as_str(), work))
                && event.status.ends_with("_COMPLETE")
            {
                seen.insert((event.kind.clone(), work), event.at - began);
            }
        }
        Self { seen }
    }

    /// How long one resource is expected to take.
    pub(crate) fn of(&self, kind: &str, work: Work) -> i64 {
        let seen = self.seen.get(&(kind.to_owned(), work));
        seen.copied().unwrap_or_else(|| typical(kind, work) * 1000)
    }

    /// How long all these resources are expected to take: AWS makes at the same time what does not wait for one another.
    pub(crate) fn of_all(&self, template: &Value, works: &BTreeMap<String, Work>) -> i64 {
        let mut ends = BTreeMap::new();
        works.keys().map(|id| self.end(template, works, id, &mut ends)).max().unwrap_or_default()
    }

    fn end(&self, template: &Value, works: &BTreeMap<String, Work>, id: &str, ends: &mut BTreeMap<String, i64>) -> i64 {
        let Some(work) = works.get(id) else { return 0 };
        if let Some(end) = ends.get(id) {
            return *end;
        }
        let resource = &template["Resources"][id];
        // What comes round to itself is nothing AWS takes; it counts once here.
        ends.insert(id.to_owned(), 0);
        let mut needs = BTreeSet::new();
        needed(resource, &mut needs);
        let begin = needs.iter().map(|need| self.end(template, works, need, ends)).max().unwrap_or_default();
        let end = begin + self.of(resource["Type"].as_str().unwrap_or_default(), *work);
        ends.insert(id.to_owned(), end);
        end
    }
}

/// Everything a part of a template refers to.
fn needed(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("Ref" | "DependsOn", Value::String(id)) => drop(found.insert(id.clone())),
                    ("DependsOn", Value::Array(ids)) => {
                        found.extend(ids.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::GetAtt", Value::Array(of)) => {
                        found.extend(of.first().and_then(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::Sub", Value::String(text)) => found.extend(
                        text.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next()).map(str::to_owned),
                    ),
                    (_, value) => needed(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| needed(value, found)),
        _ => {}
    }
}

/// What resources typically take, in seconds, where nothing else is known; AWS promises none of it.
fn typical(kind: &str, work: Work) -> i64 {
    match (kind, work) {
        ("AWS::S3::Bucket", Work::Create) => 22,
        ("AWS::IAM::Role" | "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy", Work::Create) => 18,
        ("AWS::SQS::Queue" | "AWS::Events::Rule", Work::Create | Work::Delete) => 65,
        ("AWS::KMS::Key", Work::Create) => 120,
        ("AWS::EC2::VPCEndpoint", _) => 20,
        ("AWS::Lambda::Function", Work::Create | Work::Update) => 8,
        ("AWS::SNS::Topic", Work::Create) => 12,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str, kind: &str, status: &str, at: i64) -> Event {
        Event { event: String::new(), id: id.into(), kind: kind.into(), status: status.into(), reason: None, at }
    }

    #[test]
    fn what_took_long_the_last_time_is_expected_to_again() {
        let function = "AWS::Lambda::Function";
        let learnt = Expected::learn(&[
            event("A", function, "CREATE_IN_PROGRESS", 0),
            event("A", function, "CREATE_IN_PROGRESS", 900),
            event("A", function, "CREATE_COMPLETE", 9_000),
            event("A", function, "UPDATE_IN_PROGRESS", 10_000),
            event("A", function, "UPDATE_COMPLETE", 11_500),
            event("B", function, "UPDATE_IN_PROGRESS", 20_000),
            event("B", function, "UPDATE_FAILED", 80_000),
        ]);
        assert_eq!(learnt.of(function, Work::Create), 9_000);
        assert_eq!(learnt.of(function, Work::Update), 1_500);
        assert_eq!(learnt.of("AWS::SQS::Queue", Work::Create), 65_000);
    }

    #[test]
    fn what_waits_for_another_begins_after_it() {
        let template = json!({ "Resources": {
            "Role": { "Type": "AWS::IAM::Role" },
            "Function": { "Type": "AWS::Lambda::Function", "Properties": { "Role": { "Fn::GetAtt": ["Role", "Arn"] } } },
            "Alarm": { "Type": "AWS::CloudWatch::Alarm", "Properties": { "Name": { "Fn::Sub": "of-${Function.Arn}" } } },
            "Bucket": { "Type": "AWS::S3::Bucket", "DependsOn": ["Alarm"] },
            "Loop": { "Type": "AWS::Logs::LogGroup", "DependsOn": "Loop" },
        } });
        let create = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), Work::Create)).collect();
        let expected = Expected::default();
        for (works, seconds) in [
            (create(&["Role"]), 18),
            (create(&["Role", "Function"]), 26),
            (create(&["Role", "Function", "Alarm", "Bucket"]), 51),
            (create(&["Bucket", "Role"]), 22),
            (create(&["Loop"]), 3),
            (create(&[]), 0),
            (BTreeMap::from([("Role".to_owned(), Work::Update), ("Function".to_owned(), Work::Update)]), 11),
        ] {
            assert_eq!(expected.of_all(&template, &works), seconds * 1000, "{works:?}");
        }
    }
}
