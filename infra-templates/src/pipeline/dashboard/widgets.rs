//! Widgets as CloudWatch's dashboards describe them.

use serde_json::{Map, Value, json};

use crate::Environment;

/// A widget that has no place yet.
#[derive(Debug, Clone)]
pub(super) struct Widget {
    kind: &'static str,
    properties: Value,
}

impl Widget {
    /// Text in Markdown.
    pub(super) fn text(markdown: &str) -> Self {
        Self { kind: "text", properties: json!({ "markdown": markdown }) }
    }

    /// The states of alarms, by their ARNs.
    pub(super) fn alarms(title: &str, arns: Vec<String>) -> Self {
        Self { kind: "alarm", properties: json!({ "title": title, "alarms": arns, "sortBy": "stateUpdatedTimestamp" }) }
    }

    /// The same with a level that is not to be passed.
    pub(super) fn with_level(mut self, label: &str, value: u64) -> Self {
        let levels = &mut self.properties["annotations"]["horizontal"];
        let mut all = levels.as_array().cloned().unwrap_or_default();
        all.push(json!({ "label": label, "value": value }));
        *levels = Value::Array(all);
        self
    }

    /// The same as one number for the whole time shown.
    pub(super) fn summed_up(mut self) -> Self {
        self.properties["view"] = json!("singleValue");
        self.properties["setPeriodToTimeRange"] = json!(true);
        self
    }

    /// The same with lines upon one another.
    pub(super) fn stacked(mut self) -> Self {
        self.properties["stacked"] = json!(true);
        self
    }

    /// The widget at its place: columns and rows from the top left, of which there are 24 across.
    pub(super) fn at(self, x: u64, y: u64, width: u64, height: u64) -> Value {
        json!({
            "type": self.kind, "x": x, "y": y, "width": width, "height": height, "properties": self.properties,
        })
    }
}

/// One metric of a widget, or what is computed from others.
#[derive(Debug, Clone)]
pub(super) struct Line {
    name: Vec<String>,
    options: Map<String, Value>,
}

impl Line {
    fn with(mut self, option: &str, value: impl Into<Value>) -> Self {
        self.options.insert(option.to_owned(), value.into());
        self
    }

    /// The same under a name for people.
    pub(super) fn labelled(self, label: &str) -> Self {
        self.with("label", label)
    }

    /// The same with its scale on the right.
    pub(super) fn on_the_right(self) -> Self {
        self.with("yAxis", "right")
    }

    fn value(self) -> Value {
        let mut parts: Vec<Value> = self.name.into_iter().map(Value::String).collect();
        parts.push(Value::Object(self.options));
        Value::Array(parts)
    }
}

/// A metric's series.
pub(super) fn number(namespace: &str, metric: &str, dimension: &str, of: &str, statistic: &str) -> Line {
    let name = [namespace, metric, dimension, of].map(str::to_owned).to_vec();
    Line { name, options: Map::new() }.with("stat", statistic)
}

/// What is computed from hidden series.
pub(super) fn computed(expression: &str, label: &str) -> Line {
    Line { name: Vec::new(), options: Map::new() }.with("expression", expression).labelled(label)
}

/// A series that is only computed with, by this name.
pub(super) fn hidden(line: Line, id: &str) -> Line {
    line.with("id", id).with("visible", false)
}

/// Lines over time; `period` is in seconds.
pub(super) fn chart(environment: &Environment, title: &str, period: u64, lines: Vec<Line>) -> Widget {
    let metrics: Vec<Value> = lines.into_iter().map(Line::value).collect();
    Widget {
        kind: "metric",
        properties: json!({
            "title": title, "region": environment.region, "view": "timeSeries", "period": period, "metrics": metrics,
        }),
    }
}
