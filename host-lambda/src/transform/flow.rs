//! Rows through a component: files are read, rows transformed and files written at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use star_contract::{Delivery, Description, Input, MAX_PUSH_BYTES, MAX_PUSH_ROWS};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use totesys_failpoint as failpoint;
use totesys_lake::{
    Attempt, BatchNumber, Bucket, DEFAULT_PART_BYTES, FileEntry, Lake, Micros, ParquetRoller, Part, PartSpec,
    TableEntry, TableOutput, keys, read_parquet,
};
use totesys_sandbox::{Loaded, Produced as Given};
use tracing::{Span, info_span};

use super::in_described_order;
use crate::quarantine::{self, Quarantine};
use crate::{HostError, Observer, Stage};

/// Batches that may wait between two steps.
const QUEUE: usize = 4;

/// An IPC stream is a little larger than its columns: this much is left for its messages.
const IPC_SLACK: usize = 64 * 1024;

/// What a component made of a batch.
#[derive(Default)]
pub(super) struct Produced {
    pub(super) outputs: Vec<TableOutput>,
    /// Refused rows by reason.
    pub(super) refused_by_code: BTreeMap<String, u64>,
    /// The files that keep them.
    pub(super) quarantine: Vec<FileEntry>,
}

/// One star's batch on its way through.
pub(super) struct Flow {
    pub(super) lake: Arc<Lake>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) description: Arc<Description>,
    pub(super) digest: String,
    pub(super) batch: BatchNumber,
    pub(super) taken_at: Micros,
    pub(super) attempt: Attempt,
}

