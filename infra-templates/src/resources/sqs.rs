//! Amazon SQS.

use serde::Serialize;

use super::Properties;
use crate::Expression;
use crate::policy::Document;

/// A queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Queue {
    /// Its name.
    pub queue_name: Expression,
    /// How long messages are kept, in seconds.
    pub message_retention_period: u64,
    /// Whether messages are encrypted with keys of SQS.
    pub sqs_managed_sse_enabled: bool,
}

impl Properties for Queue {
    const KIND: &'static str = "AWS::SQS::Queue";
}

/// Who may send to queues.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueuePolicy {
    /// The queues.
    pub queues: Vec<Expression>,
    /// The policy.
    pub policy_document: Document,
}

impl Properties for QueuePolicy {
    const KIND: &'static str = "AWS::SQS::QueuePolicy";
}
