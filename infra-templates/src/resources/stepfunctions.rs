//! AWS Step Functions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// A state machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StateMachine {
    /// Its name.
    pub state_machine_name: Expression,
    /// `STANDARD` or `EXPRESS`.
    pub state_machine_type: &'static str,
    /// The role it runs with.
    pub role_arn: Expression,
    /// What it does, as text of the Amazon States Language.
    pub definition_string: Expression,
    /// What stands for `${name}` in it.
    pub definition_substitutions: BTreeMap<&'static str, Expression>,
    /// What it logs.
    pub logging_configuration: MachineLogging,
    /// Whether it is traced.
    pub tracing_configuration: MachineTracing,
}

impl Properties for StateMachine {
    const KIND: &'static str = "AWS::StepFunctions::StateMachine";
}

/// What a state machine logs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MachineLogging {
    /// `ALL`, `ERROR`, `FATAL` or `OFF`.
    pub level: &'static str,
    /// Whether states' data is logged as well.
    pub include_execution_data: bool,
    /// Where to; one is allowed.
    pub destinations: Vec<LogDestination>,
}

/// Where a state machine logs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogDestination {
    /// The log group.
    pub cloud_watch_logs_log_group: LogGroupArn,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogGroupArn {
    /// Its ARN, which ends in `:*`.
    pub log_group_arn: Expression,
}

/// Whether executions are traced.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MachineTracing {
    /// Whether they are.
    pub enabled: bool,
}
