//! Amazon EventBridge Scheduler.

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Schedule {
    /// Its name.
    pub name: Expression,
    /// What it starts.
    pub description: String,
    /// When.
    pub schedule_expression: Expression,
    /// The time zone of `cron`.
    pub schedule_expression_timezone: &'static str,
    /// `ENABLED` or `DISABLED`.
    pub state: Expression,
    /// How exactly the time is kept.
    pub flexible_time_window: FlexibleTimeWindow,
    /// What is started.
    pub target: ScheduleTarget,
}

impl Properties for Schedule {
    const KIND: &'static str = "AWS::Scheduler::Schedule";
}

/// How exactly the time is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FlexibleTimeWindow {
    /// `OFF`: exactly.
    pub mode: &'static str,
}

/// What a schedule starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScheduleTarget {
    /// The machine.
    pub arn: Expression,
    /// The role it is started with.
    pub role_arn: Expression,
    /// What it is told, as JSON.
    pub input: String,
    /// How often it is tried.
    pub retry_policy: RetryPolicy,
    /// Where what failed is told.
    pub dead_letter_config: DeadLetterConfig,
}

/// How often a start is tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryPolicy {
    /// For how long, in seconds.
    pub maximum_event_age_in_seconds: u64,
    /// How often after the first time.
    pub maximum_retry_attempts: u64,
}

/// Where what could not be started is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeadLetterConfig {
    /// The queue.
    pub arn: Expression,
}
