//! What a push or a finish gives back.

/// Rows for one output table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBatch {
    /// The output's table.
    pub table: String,
    /// One Arrow IPC stream.
    pub arrow_ipc: Vec<u8>,
}

/// A row the component could not transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The input table.
    pub table: String,
    /// Which push of this transformer, from 0.
    pub push: u32,
    /// The row within that push, from 0.
    pub row: u32,
    /// The column at fault, if it is one.
    pub column: Option<String>,
    /// A short constant: safe to log and count.
    pub code: String,
    /// For people; may quote the row, so it is row data.
    pub text: String,
}

/// What a push or a finish gives back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows for the warehouse.
    pub outputs: Vec<OutputBatch>,
    /// Rows that could not be transformed.
    pub refused: Vec<RefusedRow>,
}
