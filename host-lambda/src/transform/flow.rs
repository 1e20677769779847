//! Rows through a component: files are read, rows transformed and files written at the same time.

use std::sync::Arc;

use arrow_array::RecordBatch;
use star_contract::{Delivery, Description, Input, MAX_PUSH_ROWS};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use totesys_lake::{Attempt, BatchNumber, Bucket, FileEntry, Lake, Micros, TableEntry, TableOutput};
use totesys_sandbox::{Loaded, Produced as Given, Usage};
use tracing::{Span, info_span};

use super::outputs::Outputs;
use super::pushes::{fits, pieces, pushed_bytes};
use super::refusals::{Origin, Refusals, Refused};
use crate::settings::QuarantineSettings;
use crate::{HostError, Observer, Stage};

/// Batches that may wait between two steps.
const QUEUE: usize = 4;

/// What a component made of a batch.
#[derive(Default)]
pub(super) struct Produced {
    pub(super) outputs: Vec<TableOutput>,
    pub(super) refused: Refused,
    pub(super) used: Option<Usage>,
}

/// One star's batch on its way through.
pub(super) struct Flow {
    pub(super) lake: Arc<Lake>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) description: Arc<Description>,
    pub(super) digest: String,
    /// The version of the contract the component was built against.
    pub(super) contract: String,
    /// The generation of the star's transformations that is being written.
    pub(super) generation: u64,
    pub(super) batch: BatchNumber,
    pub(super) taken_at: Micros,
    pub(super) attempt: Attempt,
    /// How much of a batch may be refused.
    pub(super) limits: QuarantineSettings,
}

/// What goes from one step to the next. A channel that closes without `End` belongs to a step that failed: what came
/// through it is part of a whole that does not exist, and must not be finished.
enum Step<T> {
    Rows(T),
    End,
}

/// Rows of one input, small enough for one push; or a single row that is not.
struct Pushable {
    origin: Origin,
    rows: RecordBatch,
}

impl Flow {
    /// `tables` stand in the order of the description's inputs.
    pub(super) async fn run(
        self: &Arc<Self>,
        component: Arc<Loaded>,
        tables: Vec<TableEntry>,
    ) -> Result<Produced, HostError> {
        let flow = self;
        let runtime = Handle::current();
        let delivered = self.delivered(&tables);
        let (push, pushes) = mpsc::channel(QUEUE);
        let (give, given) = mpsc::channel(QUEUE);
        let reader = tokio::task::spawn_blocking({
            let (flow, runtime, span) = (Arc::clone(flow), runtime.clone(), Span::current());
            move || span.in_scope(|| flow.read(&runtime, &tables, &push))
        });
        let transformer = tokio::task::spawn_blocking({
            let (flow, runtime, span) = (Arc::clone(flow), runtime.clone(), Span::current());
            move || span.in_scope(|| flow.transform(&runtime, &component, delivered, pushes, &give))
        });
        let writer = tokio::task::spawn_blocking({
            let (flow, span) = (Arc::clone(flow), Span::current());
            move || span.in_scope(|| flow.write(&runtime, given))
        });
        let (read, transformed, written) = tokio::join!(reader, transformer, writer);
        // Whoever fails makes its neighbours stop quietly, so exactly one of these has something to say.
        read.map_err(|_| HostError::Worker)??;
        let (refused, used) = transformed.map_err(|_| HostError::Worker)??;
        let outputs = written.map_err(|_| HostError::Worker)??;
        Ok(Produced { outputs, refused, used: Some(used) })
    }

    /// How an input is delivered.
    pub(super) fn delivery(&self, input: usize) -> Delivery {
        self.description.inputs[input].delivery
    }

    /// How many rows the tables deliver as changes, and how many as snapshots.
    fn delivered(&self, tables: &[TableEntry]) -> (u64, u64) {
        let of = |delivery| {
            let inputs = self.description.inputs.iter().zip(tables);
            inputs.filter(|(input, _)| input.delivery == delivery).map(|(_, table)| table.rows).sum()
        };
        (of(Delivery::Changes), of(Delivery::Snapshot))
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
                for (number, file) in table.files.iter().enumerate() {
                    let origin = Origin { input: index, file: number, first: 0 };
                    if !self.read_file(runtime, origin, input, file, push)? {
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
        mut origin: Origin,
        input: &Input,
        file: &FileEntry,
        push: &mpsc::Sender<Step<Pushable>>,
    ) -> Result<bool, HostError> {
        let read = self.lake.read_rows(Bucket::Ingestion, file, &input.columns, MAX_PUSH_ROWS);
        for rows in runtime.block_on(read)? {
            for (_, rows) in pieces(rows?) {
                let next = origin.first + rows.num_rows() as u64;
                if push.blocking_send(Step::Rows(Pushable { origin, rows })).is_err() {
                    return Ok(false);
                }
                origin.first = next;
            }
        }
        Ok(true)
    }

    fn transform(
        &self,
        runtime: &Handle,
        component: &Loaded,
        delivered: (u64, u64),
        mut pushes: mpsc::Receiver<Step<Pushable>>,
        give: &mpsc::Sender<Step<(String, RecordBatch)>>,
    ) -> Result<(Refused, Usage), HostError> {
        let mut transformer = component.begin(self.batch.0, Arc::clone(&self.description))?;
        let mut refusals = Refusals::new(self, runtime, delivered);
        let accept = |given: Given, refusals: &mut Refusals<'_>| -> Result<bool, HostError> {
            given.refused.into_iter().try_for_each(|refusal| refusals.add(refusal))?;
            Ok(given.outputs.into_iter().all(|output| give.blocking_send(Step::Rows(output)).is_ok()))
        };
        loop {
            let Pushable { origin, rows } = match pushes.blocking_recv() {
                Some(Step::Rows(pushable)) => pushable,
                Some(Step::End) => break,
                None => return Ok(Default::default()),
            };
            if !fits(&rows) {
                refusals.add_too_large(origin, &rows)?;
                continue;
            }
            let input = &self.description.inputs[origin.input];
            let given = transformer.push(&input.table, &rows)?;
            self.observer.passed(Stage::Transform, &input.table, rows.num_rows() as u64, pushed_bytes(&rows) as u64);
            refusals.pushed(origin, rows);
            if !accept(given, &mut refusals)? {
                return Ok(Default::default());
            }
        }
        if accept(transformer.finish()?, &mut refusals)? {
            let _ = give.blocking_send(Step::End);
        }
        Ok((refusals.finish()?, transformer.usage()))
    }

    fn write(
        &self,
        runtime: &Handle,
        mut given: mpsc::Receiver<Step<(String, RecordBatch)>>,
    ) -> Result<Vec<TableOutput>, HostError> {
        let mut outputs = Outputs::new(self, runtime, None);
        loop {
            match given.blocking_recv() {
                Some(Step::Rows((table, rows))) => outputs.push(&table, &rows)?,
                Some(Step::End) => return outputs.finish(),
                // Full parts that were stored are what the next attempt stores as well; the rest is no part.
                None => return Ok(Vec::new()),
            }
        }
    }
}
