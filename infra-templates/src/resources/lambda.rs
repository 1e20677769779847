//! AWS Lambda.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// A function.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    /// Its name.
    pub function_name: Expression,
    /// What it does.
    pub description: String,
    /// What it runs on.
    pub runtime: &'static str,
    /// The program.
    pub handler: &'static str,
    /// Where the program is.
    pub code: Code,
    /// The processor: one of `arm64` and `x86_64`.
    pub architectures: Vec<&'static str>,
    /// The role it runs with.
    pub role: Expression,
    /// Its memory in MiB.
    pub memory_size: u64,
    /// Its time limit in seconds.
    pub timeout: u64,
    /// Its environment.
    pub environment: Variables,
    /// Whether its invocations are traced.
    pub tracing_config: TracingConfig,
    /// Where and how it logs.
    pub logging_config: LoggingConfig,
    /// The private network it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_config: Option<VpcConfig>,
}

impl Properties for Function {
    const KIND: &'static str = "AWS::Lambda::Function";
}

/// Where a function's program is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Code {
    /// The bucket.
    #[serde(rename = "S3Bucket")]
    pub bucket: Expression,
    /// The key of the zip.
    #[serde(rename = "S3Key")]
    pub key: Expression,
}

/// Environment variables.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variables {
    /// By name.
    pub variables: BTreeMap<String, Expression>,
}

/// Whether invocations are traced.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TracingConfig {
    /// `Active` or `PassThrough`.
    pub mode: &'static str,
}

/// Where and how a function logs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    /// The log group.
    pub log_group: Expression,
    /// `JSON` or `Text`.
    pub log_format: &'static str,
    /// The level of the function's lines that have one.
    pub application_log_level: &'static str,
    /// The level of the platform's own lines.
    pub system_log_level: &'static str,
}

/// The private network a function is in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VpcConfig {
    /// Its subnets.
    pub subnet_ids: Vec<String>,
    /// Its security groups.
    pub security_group_ids: Vec<Expression>,
}
