//! Amazon SNS.

use serde::Serialize;

use super::Properties;
use crate::Expression;
use crate::policy::Document;

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Topic {
    /// Its name.
    pub topic_name: Expression,
    /// What mails say they are from.
    pub display_name: String,
}

impl Properties for Topic {
    const KIND: &'static str = "AWS::SNS::Topic";
}

/// Who may publish to topics.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TopicPolicy {
    /// The topics.
    pub topics: Vec<Expression>,
    /// The policy.
    pub policy_document: Document,
}

impl Properties for TopicPolicy {
    const KIND: &'static str = "AWS::SNS::TopicPolicy";
}

/// Who gets what is published to a topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Subscription {
    /// The topic.
    pub topic_arn: Expression,
    /// `email`, `sqs` and so on.
    pub protocol: &'static str,
    /// The address.
    pub endpoint: Expression,
}

impl Properties for Subscription {
    const KIND: &'static str = "AWS::SNS::Subscription";
}