/// What goes from one step to the next. A channel that closes without `End` belongs to a step that failed: what came
/// through it is part of a whole that does not exist, and must not be finished.
enum Step<T> {
    Rows(T),
    End,
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
            let (flow, runtime, span) = (Arc::clone(&flow), runtime.clone(), Span::current());
            move || span.in_scope(|| flow.read(&runtime, &tables, &push))
        });
        let transformer = tokio::task::spawn_blocking({
            let (flow, runtime, span) = (Arc::clone(&flow), runtime.clone(), Span::current());
            move || span.in_scope(|| flow.transform(&runtime, &component, pushes, &give))
        });
        let writer = tokio::task::spawn_blocking({
            let (flow, span) = (Arc::clone(&flow), Span::current());
            move || span.in_scope(|| flow.write(&runtime, given))
        });
        let (read, transformed, written) = tokio::join!(reader, transformer, writer);
        // Whoever fails makes its neighbours stop quietly, so exactly one of these has something to say.
        read.map_err(|_| HostError::Worker)??;
        let (refused_by_code, quarantine) = transformed.map_err(|_| HostError::Worker)??;
        let outputs = written.map_err(|_| HostError::Worker)??;
        Ok(Produced { outputs: in_described_order(outputs, &flow.description), refused_by_code, quarantine })
    }

    /// Snapshots first, in described order, then changes.
    fn read(
        &self,
        runtime: &Handle,
        tables: &[TableEntry],
        push: &mpsc::Sender<Step<Pushable>>,
    ) -> Result<(), HostError> {
        for delivery in [Delivery::Snapshot, Delivery::Changes] {
            for (index, input) in self.description.inputs.iter().enumerate() {
                if input.delivery != delivery {
                    continue;
                }
                let table = &tables[index];
                let bytes: u64 = table.files.iter().map(|file| file.bytes).sum();
                let _table = info_span!("table", table = input.table, rows = table.rows, bytes).entered();
                for file in &table.files {
                    if !self.read_file(runtime, index, input, file, push)? {
                        return Ok(());
                    }
                }
            }
        }
        // Whether anybody still listens is the listener's to say.
        let _ = push.blocking_send(Step::End);
        Ok(())
    }

    /// False when nobody takes the rows any more.
    fn read_file(
        &self,
        runtime: &Handle,
        index: usize,
        input: &Input,
        file: &FileEntry,
        push: &mpsc::Sender<Step<Pushable>>,
    ) -> Result<bool, HostError> {
        let bytes = runtime.block_on(self.lake.read_file(Bucket::Ingestion, file))?;
        for rows in read_parquet(bytes, &input.columns, MAX_PUSH_ROWS)? {
            let mut pending = vec![rows?];
            while let Some(rows) = pending.pop() {
                if rows.num_rows() > 1 && pushed_bytes(&rows) > MAX_PUSH_BYTES - IPC_SLACK {
                    let half = rows.num_rows() / 2;
                    pending.push(rows.slice(half, rows.num_rows() - half));
                    pending.push(rows.slice(0, half));
                } else if push.blocking_send(Step::Rows(Pushable { input: index, rows })).is_err() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn transform(
        &self,
        runtime: &Handle,
        component: &Loaded,
        mut pushes: mpsc::Receiver<Step<Pushable>>,
        give: &mpsc::Sender<Step<(String, RecordBatch)>>,
    ) -> Result<(BTreeMap<String, u64>, Vec<FileEntry>), HostError> {
        let mut transformer = component.begin(self.batch.0, Arc::clone(&self.description))?;
        let mut refused_by_code = BTreeMap::new();
        let star = &self.description.star;
        let mut quarantine = Quarantine::new(&self.lake, Bucket::TransformedData, star, self.batch, &self.attempt);
        // A row of a snapshot may be refused later than by its own push, so its push is kept.
        let mut kept: Vec<Option<RecordBatch>> = Vec::new();
        let mut accept = |given: Given, kept: &[Option<RecordBatch>]| -> Result<bool, HostError> {
            for refusal in given.refused {
                if let Some(Some(rows)) = kept.get(refusal.push as usize) {
                    runtime.block_on(quarantine.add(&quarantine::refused(&refusal, rows)))?;
                    *refused_by_code.entry(refusal.code).or_insert(0) += 1;
                }
            }
            Ok(given.outputs.into_iter().all(|output| give.blocking_send(Step::Rows(output)).is_ok()))
        };
        let nothing = || Ok((BTreeMap::new(), Vec::new()));
        loop {
            let Pushable { input, rows } = match pushes.blocking_recv() {
                Some(Step::Rows(pushable)) => pushable,
                Some(Step::End) => break,
                None => return nothing(),
            };
            let input = &self.description.inputs[input];
            let given = transformer.push(&input.table, &rows)?;
            self.observer.passed(Stage::Transform, &input.table, rows.num_rows() as u64, pushed_bytes(&rows) as u64);
            kept.push(Some(rows));
            if !accept(given, &kept)? {
                return nothing();
            }
            if input.delivery == Delivery::Changes
                && let Some(last) = kept.last_mut()
            {
                *last = None;
            }
        }
        if accept(transformer.finish()?, &kept)? {
            let _ = give.blocking_send(Step::End);
        }
        Ok((refused_by_code, runtime.block_on(quarantine.finish())?))
    }

    fn write(
        &self,
        runtime: &Handle,
        mut given: mpsc::Receiver<Step<(String, RecordBatch)>>,
    ) -> Result<Vec<TableOutput>, HostError> {
        let mut tables: BTreeMap<String, (ParquetRoller, TableOutput)> = BTreeMap::new();
        loop {
            let (table, rows) = match given.blocking_recv() {
                Some(Step::Rows(rows)) => rows,
                Some(Step::End) => break,
                // Full parts that were stored are what the next attempt stores as well; the rest is no part.
                None => return Ok(Vec::new()),
            };
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
        failpoint::pass("transform:part-stored");
        output.rows += file.rows;
        output.files.push(file);
        Ok(())
    }
}

/// About what these rows take as an IPC stream; a slice counts as what it shows.
fn pushed_bytes(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX / 1024)).sum()
}
