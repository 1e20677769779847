//! What a star gave back for a case.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use star_contract::{Outcome, OutputBatch, RefusedRow};

use crate::{Case, CaseError};

/// A refused row, in the page's own terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The input table.
    pub table: String,
    /// The row, from 1, within all rows of that input on the page.
    pub row: usize,
    /// The column at fault, if it is one.
    pub column: Option<String>,
    /// The reason's code.
    pub code: String,
    /// The reason for people, which is shown and not compared.
    pub text: String,
}

/// All that a star gave back for a case: the sum of its outcomes, one per push and one for the end.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    outputs: BTreeMap<String, Vec<RecordBatch>>,
    refused: Vec<Refusal>,
}

impl Answer {
    /// Adds what one push of the case, or its end, gave back.
    ///
    /// # Errors
    /// When it is not what the star's description allows, or refuses a row that was not pushed.
    pub fn add(&mut self, case: &Case, outcome: Outcome) -> Result<(), CaseError> {
        for output in outcome.outputs {
            let batches = read(case, &output)?;
            self.outputs.entry(output.table).or_default().extend(batches);
        }
        for row in outcome.refused {
            self.refused.push(refusal(case, row)?);
        }
        Ok(())
    }

    /// The rows given to an output table, with its described columns.
    #[must_use]
    pub fn rows(&self, table: &str) -> &[RecordBatch] {
        self.outputs.get(table).map_or(&[], Vec::as_slice)
    }

    /// The refused rows, in the order they were refused.
    #[must_use]
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }
}

fn broken(case: &Case, table: &str, problem: &'static str) -> CaseError {
    CaseError::Answer { page: case.name.clone(), table: table.to_owned(), problem }
}

fn read(case: &Case, given: &OutputBatch) -> Result<Vec<RecordBatch>, CaseError> {
    let output = case.description.output(&given.table);
    let output = output.ok_or_else(|| broken(case, &given.table, "it is no output"))?;
    let schema = output.schema();
    let mut batches = Vec::new();
    for batch in StreamReader::try_new(Cursor::new(given.arrow_ipc.as_slice()), None)? {
        let batch = batch?;
        let found = batch.schema();
        let found = found.fields().iter().map(|field| (field.name(), field.data_type()));
        if !found.eq(schema.fields().iter().map(|field| (field.name(), field.data_type()))) {
            return Err(broken(case, &given.table, "other columns or types are described"));
        }
        let rows = RecordBatch::try_new(schema.clone(), batch.columns().to_vec());
        batches.push(rows.map_err(|_| broken(case, &given.table, "a column that takes no NULL has one"))?);
    }
    Ok(batches)
}

fn refusal(case: &Case, refused: RefusedRow) -> Result<Refusal, CaseError> {
    let push = usize::try_from(refused.push).ok().and_then(|push| case.pushes.get(push));
    let push = push.ok_or_else(|| broken(case, &refused.table, "it refuses a row of a push that was not made"))?;
    let row = usize::try_from(refused.row).ok().filter(|row| *row < push.rows.num_rows());
    match row {
        Some(row) if push.table == refused.table => Ok(Refusal {
            table: refused.table,
            row: push.before + row + 1,
            column: refused.column,
            code: refused.code,
            text: refused.text,
        }),
        _ => Err(broken(case, &refused.table, "it refuses a row that was not pushed")),
    }
}
