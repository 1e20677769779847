//! AWS IAM.

use serde::Serialize;

use super::Properties;
use crate::Expression;
use crate::policy::Document;

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    /// Its name.
    pub role_name: Expression,
    /// What it is for.
    pub description: String,
    /// Who may take it on.
    pub assume_role_policy_document: Document,
    /// What it may do.
    pub policies: Vec<InlinePolicy>,
}

impl Properties for Role {
    const KIND: &'static str = "AWS::IAM::Role";
}

/// What a role may do; it goes with the role.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InlinePolicy {
    /// Its name within the role.
    pub policy_name: &'static str,
    /// The policy.
    pub policy_document: Document,
}
