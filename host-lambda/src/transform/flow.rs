//! Rows through a component: files are read, rows transformed and files written at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::Value;
use star_contract::{Delivery, Description, Input, MAX_PUSH_BYTES, MAX_PUSH_ROWS};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use totesys_lake::{
    BatchNumber, Bucket, DEFAULT_PART_BYTES, FileEntry, Lake, Micros, ParquetRoller, Part, PartSpec, TableEntry,
    TableOutput, keys, read_parquet,
};
use totesys_sandbox::{Loaded, Produced as Given};

use super::in_described_order;
use crate::{HostError, Observer, Stage, quarantine};

/// Batches that may wait between two steps.
const QUEUE: usize = 4;

/// An IPC stream is a little larger than its columns: this much is left for its messages.
const IPC_SLACK: usize = 64 * 1024;

/// What a component made of a batch.
#[derive(Default)]
pub(super) struct Produced {
    pub(super) outputs: Vec<TableOutput>,
    /// Reason code and quarantine line of each refused row.
    pub(super) refused: Vec<(String, Value)>,
}

/// One star's batch on its way through.
pub(super) struct Flow {
    pub(super) lake: Arc<Lake>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) description: Arc<Description>,
    pub(super) digest: String,
    pub(super) batch: BatchNumber,
    pub(super) taken_at: Micros,
}

/// Rows of one input, small enough for one push.
struct Pushable {
    input: usize,
    rows: RecordBatch,
}

impl Flow {
    /// `tables` stand in the order of the description's inputs.
    pub(super) async fn run(self, component: Arc<Loaded>, tables: Vec<TableEntry>) -> Result<Produced, HostError> {
        let flow = Arc::new(self);
        let runtime = Handle::current();
        let (push, pushes) = mpsc::channel(QUEUE);
        let (give, given) = mpsc::channel(QUEUE);
        let reader = tokio::task::spawn_blocking({
            let (flow, runtime) = (Arc::clone(&flow), runtime.clone());
            move || flow.read(&runtime, &tables, &push)
        });
        let transformer = tokio::task::spawn_blocking({
            let flow = Arc::clone(&flow);
            move || flow.transform(&component, pushes, &give)
        });
        let writer = tokio::task::spawn_blocking({
            let flow = Arc::clone(&flow);
            move || flow.write(&runtime, given)
        });
        let (read, transformed, written) = tokio::join!(reader, transformer, writer);
        // Whoever fails makes its neighbours stop quietly, so exactly one of these has something to say.
        read.map_err(|_| HostError::Worker)??;
        let refused = transformed.map_err(|_| HostError::Worker)??;
        let outputs = written.map_err(|_| HostError::Worker)??;
        Ok(Produced { outputs: in_described_order(outputs, &flow.description), refused })
    }

