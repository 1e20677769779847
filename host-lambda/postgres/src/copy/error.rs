//! Streams and batches that cannot be translated at all.

use arrow_schema::{ArrowError, DataType};

/// A stream or a batch that cannot be translated; no message quotes a value.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It does not start as a binary COPY stream.
    #[error("this is no binary COPY stream")]
    Signature,
    /// The header asks for something unknown.
    #[error("the binary COPY stream's header has unknown flags {flags:#010x}")]
    Flags {
        /// The flags of the header.
        flags: u32,
    },
    /// A row has another number of fields than there are columns.
    #[error("row {row} has {found} fields instead of {expected}")]
    FieldCount {
        /// The row, from 0.
        row: u64,
        /// The number of columns.
        expected: usize,
        /// The number of fields.
        found: i16,
    },
    /// A field's length does not suit its type.
    #[error("row {row}, column `{column}`: a field of {length} bytes is no {expected}")]
    FieldLength {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: String,
        /// The field's length.
        length: i64,
        /// The column's type.
        expected: String,
    },
    /// A field's bytes are no value of its type.
    #[error("row {row}, column `{column}`: {problem}")]
    Malformed {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A text column is not UTF-8.
    #[error("column `{column}` holds bytes that are no UTF-8")]
    NotUtf8 {
        /// The column.
        column: String,
        /// What Arrow said.
        #[source]
        source: ArrowError,
    },
    /// The stream ends within a row or before the trailer.
    #[error("the binary COPY stream ends early, after {rows} rows")]
    Truncated {
        /// Whole rows before the end.
        rows: u64,
    },
    /// Something follows the trailer.
    #[error("the binary COPY stream goes on after its end")]
    AfterEnd,
    /// More columns than a row can have.
    #[error("{columns} columns are more than a COPY row can have")]
    TooManyColumns {
        /// How many.
        columns: usize,
    },
    /// A batch has other columns than those it is encoded as.
    #[error("the batch has {found} columns instead of {expected}")]
    ColumnCount {
        /// The number of columns expected.
        expected: usize,
        /// The number in the batch.
        found: usize,
    },
    /// A column of a batch has another name or type.
    #[error("column {position} of the batch is `{found_name}` ({found}) instead of `{column}` ({expected})")]
    ColumnType {
        /// Its position, from 0.
        position: usize,
        /// The name it should have.
        column: String,
        /// The type it should have.
        expected: DataType,
        /// The name it has.
        found_name: String,
        /// The type it has.
        found: DataType,
    },
    /// A column that is not nullable holds a NULL.
    #[error("column `{column}` holds a NULL and is not nullable")]
    UnexpectedNull {
        /// The column.
        column: String,
    },
    /// The numbers given to rows do not fit their type.
    #[error("the row numbers from {first} on do not fit their integer type")]
    RowNumbers {
        /// The first number.
        first: i64,
    },
    /// Arrow refused columns that were put together here.
    #[error("the columns do not make a batch")]
    Arrow(#[from] ArrowError),
}

impl CodecError {
    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::FieldCount { .. } | Self::FieldLength { .. } => {
                "the table's columns changed, or its types are not the described ones"
            }
            Self::Truncated { .. } => "the connection ended early: try again",
            Self::NotUtf8 { .. } => "the session's client_encoding must be UTF8",
            Self::UnexpectedNull { .. } | Self::ColumnCount { .. } | Self::ColumnType { .. } => {
                "the component's output is not what it described"
            }
            Self::RowNumbers { .. } => "the record ids are used up: the surrogate key needs a wider type",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
