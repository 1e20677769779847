//! What a star implements.

use arrow_array::RecordBatch;

use crate::{Description, KitError, Rows};

/// A star's transform: one value per batch.
pub trait Transform {
    /// What the star reads and writes: always the same answer.
    fn description(&self) -> &Description;

    /// Takes the rows of one push.
    ///
    /// # Errors
    /// Only for what makes the whole batch useless; a bad row is refused through `out`.
    fn push(&mut self, rows: &Rows, out: &mut Sink) -> Result<(), KitError>;

    /// Called once, after the last push.
    ///
    /// # Errors
    /// As for `push`.
    fn finish(&mut self, _out: &mut Sink) -> Result<(), KitError> {
        Ok(())
    }
}

/// Where output rows and refused rows go.
#[derive(Default)]
pub struct Sink {
    pub(crate) outputs: Vec<(String, RecordBatch)>,
    pub(crate) refused: Vec<Refusal>,
}

pub(crate) struct Refusal {
    pub(crate) row: usize,
    pub(crate) column: Option<String>,
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl Sink {
    /// Gives rows to an output table. Empty batches are dropped.
    pub fn emit(&mut self, table: &str, rows: RecordBatch) {
        if rows.num_rows() > 0 {
            self.outputs.push((table.to_owned(), rows));
        }
    }

    /// Refuses a row of the current push: it goes to quarantine with this reason.
    ///
    /// `code` is short and constant (it is logged and counted); `text` is for people and may quote the row.
    pub fn refuse(&mut self, row: usize, column: Option<&str>, code: &'static str, text: impl Into<String>) {
        self.refused.push(Refusal { row, column: column.map(str::to_owned), code, text: text.into() });
    }
}
