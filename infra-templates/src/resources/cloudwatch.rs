//! Amazon CloudWatch.

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alarm {
    /// Its name.
    pub alarm_name: Expression,
    /// What it means and what to do.
    pub alarm_description: String,
    /// The metric's namespace.
    pub namespace: &'static str,
    /// The metric.
    pub metric_name: &'static str,
    /// Which of its series.
    pub dimensions: Vec<Dimension>,
    /// `Sum`, `Maximum` and so on.
    pub statistic: &'static str,
    /// How long a period is, in seconds.
    pub period: u64,
    /// How many periods are looked at.
    pub evaluation_periods: u64,
    /// How many of them must be beyond the threshold.
    pub datapoints_to_alarm: u64,
    /// The threshold.
    pub threshold: f64,
    /// Which side of the threshold is beyond it.
    pub comparison_operator: &'static str,
    /// What a period without data counts as.
    pub treat_missing_data: &'static str,
    /// What is told when it goes off.
    pub alarm_actions: Vec<Expression>,
    /// What is told when all is well again.
    #[serde(rename = "OKActions")]
    pub ok_actions: Vec<Expression>,
}

impl Properties for Alarm {
    const KIND: &'static str = "AWS::CloudWatch::Alarm";
}

/// What tells series of a metric apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Expression,
}

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dashboard {
    /// Its name.
    pub dashboard_name: Expression,
    /// What it shows, as JSON.
    pub dashboard_body: Expression,
}

impl Properties for Dashboard {
    const KIND: &'static str = "AWS::CloudWatch::Dashboard";
}
