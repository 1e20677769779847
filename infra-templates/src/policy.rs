//! IAM policies as values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{Expression, sub};

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Document {
    /// A policy of these statements.
    #[must_use]
    pub fn new(statements: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement: statements }
    }
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Vec<&'static str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, Value>>,
}

/// Whom a resource's own policy is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Principal {
    /// A service, such as `states.amazonaws.com`.
    Service(ServicePrincipal),
    /// Everybody, whom conditions or a refusal narrow.
    Everybody(&'static str),
}

/// A service as a principal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServicePrincipal {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
enum Resources {
    Resource(Vec<Expression>),
    NotResource(Vec<Expression>),
}

/// Actions that AWS allows on every resource or on none, or where Lambda asks for that.
#[derive(Debug)]
pub struct Wildcard {
    /// The actions.
    pub actions: &'static [&'static str],
    /// Why there is no narrower resource.
    pub reason: &'static str,
}

/// X-Ray's writes.
pub const TRACING: Wildcard = Wildcard {
    actions: &["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    reason: "X-Ray knows no resources for what is sent to it",
};

/// X-Ray's writes, and the rules of which executions are traced.
pub const SAMPLED_TRACING: Wildcard = Wildcard {
    actions: &["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    reason: "X-Ray knows no resources for what is sent to it nor for its sampling rules",
};

/// What Step Functions sets its logs up with.
pub const LOG_DELIVERY: Wildcard = Wildcard {
    actions: &[
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ],
    reason: "CloudWatch Logs knows no resources for deliveries and resource policies, and Step Functions sets its log \
             group up with them",
};

/// What Lambda looks at before it places a function in a network.
pub const NETWORK_LOOKS: Wildcard = Wildcard {
    actions: &["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
    reason: "EC2 knows no resources for what only looks",
};

/// Every statement that allows something on `*`. A test fails on any other.
pub const WILDCARDS: [&Wildcard; 4] = [&TRACING, &SAMPLED_TRACING, &LOG_DELIVERY, &NETWORK_LOOKS];

impl Statement {
    fn new(sid: &'static str, effect: &'static str, actions: &[&'static str], resources: Option<Resources>) -> Self {
        let condition = BTreeMap::new();
        Self { sid, effect, principal: None, action: actions.to_vec(), resources, condition }
    }

    /// Allows actions on resources.
    #[must_use]
    pub fn allow(sid: &'static str, actions: &[&'static str], resources: Vec<Expression>) -> Self {
        Self::new(sid, "Allow", actions, Some(Resources::Resource(resources)))
    }

    /// Allows what can only be allowed on every resource.
    #[must_use]
    pub fn allow_everywhere(sid: &'static str, wildcard: &Wildcard) -> Self {
        Self::allow(sid, wildcard.actions, vec!["*".into()])
    }

    /// Refuses actions on resources, whatever else allows them.
    #[must_use]
    pub fn deny(sid: &'static str, actions: &[&'static str], resources: Vec<Expression>) -> Self {
        Self::new(sid, "Deny", actions, Some(Resources::Resource(resources)))
    }

    /// Refuses actions on all resources but these.
    #[must_use]
    pub fn deny_but(sid: &'static str, actions: &[&'static str], resources: Vec<Expression>) -> Self {
        Self::new(sid, "Deny", actions, Some(Resources::NotResource(resources)))
    }

    /// Lets a service take a role on. Where AWS says on whose behalf it does, it must be this account's: else another
    /// account could have the service use the role for it.
    #[must_use]
    pub fn trust(service: &'static str) -> Self {
        Self::new("Trust", "Allow", &["sts:AssumeRole"], None).by_service(service)
    }

    /// The same about a service.
    #[must_use]
    pub fn by_service(self, service: &'static str) -> Self {
        Self { principal: Some(Principal::Service(ServicePrincipal { service })), ..self }
    }

    /// The same about everybody.
    #[must_use]
    pub fn by_everybody(self) -> Self {
        Self { principal: Some(Principal::Everybody("*")), ..self }
    }

    /// The same under a condition: `key` compared by `operator` with any of the values.
    #[must_use]
    pub fn when(mut self, operator: &'static str, key: &'static str, values: Vec<Expression>) -> Self {
        let values = match <[Expression; 1]>::try_from(values) {
            Ok([Expression(one)]) => one,
            Err(several) => several.into_iter().map(|Expression(value)| value).collect(),
        };
        self.condition.entry(operator).or_default().insert(key, values);
        self
    }

    /// The same when it is this account that has it done.
    #[must_use]
    pub fn for_this_account(self) -> Self {
        self.when("StringEquals", "aws:SourceAccount", vec![sub("${AWS::AccountId}")])
    }

    /// The same when the request is not encrypted.
    #[must_use]
    pub fn without_tls(self) -> Self {
        self.when("Bool", "aws:SecureTransport", vec!["false".into()])
    }
}

/// An ARN of this account and region.
#[must_use]
pub fn arn(service: &str, resource: &str) -> Expression {
    sub(&format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"))
}

/// The ARN of a bucket, or with a `/` and more, of objects in it.
#[must_use]
pub fn s3_arn(bucket_and_keys: &str) -> Expression {
    sub(&format!("arn:${{AWS::Partition}}:s3:::{bucket_and_keys}"))
}

/// The ARN of a secret by its name. Secrets Manager adds a hyphen and six characters.
#[must_use]
pub fn secret_arn(name: &str) -> Expression {
    arn("secretsmanager", &format!("secret:{name}-??????"))
}
