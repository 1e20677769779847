//! AWS Secrets Manager.

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// A secret. There is no field for its value: a template must not have one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Secret {
    /// Its name.
    pub name: Expression,
    /// What it is.
    pub description: String,
}

impl Properties for Secret {
    const KIND: &'static str = "AWS::SecretsManager::Secret";
}
