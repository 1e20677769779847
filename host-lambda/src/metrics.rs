//! What a stage measured, as CloudWatch's embedded metric format: one line of JSON on stdout, which CloudWatch turns
//! into metrics without being asked. Log lines go to stderr.
//!
//! There is one dimension, the environment, because each combination of dimensions is a metric that is paid for; stage,
//! star and batch are properties, which the log can be searched by.

use std::io::Write as _;

use serde_json::{Map, Value, json};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "Totesys";

/// The one dimension. Its value is what the names of the environment's buckets begin with.
pub const DIMENSION: &str = "Environment";

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// How old what the warehouse says is, in seconds, by the star furthest behind.
    Lag,
    /// The stars that have not loaded the newest batch.
    StarsBehind,
    /// Rows that were ingested.
    Rows,
    /// Bytes that were ingested.
    Bytes,
    /// Rows that the codec could not read or a component refused.
    RefusedRows,
    /// How long a call took, in milliseconds.
    Duration,
    /// The most memory that a component had, in bytes.
    GuestMemory,
    /// How much of a fact's record ids is used, in percent, by the fact that has used most.
    RecordIdsUsed,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Lag,
        Self::StarsBehind,
        Self::Rows,
        Self::Bytes,
        Self::RefusedRows,
        Self::Duration,
        Self::GuestMemory,
        Self::RecordIdsUsed,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lag => "Lag",
            Self::StarsBehind => "StarsBehind",
            Self::Rows => "Rows",
            Self::Bytes => "Bytes",
            Self::RefusedRows => "RefusedRows",
            Self::Duration => "Duration",
            Self::GuestMemory => "GuestMemory",
            Self::RecordIdsUsed => "RecordIdsUsed",
        }
    }

    /// Its unit, in CloudWatch's words.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Lag => "Seconds",
            Self::StarsBehind | Self::Rows | Self::RefusedRows => "Count",
            Self::Bytes | Self::GuestMemory => "Bytes",
            Self::Duration => "Milliseconds",
            Self::RecordIdsUsed => "Percent",
        }
    }
}

/// What one call of a stage measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    properties: Map<String, Value>,
    values: Vec<(Metric, Value)>,
}

impl Measured {
    /// Nothing so far, of a stage.
    #[must_use]
    pub fn of(stage: &str) -> Self {
        Self { properties: Map::from_iter([("stage".to_owned(), json!(stage))]), values: Vec::new() }
    }

    /// Says what it is of: a star, a batch.
    pub fn note(&mut self, property: &str, value: impl Into<Value>) {
        self.properties.insert(property.to_owned(), value.into());
    }

    /// Adds a value. One that JSON has no number for is left out.
    pub fn add(&mut self, metric: Metric, value: impl Into<Value>) {
        let value = value.into();
        if value.is_number() {
            self.values.push((metric, value));
        }
    }

    /// The line, without its end. `milliseconds` is the time, since 1970.
    #[must_use]
    pub fn line(&self, environment: &str, milliseconds: u64) -> String {
        let metrics: Vec<Value> =
            self.values.iter().map(|(metric, _)| json!({ "Name": metric.name(), "Unit": metric.unit() })).collect();
        let mut line = Map::new();
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics });
        line.insert("_aws".into(), json!({ "Timestamp": milliseconds, "CloudWatchMetrics": [directive] }));
        line.insert(DIMENSION.into(), json!(environment));
        line.extend(self.properties.clone());
        line.extend(self.values.iter().map(|(metric, value)| (metric.name().to_owned(), value.clone())));
        Value::Object(line).to_string()
    }

    /// Prints the line on stdout, whole and at once, if anything was measured.
    pub fn print(&self, environment: &str) {
        if self.values.is_empty() {
            return;
        }
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let line = self.line(environment, u64::try_from(since.as_millis()).unwrap_or(u64::MAX)) + "\n";
        let mut stdout = std::io::stdout().lock();
        // A stage has done its work, whether anybody hears of it or not.
        let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_725_275_400_123;

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let mut measured = Measured::of("extract");
        measured.note("batch", 7);
        measured.add(Metric::Rows, 12);
        measured.add(Metric::Duration, 340);
        let expected = concat!(
            r#"{"Duration":340,"Environment":"acme-totesys","Rows":12,"_aws":{"CloudWatchMetrics":[{"#,
            r#""Dimensions":[["Environment"]],"Metrics":[{"Name":"Rows","Unit":"Count"},"#,
            r#"{"Name":"Duration","Unit":"Milliseconds"}],"Namespace":"Totesys"}],"#,
            r#""Timestamp":1725275400123},"batch":7,"stage":"extract"}"#,
        );
        assert_eq!(measured.line("acme-totesys", AT), expected);
    }

    #[test]
    fn numbers_only_and_each_that_is_listed_is_there() {
        let mut measured = Measured::of("load");
        measured.add(Metric::RecordIdsUsed, 12.5);
        measured.add(Metric::Lag, f64::NAN);
        measured.add(Metric::StarsBehind, "two");
        let line: Value = serde_json::from_str(&measured.line("e", AT)).unwrap();
        let listed = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(listed, &json!([{ "Name": "RecordIdsUsed", "Unit": "Percent" }]));
        assert_eq!(line["RecordIdsUsed"], 12.5);
        assert_eq!((line.get("Lag"), line.get("StarsBehind")), (None, None));
    }
}
