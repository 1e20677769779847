//! Rows that were refused in earlier batches, offered to the component again.
//!
//! Each observed batch gets a transformer of its own, with the snapshots of the batch at hand and the open rows as its
//! changes, so that what comes out belongs to the batch that observed it. A component that fails on them fails
//! nothing else: they stay open.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::RecordBatch;
use star_contract::{Column, Delivery, Input, MAX_PUSH_ROWS};
use tokio::runtime::Handle;
use totesys_lake::{BatchNumber, Bucket, OpenRow, OpenRows, Released, TableEntry, TableOutput, sha256_hex};
use totesys_sandbox::{Loaded, Transformer};
use tracing::Span;

use super::flow::Flow;
use super::outputs::Outputs;
use super::overtaken::{self, Taken};
use super::pushes::{fits, pieces};
use super::refusals::{ROW_TOO_LARGE, RefusedChange};
use crate::HostError;
use crate::open_file::wanted_rows;
use crate::row_key::RowKeys;

/// The queue of open rows after a batch.
#[derive(Default)]
pub(super) struct Queue {
    /// What is still refused, in the order observed.
    pub(super) open: Vec<OpenRows>,
    /// What was taken now.
    pub(super) released: Vec<Released>,
    /// How many rows were taken now.
    pub(super) released_rows: u64,
    /// How many rows were offered.
    pub(super) offered_rows: u64,
}

/// What open rows are offered under: component and snapshots. Under the same a component answers the same.
pub(super) fn basis(digest: &str, inputs: &[Input], tables: &[TableEntry]) -> String {
    let snapshots = inputs.iter().zip(tables).filter(|(input, _)| input.delivery == Delivery::Snapshot);
    let files = snapshots.flat_map(|(input, table)| table.files.iter().map(move |file| (&input.table, &file.sha256)));
    let text: String = files.map(|(table, sha256)| format!("\n{sha256} {table}")).collect();
    sha256_hex(format!("{digest}{text}").as_bytes())
}

/// Takes the queue through a batch: offers it to `component`, if it is due, and marks what the batch has overtaken.
pub(super) async fn advance(
    flow: &Arc<Flow>,
    component: Option<Arc<Loaded>>,
    tables: Vec<TableEntry>,
    open: Vec<OpenRows>,
    refused: Vec<RefusedChange>,
) -> Result<Queue, HostError> {
    if open.is_empty() {
        return Ok(Queue::default());
    }
    let (flow, runtime, span) = (Arc::clone(flow), Handle::current(), Span::current());
    let work = move || {
        let (mut queue, taken) = match component {
            Some(component) => offer(&flow, &runtime, &component, &tables, &open)?,
            None => (Queue { open, ..Queue::default() }, Taken::new()),
        };
        queue.open = overtaken::mark(&flow, &runtime, &tables, &refused, &taken, queue.open)?;
        Ok(queue)
    };
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|_| HostError::Worker)?
}

fn offer(
    flow: &Flow,
    runtime: &Handle,
    component: &Loaded,
    tables: &[TableEntry],
    open: &[OpenRows],
) -> Result<(Queue, Taken), HostError> {
    let offering = Offering { flow, runtime, component, snapshots: snapshots(flow, runtime, tables)? };
    let (mut queue, mut taken) = (Queue::default(), Taken::new());
    for group in open.chunk_by(|a, b| a.batch == b.batch) {
        let Some(OpenRows { batch, observed_at, .. }) = group.first() else { continue };
        let mut left: Vec<BTreeMap<u32, OpenRow>> =
            group.iter().map(|entry| entry.rows().map(|row| (row.row, row)).collect()).collect();
        for overtaken in [true, false] {
            let answer = match offering.answer(group, *batch, overtaken) {
                Err(HostError::Sandbox(error)) => {
                    tracing::warn!(observed = batch.0, %error, "refused rows could not be offered again");
                    continue;
                }
                answer => answer?,
            };
            queue.offered_rows += answer.offered;
            for (entry, rows) in answer.rows {
                for (row, code) in rows.refused {
                    left[entry].insert(row, OpenRow { row, code, overtaken });
                }
                for (row, key) in rows.taken {
                    left[entry].remove(&row);
                    queue.released_rows += 1;
                    taken.entry(group[entry].table.clone()).or_default().insert(key, *batch);
                }
            }
            if !answer.outputs.is_empty() {
                let (observed_batch, observed_at) = (*batch, *observed_at);
                queue.released.push(Released { observed_batch, observed_at, overtaken, outputs: answer.outputs });
            }
        }
        queue.open.extend(group.iter().zip(left).filter_map(|(entry, left)| entry.with(left.into_values())));
    }
    let still_open: u64 = queue.open.iter().map(OpenRows::count).sum();
    tracing::info!(
        offered = queue.offered_rows,
        released = queue.released_rows,
        still_open,
        "refused rows offered again"
    );
    Ok((queue, taken))
}

