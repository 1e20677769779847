//! Why a push or a finish failed as a whole.

use arrow_schema::ArrowError;

/// A failure of the whole batch, as opposed to a refused row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The host pushed a table that was not described.
    #[error("table `{0}` is no input of this star")]
    UnknownInput(String),
    /// The host pushed columns other than the described ones.
    #[error("the rows of `{table}` do not have the described columns")]
    Schema {
        /// The input table.
        table: String,
    },
    /// A push that does not hold exactly one record batch.
    #[error("a push holds {0} record batches instead of one")]
    NotOneBatch(usize),
    /// The code asks for a column that the input does not have with that type.
    #[error("table `{table}` has no column `{column}` of the type asked for")]
    Column {
        /// The input table.
        table: String,
        /// The column asked for.
        column: String,
    },
    /// The Arrow data could not be read or built.
    #[error("arrow: {0}")]
    Arrow(#[from] ArrowError),
}