    /// Snapshots first, in described order, then changes.
    fn read(&self, runtime: &Handle, tables: &[TableEntry], push: &mpsc::Sender<Pushable>) -> Result<(), HostError> {
        for delivery in [Delivery::Snapshot, Delivery::Changes] {
            for (index, input) in self.description.inputs.iter().enumerate() {
                if input.delivery != delivery {
                    continue;
                }
                for file in &tables[index].files {
                    if !self.read_file(runtime, index, input, file, push)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// False when nobody takes the rows any more.
    fn read_file(
        &self,
        runtime: &Handle,
        index: usize,
        input: &Input,
        file: &FileEntry,
        push: &mpsc::Sender<Pushable>,
    ) -> Result<bool, HostError> {
        let bytes = runtime.block_on(self.lake.read_file(Bucket::Ingestion, file))?;
        for rows in read_parquet(bytes, &input.columns, MAX_PUSH_ROWS)? {
            let mut pending = vec![rows?];
            while let Some(rows) = pending.pop() {
                if rows.num_rows() > 1 && pushed_bytes(&rows) > MAX_PUSH_BYTES - IPC_SLACK {
                    let half = rows.num_rows() / 2;
                    pending.push(rows.slice(half, rows.num_rows() - half));
                    pending.push(rows.slice(0, half));
                } else if push.blocking_send(Pushable { input: index, rows }).is_err() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn transform(
        &self,
        component: &Loaded,
        mut pushes: mpsc::Receiver<Pushable>,
        give: &mpsc::Sender<(String, RecordBatch)>,
    ) -> Result<Vec<(String, Value)>, HostError> {
        let mut transformer = component.begin(self.batch.0, Arc::clone(&self.description))?;
        let mut refused = Vec::new();
        // A row of a snapshot may be refused later than by its own push, so its push is kept.
        let mut kept: Vec<Option<RecordBatch>> = Vec::new();
        let mut accept = |given: Given, kept: &[Option<RecordBatch>]| {
            for refusal in given.refused {
                if let Some(Some(rows)) = kept.get(refusal.push as usize) {
                    refused.push((refusal.code.clone(), quarantine::refused(&refusal, rows)));
                }
            }
            given.outputs.into_iter().all(|output| give.blocking_send(output).is_ok())
        };
        while let Some(Pushable { input, rows }) = pushes.blocking_recv() {
            let input = &self.description.inputs[input];
            let given = transformer.push(&input.table, &rows)?;
            self.observer.passed(Stage::Transform, &input.table, rows.num_rows() as u64, 0);
            kept.push(Some(rows));
            if !accept(given, &kept) {
                return Ok(Vec::new());
            }
            if input.delivery == Delivery::Changes
                && let Some(last) = kept.last_mut()
            {
                *last = None;
            }
        }
        accept(transformer.finish()?, &kept);
        Ok(refused)
    }

    fn write(
        &self,
        runtime: &Handle,
        mut given: mpsc::Receiver<(String, RecordBatch)>,
    ) -> Result<Vec<TableOutput>, HostError> {
        let mut tables: BTreeMap<String, (ParquetRoller, TableOutput)> = BTreeMap::new();
        while let Some((table, rows)) = given.blocking_recv() {
            if !tables.contains_key(&table) {
                let Some(started) = self.start(&table) else { continue };
                tables.insert(table.clone(), started);
            }
            let Some((roller, output)) = tables.get_mut(&table) else { continue };
            if let Some(part) = roller.push(&rows)? {
                self.store(runtime, part, output)?;
            }
        }
        let mut outputs = Vec::new();
        for (roller, mut output) in tables.into_values() {
            if let Some(part) = roller.finish()? {
                self.store(runtime, part, &mut output)?;
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    fn start(&self, table: &str) -> Option<(ParquetRoller, TableOutput)> {
        let described = self.description.output(table)?;
        let metadata = BTreeMap::from([
            ("batch".to_owned(), self.batch.0.to_string()),
            ("component".to_owned(), self.digest.clone()),
            ("contract".to_owned(), star_contract::CONTRACT_VERSION.to_owned()),
        ]);
        let spec = PartSpec { keys: described.business_key.clone(), metadata };
        let roller = ParquetRoller::new(&described.columns, spec, DEFAULT_PART_BYTES);
        Some((roller, TableOutput { table: table.to_owned(), role: described.role, rows: 0, files: Vec::new() }))
    }

    fn store(&self, runtime: &Handle, part: Part, output: &mut TableOutput) -> Result<(), HostError> {
        let number = u32::try_from(output.files.len()).unwrap_or(u32::MAX);
        let star = &self.description.star;
        let key = keys::transformed(&output.table, self.taken_at, self.batch, star, &self.digest, number)?;
        let file = runtime.block_on(self.lake.put_part(Bucket::TransformedData, key, &output.table, part))?;
        output.rows += file.rows;
        output.files.push(file);
        Ok(())
    }
}

/// About what these rows take as an IPC stream; a slice counts as what it shows.
fn pushed_bytes(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX / 1024)).sum()
}
