//! What can stop a simulation.

use totesys_postgres::{ConnectionError, PostgresError};

use crate::Rates;

/// Why a source could not be made live.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// There is no connection.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A statement failed.
    #[error("{doing} failed: {source}")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// What the server said.
        source: PostgresError,
    },
    /// A statement answered with something else than was asked for.
    #[error("{doing}: the server's answer has no `{missing}`")]
    Answer {
        /// What was being done.
        doing: &'static str,
        /// What was expected.
        missing: &'static str,
    },
    /// There are tables, but not all of them.
    #[error("schema `{schema}` has a table `{present}` but no table `{absent}`")]
    PartOfSource {
        /// The schema.
        schema: String,
        /// A table that is there.
        present: String,
        /// A table that is not.
        absent: String,
    },
    /// Only an empty source is filled.
    #[error("table `{table}` of schema `{schema}` has rows; only an empty source is filled")]
    NotEmpty {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// A table that others refer to has no rows, though there are tables.
    #[error("table `{table}` has no rows to refer to")]
    NothingToReferTo {
        /// The table.
        table: &'static str,
    },
    /// There is no such rate.
    #[error("there is no rate `{name}`")]
    UnknownRate {
        /// What was asked for.
        name: String,
    },
    /// The number cannot be a rate.
    #[error("the rate `{name}` is a number from 0 to {most}")]
    BadRate {
        /// The rate.
        name: String,
        /// The greatest number it can be.
        most: f64,
    },
    /// A number of orders that cannot be written.
    #[error("{orders} sales orders cannot be written: keys are integers, so it is 1 to {most}")]
    BadOrders {
        /// What was asked for.
        orders: u64,
        /// The greatest number there can be.
        most: u64,
    },
}

impl SimulateError {
    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connection(source) => source.hint(),
            Self::Statement { source, .. } => source.hint(),
            Self::Answer { .. } => Some("check that the tables are those of Totesys".to_owned()),
            Self::PartOfSource { .. } => {
                Some("name the database and schema of a Totesys, or an empty database".to_owned())
            }
            Self::NotEmpty { .. } => Some("name an empty database, or leave --orders out".to_owned()),
            Self::NothingToReferTo { .. } => {
                Some("import a snapshot first, or begin with an empty database".to_owned())
            }
            Self::UnknownRate { .. } => {
                let names: Vec<&str> = Rates::NAMES.iter().map(|(name, _)| *name).collect();
                Some(format!("rates are {}", names.join(", ")))
            }
            Self::BadRate { .. } => None,
            Self::BadOrders { .. } => Some("ask for fewer".to_owned()),
        }
    }
}
