//! One log line: JSON as the functions and AWS write it, or text.

use serde_json::{Map, Value, json};
use totesys_lake::Micros;

use crate::arguments::LogSource;

/// What every line of a kind has and says nothing of what happened.
const NOISE: &[&str] =
    &["target", "timestamp", "time", "event_timestamp", "previous_event_id", "id", "execution_arn", "redrive_count"];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) source: LogSource,
    pub(super) at: Micros,
    message: Message,
}

#[derive(Debug, Clone, PartialEq)]
enum Message {
    Fields(Map<String, Value>),
    Text(String),
}

impl Line {
    pub(super) fn new(source: LogSource, at: Micros, message: &str) -> Self {
        let message = match serde_json::from_str(message) {
            Ok(Value::Object(fields)) => Message::Fields(fields),
            _ => Message::Text(message.trim_end().to_owned()),
        };
        Self { source, at, message }
    }

    /// Whether a line of an execution's time may be of that execution: the state machine names it, functions do not.
    pub(super) fn may_be_of(&self, execution: &str) -> bool {
        let Message::Fields(fields) = &self.message else { return true };
        fields.get("execution_arn").and_then(Value::as_str).is_none_or(|named| named == execution)
    }

    /// The line as it was written, with where it was written and when.
    pub(super) fn json(&self) -> Value {
        let message = match &self.message {
            Message::Fields(fields) => Value::Object(fields.clone()),
            Message::Text(text) => Value::String(text.clone()),
        };
        json!({ "source": self.source.name(), "at": self.at.to_string(), "message": message })
    }
}

/// The line for a person: time, source, level, message and fields.
pub(super) fn text(line: &Line) -> String {
    let (level, what) = match &line.message {
        Message::Text(text) => ("", text.replace('\t', " ")),
        Message::Fields(fields) => said(fields),
    };
    format!("{:<24} {:<9} {level:<5} {what}", line.at.to_string(), line.source.name()).trim_end().to_owned()
}

/// Level and words.
fn said(fields: &Map<String, Value>) -> (&str, String) {
    let mut words = Vec::new();
    let level = fields.get("level").and_then(Value::as_str).unwrap_or_default();
    let embedded = fields.contains_key("_aws");
    let heading = if embedded {
        Some("metrics")
    } else {
        let of_ours = fields.get("fields").and_then(|fields| fields.get("message")).and_then(Value::as_str);
        of_ours.or_else(|| ["message", "type"].iter().find_map(|key| fields.get(*key)?.as_str()))
    };
    words.extend(heading.map(str::to_owned));
    let mut rest = |prefix: &str, fields: &Map<String, Value>| {
        for (key, value) in fields {
            let taken = matches!(key.as_str(), "level" | "message" | "type" | "_aws" | "fields" | "span" | "spans");
            if !taken && !NOISE.contains(&key.as_str()) {
                put(&mut words, &format!("{prefix}{key}"), value);
            }
        }
    };
    if let Some(Value::Object(own)) = fields.get("fields") {
        rest("", own);
    }
    if let Some(Value::Object(own)) = fields.get("span") {
        rest("span.", own);
    }
    rest("", fields);
    (level, words.join(" "))
}

/// `key=value`; what is inside another is named after both.
fn put(words: &mut Vec<String>, key: &str, value: &Value) {
    match value {
        Value::Object(inner) => inner.iter().for_each(|(name, value)| put(words, &format!("{key}.{name}"), value)),
        Value::Null => {}
        Value::String(text) if text.contains(' ') => words.push(format!("{key}={text:?}")),
        Value::String(text) => words.push(format!("{key}={text}")),
        other => words.push(format!("{key}={other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Micros = Micros(1_724_313_600_123_000);

    fn line(source: LogSource, message: &str) -> Line {
        Line::new(source, AT, message)
    }

    #[test]
    fn lines_of_every_kind() {
        let ours = r#"{"timestamp":"2024-08-22T08:00:00.1Z","level":"INFO","fields":{"message":"batch written","batch":7,"rows":1200},"target":"host_lambda::extract","span":{"star":"sales","name":"transform"},"spans":[{"name":"transform"}]}"#;
        let metrics =
            r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"Environment":"acme-totesys","Lag":12,"stage":"load"}"#;
        let report = r#"{"time":"2024-08-22T08:00:00Z","type":"platform.report","record":{"requestId":"r","status":"success","metrics":{"durationMs":12.5,"maxMemoryUsedMB":90}}}"#;
        let states = r#"{"id":"2","type":"TaskStateEntered","details":{"name":"Extract","input":"{}"},"previous_event_id":"0","event_timestamp":"1","execution_arn":"arn:x"}"#;
        let shown: Vec<String> = [
            line(LogSource::Extract, ours),
            line(LogSource::Load, metrics),
            line(LogSource::Transform, report),
            line(LogSource::Machine, states),
            line(LogSource::Extract, "START RequestId: 1\tVersion: $LATEST\n"),
            line(LogSource::Extract, r#"{"level":"ERROR","message":"two words","error":"no way in"}"#),
            line(LogSource::Extract, "[1, 2]"),
        ]
        .iter()
        .map(text)
        .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_program_gets_the_line_as_it_was_written() {
        let found = line(LogSource::Extract, r#"{"level":"ERROR","message":"m"}"#).json();
        let expected = json!({
            "source": "extract", "at": "2024-08-22T08:00:00.123Z", "message": { "level": "ERROR", "message": "m" }
        });
        assert_eq!(found, expected);
        assert_eq!(line(LogSource::Extract, "text\n").json()["message"], "text");
    }

    #[test]
    fn lines_of_other_executions_are_told_apart_where_they_can_be() {
        for (message, expected) in [
            (r#"{"execution_arn":"arn:this"}"#, true),
            (r#"{"execution_arn":"arn:other"}"#, false),
            (r#"{"level":"INFO"}"#, true),
            ("text", true),
        ] {
            assert_eq!(line(LogSource::Machine, message).may_be_of("arn:this"), expected, "{message}");
        }
    }
}
