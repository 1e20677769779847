//! What a component refuses of a batch: written down as it comes, counted, and stopped when it is too much.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use star_contract::{Delivery, RefusedRow};
use tokio::runtime::Handle;
use totesys_lake::{FileEntry, Micros, StopRecord};

use super::flow::Flow;
use crate::HostError;
use crate::quarantine::{self, Quarantine};

/// The reason of a row that no push can carry. The host refuses it; the component never sees it.
pub(super) const ROW_TOO_LARGE: &str = "row-too-large";

/// Where rows of a push come from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// The input's place in the description.
    pub(super) input: usize,
    /// The file's place in the table's list.
    pub(super) file: usize,
    /// The first row's place in the file.
    pub(super) first: u64,
}

/// A refused change, and where it stands in the ingested files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RefusedChange {
    pub(super) input: usize,
    pub(super) file: usize,
    pub(super) row: u64,
    /// The reason's place in [`Refused::codes`].
    pub(super) code: usize,
}

/// Everything that was refused of a batch.
#[derive(Default)]
pub(super) struct Refused {
    /// Refused rows by reason.
    pub(super) by_code: BTreeMap<String, u64>,
    /// The files that keep them as JSON lines.
    pub(super) quarantine: Vec<FileEntry>,
    /// Refused changes, each once, in the order of the files.
    pub(super) changes: Vec<RefusedChange>,
    /// The reasons they name.
    pub(super) codes: Vec<String>,
}

/// How many rows a batch delivers in one way, and how many of them were refused.
#[derive(Clone, Copy, Default)]
struct Count {
    delivered: u64,
    refused: u64,
}

/// Refused rows as they come.
pub(super) struct Refusals<'a> {
    flow: &'a Flow,
    runtime: &'a Handle,
    quarantine: Quarantine,
    /// A row of a snapshot may be refused later than by its own push, so its push is kept.
    pushes: Vec<(Origin, Option<RecordBatch>)>,
    refused: Refused,
    /// Several outputs may refuse one row: here it counts once.
    seen: BTreeSet<(u32, u32)>,
    changes: Count,
    snapshots: Count,
}

impl<'a> Refusals<'a> {
    /// `delivered` says how many rows the batch delivers as changes, and how many as snapshots.
    pub(super) fn new(flow: &'a Flow, runtime: &'a Handle, delivered: (u64, u64)) -> Self {
        let star = &flow.description.star;
        let count = |delivered| Count { delivered, refused: 0 };
        Self {
            flow,
            runtime,
            quarantine: Quarantine::new(&flow.lake, star, flow.batch, &flow.attempt),
            pushes: Vec::new(),
            refused: Refused::default(),
            seen: BTreeSet::new(),
            changes: count(delivered.0),
            snapshots: count(delivered.1),
        }
    }

    /// Rows were pushed; changes pushed before them can be let go of.
    pub(super) fn pushed(&mut self, origin: Origin, rows: RecordBatch) {
        if let Some((last, kept)) = self.pushes.last_mut()
            && self.flow.delivery(last.input) == Delivery::Changes
        {
            *kept = None;
            self.seen.clear();
        }
        self.pushes.push((origin, Some(rows)));
    }

    /// Writes a refusal down.
    pub(super) fn add(&mut self, refusal: RefusedRow) -> Result<(), HostError> {
        let Some((origin, Some(rows))) = self.pushes.get(refusal.push as usize) else { return Ok(()) };
        let (origin, line) = (*origin, quarantine::refused(&refusal, rows));
        self.runtime.block_on(self.quarantine.add(&line))?;
        let first_time = self.seen.insert((refusal.push, refusal.row));
        self.count(origin, u64::from(refusal.row), refusal.code, first_time)
    }

    /// Refuses a single row that no push can carry.
    pub(super) fn add_too_large(&mut self, origin: Origin, row: &RecordBatch) -> Result<(), HostError> {
        let refusal = RefusedRow {
            table: self.flow.description.inputs[origin.input].table.clone(),
            push: 0,
            row: 0,
            column: None,
            code: ROW_TOO_LARGE.to_owned(),
            text: "the row is larger than one push can carry".to_owned(),
        };
        self.runtime.block_on(self.quarantine.add(&quarantine::refused(&refusal, row)))?;
        self.count(origin, 0, refusal.code, true)
    }

    fn count(&mut self, origin: Origin, row: u64, code: String, first_time: bool) -> Result<(), HostError> {
        let delivery = self.flow.delivery(origin.input);
        if first_time && delivery == Delivery::Changes {
            let known = self.refused.codes.iter().position(|known| *known == code);
            let code = known.unwrap_or_else(|| {
                self.refused.codes.push(code.clone());
                self.refused.codes.len() - 1
            });
            let Origin { input, file, first } = origin;
            self.refused.changes.push(RefusedChange { input, file, row: first + row, code });
        }
        *self.refused.by_code.entry(code).or_insert(0) += 1;
        let count = if delivery == Delivery::Changes { &mut self.changes } else { &mut self.snapshots };
        count.refused += u64::from(first_time);
        let Count { delivered, refused } = *count;
        if self.flow.limits.exceeded(refused, delivered) {
            Err(self.stop(delivery, refused, delivered))
        } else {
            Ok(())
        }
    }

    /// Notes that the batch is stopped, with the rows that were refused until now.
    fn stop(&mut self, delivery: Delivery, refused: u64, delivered: u64) -> HostError {
        let flow = self.flow;
        let noted = self.runtime.block_on(async {
            self.quarantine.flush().await?;
            let record = StopRecord {
                batch: flow.batch,
                star: flow.description.star.clone(),
                attempt: flow.attempt.clone(),
                digest: flow.digest.clone(),
                limit: flow.limits.name(),
                delivery,
                refused,
                delivered,
                quarantine: self.quarantine.files().to_vec(),
                observed_at: flow.taken_at,
                stopped_at: Micros::now(),
            };
            flow.lake.commit_stop(&record).await?;
            Ok(too_many(&record, flow.limits.max_refused_share))
        });
        noted.unwrap_or_else(|error: HostError| error)
    }

    /// Everything, once the component has finished.
    pub(super) fn finish(mut self) -> Result<Refused, HostError> {
        self.runtime.block_on(self.quarantine.flush())?;
        self.refused.quarantine = self.quarantine.files().to_vec();
        self.refused.changes.sort_unstable();
        Ok(self.refused)
    }
}

/// The error of a batch that a star refuses too much of.
pub(super) fn too_many(record: &StopRecord, share: f64) -> HostError {
    HostError::TooManyRefused {
        star: record.star.clone(),
        batch: record.batch.0,
        delivered_as: match record.delivery {
            Delivery::Changes => "changes",
            Delivery::Snapshot => "rows of snapshots",
        },
        refused: record.refused,
        delivered: record.delivered,
        share,
    }
}
