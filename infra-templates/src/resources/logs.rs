//! Amazon CloudWatch Logs.

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogGroup {
    /// Its name.
    pub log_group_name: Expression,
    /// How long lines are kept, in days.
    pub retention_in_days: u64,
}

impl Properties for LogGroup {
    const KIND: &'static str = "AWS::Logs::LogGroup";
}
