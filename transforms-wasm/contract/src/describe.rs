//! What a component says about itself.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::ColumnType;

/// Name and value pairs: room for what a later minor version adds.
pub type Extras = Vec<(String, String)>;

/// One column of an input or an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, as in the database.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Room for later versions, and for what contract 0.1 had here: see [`Column::is_unconstrained`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Extras,
}

/// Contract 0.1 said two things in extras for which 0.2 has fields. Here they stay extras whatever the contract, so
/// that catalog records of either read alike.
const UNCONSTRAINED: (&str, &str) = ("numeric", "unconstrained");
const CREATED: &str = "created";

/// The extras a component of contract 0.2 gave, or gives: without what it has fields for.
#[must_use]
pub fn without_fields(extras: Extras) -> Extras {
    extras.into_iter().filter(|(name, _)| name != UNCONSTRAINED.0 && name != CREATED).collect()
}

impl Column {
    /// Whether the warehouse column of this decimal is a `numeric` without precision.
    #[must_use]
    pub fn is_unconstrained(&self) -> bool {
        self.extras.iter().any(|(name, value)| (name.as_str(), value.as_str()) == UNCONSTRAINED)
    }

    /// Makes the warehouse column of this decimal a `numeric` without precision.
    pub fn unconstrain(&mut self) {
        if !self.is_unconstrained() {
            self.extras.push((UNCONSTRAINED.0.to_owned(), UNCONSTRAINED.1.to_owned()));
        }
    }

    /// The Arrow field of this column.
    #[must_use]
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.column_type.arrow(), self.nullable)
    }
}

/// The Arrow schema of some columns, in their order.
#[must_use]
pub(crate) fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()))
}

/// How a component wants an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// The rows that may have changed since the batch before.
    Changes,
    /// The whole table, whenever anything the star reads has changed.
    Snapshot,
}

/// A source table a component reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The source table's name.
    pub table: String,
    /// The columns it wants; it sees no others.
    pub columns: Vec<Column>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// Changes or snapshots.
    pub delivery: Delivery,
    /// Room for later versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Extras,
}

impl Input {
    /// The Arrow schema of a pushed batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        schema_of(&self.columns)
    }
}

/// What the warehouse keeps of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Every distinct version of a business key.
    Fact,
    /// The latest row of a business key.
    Dimension,
}

/// A foreign key from an output's column to a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The column of this output.
    pub column: String,
    /// The dimension it points at.
    pub table: String,
    /// The dimension's key column.
    pub target: String,
}

/// A warehouse table a component writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The warehouse table's name.
    pub table: String,
    /// Fact or dimension.
    pub role: Role,
    /// The columns in the warehouse's order, without the surrogate key.
    pub columns: Vec<Column>,
    /// The columns that identify what a row is about.
    pub business_key: Vec<String>,
    /// The record id column the loader fills; facts only.
    pub surrogate_key: Option<String>,
    /// Foreign keys.
    pub references: Vec<Reference>,
    /// For a fact: the input whose key is its business key.
    pub keyed_by: Option<String>,
    /// Room for later versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Extras,
}

impl Output {
    /// The columns that say when the source created a fact's row: a date and a time, or one timestamp; or none.
    #[must_use]
    pub fn created(&self) -> Vec<&str> {
        let created = self.extras.iter().find(|(name, _)| name == CREATED);
        created.map(|(_, columns)| columns.split(',').collect()).unwrap_or_default()
    }

    /// Says which columns hold the time of creation.
    pub fn set_created(&mut self, columns: &[String]) {
        self.extras.retain(|(name, _)| name != CREATED);
        if !columns.is_empty() {
            self.extras.push((CREATED.to_owned(), columns.join(",")));
        }
    }

    /// The Arrow schema of this output's batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        schema_of(&self.columns)
    }
}

/// What a component is: its star, what it reads and what it writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The star's name.
    pub star: String,
    /// The component's own version.
    pub version: String,
    /// The source tables it reads, snapshots in the order it wants them pushed.
    pub inputs: Vec<Input>,
    /// The warehouse tables it writes, dimensions before the facts that refer to them.
    pub outputs: Vec<Output>,
    /// Room for later versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Extras,
}

impl Description {
    /// The input of a table, if the component reads it.
    #[must_use]
    pub fn input(&self, table: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.table == table)
    }

    /// The output of a table, if the component writes it.
    #[must_use]
    pub fn output(&self, table: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.table == table)
    }
}
