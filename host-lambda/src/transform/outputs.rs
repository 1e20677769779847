//! What a component gave, table by table, into files.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use tokio::runtime::Handle;
use totesys_failpoint as failpoint;
use totesys_lake::{BatchNumber, Bucket, DEFAULT_PART_BYTES, ParquetRoller, Part, PartSpec, TableOutput, keys};

use super::flow::Flow;
use super::in_described_order;
use crate::HostError;

/// Files of output rows as they come.
pub(super) struct Outputs<'a> {
    place: Place<'a>,
    tables: BTreeMap<String, (ParquetRoller, TableOutput)>,
}

/// Where the files go.
struct Place<'a> {
    flow: &'a Flow,
    runtime: &'a Handle,
    /// Set when the rows were refused in an earlier batch: which, and whether newer versions have overtaken them.
    observed: Option<(BatchNumber, bool)>,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(flow: &'a Flow, runtime: &'a Handle, observed: Option<(BatchNumber, bool)>) -> Self {
        Self { place: Place { flow, runtime, observed }, tables: BTreeMap::new() }
    }

    /// Adds rows of one table; a part that they fill is stored.
    pub(super) fn push(&mut self, table: &str, rows: &RecordBatch) -> Result<(), HostError> {
        if !self.tables.contains_key(table) {
            let Some(started) = self.place.start(table) else { return Ok(()) };
            self.tables.insert(table.to_owned(), started);
        }
        let Some((roller, output)) = self.tables.get_mut(table) else { return Ok(()) };
        match roller.push(rows)? {
            Some(part) => self.place.store(part, output),
            None => Ok(()),
        }
    }

    /// Stores what is left, and lists everything in described order, so that a load meets dimensions before facts.
    pub(super) fn finish(self) -> Result<Vec<TableOutput>, HostError> {
        let mut outputs = Vec::new();
        for (roller, mut output) in self.tables.into_values() {
            if let Some(part) = roller.finish()? {
                self.place.store(part, &mut output)?;
            }
            outputs.push(output);
        }
        Ok(in_described_order(outputs, &self.place.flow.description))
    }
}

impl Place<'_> {
    fn start(&self, table: &str) -> Option<(ParquetRoller, TableOutput)> {
        let described = self.flow.description.output(table)?;
        let metadata = BTreeMap::from([
            ("batch".to_owned(), self.flow.batch.0.to_string()),
            ("component".to_owned(), self.flow.digest.clone()),
            ("contract".to_owned(), self.flow.contract.clone()),
        ]);
        let spec = PartSpec { keys: described.business_key.clone(), metadata };
        let roller = ParquetRoller::new(&described.columns, spec, DEFAULT_PART_BYTES);
        Some((roller, TableOutput { table: table.to_owned(), role: described.role, rows: 0, files: Vec::new() }))
    }

    fn store(&self, part: Part, output: &mut TableOutput) -> Result<(), HostError> {
        let number = u32::try_from(output.files.len()).unwrap_or(u32::MAX);
        let Flow { description, digest, generation, batch, taken_at, lake, .. } = self.flow;
        let component = (digest.as_str(), *generation);
        let (table, star) = (&output.table, &description.star);
        let key = match self.observed {
            None => keys::transformed(table, *taken_at, *batch, star, component, number)?,
            Some(observed) => keys::released(table, *taken_at, *batch, star, component, observed, number)?,
        };
        let file = self.runtime.block_on(lake.put_part(Bucket::TransformedData, key, table, part))?;
        failpoint::pass("transform:part-stored");
        output.rows += file.rows;
        output.files.push(file);
        Ok(())
    }
}
