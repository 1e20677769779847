//! AWS Glue.

use serde::Serialize;

use super::Properties;
use crate::Expression;

/// A database of tables that Athena and Spark read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Database {
    /// The account whose catalog it is in.
    pub catalog_id: Expression,
    /// What it is.
    pub database_input: DatabaseInput,
}

impl Properties for Database {
    const KIND: &'static str = "AWS::Glue::Database";
}

/// What a database is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DatabaseInput {
    /// Its name.
    pub name: Expression,
    /// What is in it.
    pub description: String,
}
