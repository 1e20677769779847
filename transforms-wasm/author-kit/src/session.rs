//! One batch of one star: Arrow IPC in, Arrow IPC out, the same natively and in the sandbox.

use crate::transform::Sink;
use crate::{Description, KitError, Outcome, OutputBatch, RefusedRow, Rows, Transform, ipc};

/// Runs a star's transform over one batch.
pub struct Session {
    star: Box<dyn Transform>,
    pushes: u32,
}

impl Session {
    /// Starts a batch.
    #[must_use]
    pub fn new(star: Box<dyn Transform>) -> Self {
        Self { star, pushes: 0 }
    }

    /// What the star reads and writes.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.star.description()
    }

    /// Takes one record batch of one input as an Arrow IPC stream.
    ///
    /// # Errors
    /// When the stream is not what the star described, or the star gives up.
    pub fn push(&mut self, table: &str, arrow_ipc: Vec<u8>) -> Result<Outcome, KitError> {
        let input = self.star.description().input(table).ok_or_else(|| KitError::UnknownInput(table.to_owned()))?;
        let batch = ipc::read(arrow_ipc)?;
        if !same_columns(&batch.schema(), &input.schema()) {
            return Err(KitError::Schema { table: table.to_owned() });
        }
        let push = self.pushes;
        self.pushes += 1;
        let mut sink = Sink::default();
        self.star.push(&Rows::new(table, batch), &mut sink)?;
        outcome(sink, table, push)
    }

    /// Ends the batch.
    ///
    /// # Errors
    /// When the star gives up.
    pub fn finish(&mut self) -> Result<Outcome, KitError> {
        let mut sink = Sink::default();
        self.star.finish(&mut sink)?;
        outcome(sink, "", self.pushes)
    }
}

fn same_columns(found: &arrow_schema::Schema, described: &arrow_schema::Schema) -> bool {
    found.fields().len() == described.fields().len()
        && found
            .fields()
            .iter()
            .zip(described.fields())
            .all(|(found, described)| found.name() == described.name() && found.data_type() == described.data_type())
}

fn outcome(sink: Sink, table: &str, push: u32) -> Result<Outcome, KitError> {
    let outputs = sink
        .outputs
        .into_iter()
        .map(|(table, batch)| Ok(OutputBatch { table, arrow_ipc: ipc::write(&batch)? }))
        .collect::<Result<_, KitError>>()?;
    let refused = sink
        .refused
        .into_iter()
        .map(|refusal| RefusedRow {
            table: table.to_owned(),
            push,
            row: u32::try_from(refusal.row).unwrap_or(u32::MAX),
            column: refusal.column,
            code: refusal.code.to_owned(),
            text: refusal.text,
        })
        .collect();
    Ok(Outcome { outputs, refused })
}
