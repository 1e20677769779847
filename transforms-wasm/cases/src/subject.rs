//! What a case is run against: a star natively, or a component in a sandbox.

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use author_kit::Session;
use star_contract::Outcome;

use crate::{Answer, Case, CaseError, SubjectError};

/// One batch of a star, however it is run.
pub trait Subject {
    /// Takes a push as the contract has it: an Arrow IPC stream of so many rows.
    ///
    /// # Errors
    /// When the star fails as a whole.
    fn push(&mut self, table: &str, stream: Vec<u8>, rows: usize) -> Result<Outcome, SubjectError>;

    /// Ends the batch.
    ///
    /// # Errors
    /// As for `push`.
    fn finish(&mut self) -> Result<Outcome, SubjectError>;
}

impl Subject for Session {
    fn push(&mut self, table: &str, stream: Vec<u8>, _rows: usize) -> Result<Outcome, SubjectError> {
        Ok(Session::push(self, table, stream)?)
    }

    fn finish(&mut self) -> Result<Outcome, SubjectError> {
        Ok(Session::finish(self)?)
    }
}

impl Case {
    /// Makes the case's pushes, ends the batch and gathers what comes back.
    ///
    /// # Errors
    /// When the subject fails or answers what the description does not allow.
    pub fn run(&self, subject: &mut dyn Subject) -> Result<Answer, CaseError> {
        let failed = |call: String| |source| CaseError::Subject { page: self.name.clone(), call, source };
        let mut answer = Answer::default();
        for (table, rows) in self.pushes() {
            let outcome = subject.push(table, stream(rows)?, rows.num_rows());
            answer.add(self, outcome.map_err(failed(format!("the push of `{table}`")))?)?;
        }
        answer.add(self, subject.finish().map_err(failed("finish".to_owned()))?)?;
        Ok(answer)
    }
}

fn stream(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
    writer.write(rows)?;
    writer.into_inner()
}
