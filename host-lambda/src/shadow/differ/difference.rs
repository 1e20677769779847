//! What a comparison comes to.

use std::collections::BTreeMap;

use serde::Serialize;

/// How the rows of one output table differ between the live component (old) and a candidate (new).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableDifference {
    /// The output table.
    pub table: String,
    /// Rows the live component gave.
    pub old_rows: u64,
    /// Rows the candidate gave.
    pub new_rows: u64,
    /// Pairs without a difference.
    pub equal: u64,
    /// Rows only the candidate gave.
    pub added: u64,
    /// Rows only the live component gave.
    pub gone: u64,
    /// Pairs with a difference.
    pub changed: u64,
    /// Changed pairs by column: each column that differs in one, and each that was added, removed or retyped.
    pub columns: BTreeMap<String, u64>,
    /// Columns that only the candidate describes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_columns: Vec<String>,
    /// Columns that only the live component describes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed_columns: Vec<String>,
    /// Columns that have another type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retyped_columns: Vec<String>,
    /// At most five of each kind, in the order met: changed rows, then gone ones, then added ones.
    pub examples: Vec<Example>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// How it differs.
    pub kind: ExampleKind,
    /// Its business key: columns and values.
    pub key: Vec<(String, String)>,
    /// Name, old and new value: of a changed row the columns that differ, of any other those that are not NULL.
    pub columns: Vec<(String, Option<String>, Option<String>)>,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExampleKind {
    /// Both components give it, with other values.
    Changed,
    /// Only the live component gives it.
    Gone,
    /// Only the candidate gives it.
    Added,
}