/// The snapshots of the batch at hand, as they are pushed before any change.
fn snapshots(flow: &Flow, runtime: &Handle, tables: &[TableEntry]) -> Result<Vec<(String, RecordBatch)>, HostError> {
    let mut snapshots = Vec::new();
    let inputs = flow.description.inputs.iter().zip(tables);
    for (input, table) in inputs.filter(|(input, _)| input.delivery == Delivery::Snapshot) {
        for file in &table.files {
            let read = flow.lake.read_rows(Bucket::Ingestion, file, &input.columns, MAX_PUSH_ROWS);
            for rows in runtime.block_on(read)? {
                let pieces = pieces(rows?).into_iter().filter(|(_, rows)| fits(rows));
                snapshots.extend(pieces.map(|(_, rows)| (input.table.clone(), rows)));
            }
        }
    }
    Ok(snapshots)
}

/// Everything that is the same for all observed batches.
struct Offering<'a> {
    flow: &'a Flow,
    runtime: &'a Handle,
    component: &'a Loaded,
    snapshots: Vec<(String, RecordBatch)>,
}

/// What a component said to the open rows of one observed batch.
#[derive(Default)]
struct Answer {
    /// By the entry's place in its group.
    rows: HashMap<usize, Answered>,
    offered: u64,
    outputs: Vec<TableOutput>,
}

/// What it said to those of one file.
#[derive(Default)]
struct Answered {
    /// Rows refused again, with the reason.
    refused: BTreeMap<u32, String>,
    /// Rows taken, with their keys.
    taken: Vec<(u32, String)>,
}

impl Offering<'_> {
    /// Offers those rows of a group that newer versions have overtaken, or those that none has: what they give goes
    /// different ways in the warehouse.
    fn answer(&self, group: &[OpenRows], batch: BatchNumber, overtaken: bool) -> Result<Answer, HostError> {
        let mut answer = Answer::default();
        let mut begun: Option<(Transformer, u32)> = None;
        let mut outputs = Outputs::new(self.flow, self.runtime, Some((batch, overtaken)));
        let changes = self.flow.description.inputs.iter().filter(|input| input.delivery == Delivery::Changes);
        for input in changes {
            for (index, entry) in group.iter().enumerate().filter(|(_, entry)| entry.table == input.table) {
                let wanted: Vec<u32> =
                    entry.rows().filter(|row| row.overtaken == overtaken).map(|row| row.row).collect();
                let answered = answer.rows.entry(index).or_default();
                for (numbers, rows) in self.open_rows(entry, &input.columns, &wanted)? {
                    answer.offered += numbers.len() as u64;
                    for (at, rows) in pieces(rows) {
                        let numbers = &numbers[at..at + rows.num_rows()];
                        if !fits(&rows) {
                            answered.refused.extend(numbers.iter().map(|row| (*row, ROW_TOO_LARGE.to_owned())));
                            continue;
                        }
                        let (transformer, pushes) = match &mut begun {
                            Some(begun) => begun,
                            none => none.insert(self.begin()?),
                        };
                        let given = transformer.push(&input.table, &rows)?;
                        let own = given.refused.into_iter().filter(|refusal| refusal.push == *pushes);
                        let codes: HashMap<u32, String> = own.map(|refusal| (refusal.row, refusal.code)).collect();
                        *pushes += 1;
                        answered.sort(input, &rows, numbers, codes);
                        given.outputs.iter().try_for_each(|(table, rows)| outputs.push(table, rows))?;
                    }
                }
            }
        }
        if let Some((transformer, _)) = &mut begun {
            let given = transformer.finish()?;
            given.outputs.iter().try_for_each(|(table, rows)| outputs.push(table, rows))?;
        }
        answer.outputs = outputs.finish()?;
        Ok(answer)
    }

    /// A transformer that has the snapshots. What it makes of them alone is the batch's own affair.
    fn begin(&self) -> Result<(Transformer, u32), HostError> {
        let mut transformer = self.component.begin(self.flow.batch.0, Arc::clone(&self.flow.description))?;
        for (table, rows) in &self.snapshots {
            transformer.push(table, rows)?;
        }
        Ok((transformer, u32::try_from(self.snapshots.len()).unwrap_or(u32::MAX)))
    }

    /// The wanted rows of a file, with their places in it. Rows that do not have the columns the component describes
    /// by now cannot be offered.
    fn open_rows(
        &self,
        entry: &OpenRows,
        columns: &[Column],
        wanted: &[u32],
    ) -> Result<Vec<(Vec<u32>, RecordBatch)>, HostError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = self.runtime.block_on(self.flow.lake.read_file(Bucket::TransformedData, &entry.file))?;
        match wanted_rows(&entry.table, bytes, columns, |row| wanted.binary_search(&row).is_ok()) {
            Err(HostError::Lake(error)) => {
                tracing::warn!(table = entry.table, observed = entry.batch.0, %error, "refused rows do not fit any more");
                Ok(Vec::new())
            }
            rows => rows,
        }
    }
}

impl Answered {
    /// Tells the rows of a push that were refused from those that were taken.
    fn sort(&mut self, input: &Input, rows: &RecordBatch, numbers: &[u32], mut codes: HashMap<u32, String>) {
        let keys = RowKeys::of(rows, &input.key);
        for (at, number) in numbers.iter().enumerate() {
            match u32::try_from(at).ok().and_then(|at| codes.remove(&at)) {
                Some(code) => {
                    self.refused.insert(*number, code);
                }
                None => {
                    let mut key = String::new();
                    if let Some(keys) = &keys {
                        keys.write(at, &mut key);
                    }
                    self.taken.push((*number, key));
                }
            }
        }
    }
}
