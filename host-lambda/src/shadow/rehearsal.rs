//! One or two components over the same rows.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;
use serde::Serialize;
use star_contract::{Column, Delivery, Description, MAX_PUSH_ROWS};
use tokio::runtime::Handle;
use totesys_lake::{Bucket, Lake};
use totesys_sandbox::{Produced, SandboxError, Transformer, Usage};

use super::differ::{Differ, TableDifference};
use super::fold::Fragment;
use super::{Inputs, Subject};
use crate::HostError;
use crate::settings::QuarantineSettings;
use crate::transform::pushes::{fits, pieces};

/// What components made of rows, compared.
#[derive(Debug, Default, Serialize)]
pub struct Rehearsal {
    /// Rows pushed, by input.
    pub rows: BTreeMap<String, u64>,
    /// Rows that no push can carry.
    pub too_large: u64,
    /// The live component, if there is one.
    pub old: Option<Side>,
    /// The candidate.
    pub new: Side,
    /// How what they gave differs, by output.
    pub differences: Vec<TableDifference>,
}

/// What one component gave and used.
#[derive(Debug, Default, Serialize)]
pub struct Side {
    /// Output rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Refused rows by reason.
    pub refused: BTreeMap<String, u64>,
    /// Refused rows by input.
    pub refused_of: BTreeMap<String, u64>,
    /// The time spent in calls, in milliseconds.
    pub milliseconds: u64,
    /// Fuel, where it was counted.
    pub fuel: Option<u64>,
    /// The largest linear memory, in bytes.
    pub memory_bytes: u64,
    /// Bytes given back.
    pub bytes: u64,
    /// Why it did not come to its end. Only the live component's failure is no error of the rehearsal.
    pub failed: Option<String>,
}

impl Side {
    /// All refused rows.
    #[must_use]
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl Rehearsal {
    /// Whether production would stop the candidate because it refuses too much: of changes, or of snapshots' rows.
    pub(crate) fn exceeds(&self, description: &Description, limits: QuarantineSettings) -> bool {
        [Delivery::Changes, Delivery::Snapshot].into_iter().any(|delivery| {
            let of = |counts: &BTreeMap<String, u64>| -> u64 {
                let tables = description.inputs.iter().filter(|input| input.delivery == delivery);
                tables.filter_map(|input| counts.get(&input.table)).sum()
            };
            let too_large = if delivery == Delivery::Changes { self.too_large } else { 0 };
            limits.exceeded(of(&self.new.refused_of) + too_large, of(&self.rows) + too_large)
        })
    }

    /// Whether both components gave the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        let same = |difference: &TableDifference| difference.added + difference.gone + difference.changed == 0;
        let refused = self.old.as_ref().is_none_or(|old| old.refused == self.new.refused && old.failed.is_none());
        refused && self.differences.iter().all(same)
    }
}

/// One component on its way through.
struct Actor<'a> {
    transformer: Transformer,
    description: &'a Description,
    side: Side,
    /// What it gave since it was last compared, by table.
    given: BTreeMap<String, Vec<RecordBatch>>,
    /// Every output counts each row it refuses; here a row counts once.
    seen: BTreeSet<(u32, u32)>,
}

impl<'a> Actor<'a> {
    fn new(subject: &'a Subject, batch: u64) -> Result<Self, SandboxError> {
        let transformer = subject.component.begin(batch, subject.description.clone())?;
        let (side, given, seen) = Default::default();
        Ok(Self { transformer, description: &subject.description, side, given, seen })
    }

    /// Pushes the columns the component described; a table it does not read is none of its business.
    fn push(&mut self, table: &str, rows: &RecordBatch) -> Result<(), HostError> {
        let Some(input) = self.description.input(table) else { return Ok(()) };
        let rows = project(table, rows, &input.columns)?;
        let produced = self.transformer.push(table, &rows)?;
        self.take(produced);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), HostError> {
        let produced = self.transformer.finish()?;
        self.take(produced);
        Ok(())
    }

    fn take(&mut self, produced: Produced) {
        for (table, rows) in produced.outputs {
            *self.side.rows.entry(table.clone()).or_default() += rows.num_rows() as u64;
            self.given.entry(table).or_default().push(rows);
        }
        for refusal in produced.refused {
            if self.seen.insert((refusal.push, refusal.row)) {
                *self.side.refused.entry(refusal.code).or_default() += 1;
                *self.side.refused_of.entry(refusal.table).or_default() += 1;
            }
        }
    }

    fn end(mut self) -> Side {
        let Usage { time, fuel, memory_bytes, produced_bytes, .. } = self.transformer.usage();
        self.side.milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (self.side.fuel, self.side.memory_bytes, self.side.bytes) = (fuel, memory_bytes, produced_bytes);
        self.side
    }
}

/// Both components, and what differs between them so far.
struct Stage<'a> {
    lake: &'a Lake,
    runtime: &'a Handle,
    old: Option<Actor<'a>>,
    new: Actor<'a>,
    /// Why the live component was left out from some push on.
    old_failed: Option<(Side, String)>,
    differs: BTreeMap<String, Differ>,
    rows: BTreeMap<String, u64>,
    too_large: u64,
}

/// Pushes every row to the components in step: snapshots first, each in the order its component describes, then
/// changes in the candidate's order.
pub(super) fn rehearse(
    lake: &Lake,
    runtime: &Handle,
    old: Option<&Subject>,
    new: &Subject,
    inputs: &Inputs,
) -> Result<Rehearsal, HostError> {
    let outputs = |subject: &Subject| -> Vec<String> {
        subject.description.outputs.iter().map(|output| output.table.clone()).collect()
    };
    let mut tables = outputs(new);
    tables.extend(
        old.map(outputs).unwrap_or_default().into_iter().filter(|table| new.description.output(table).is_none()),
    );
    let differ = |table: &String| {
        let of = |subject: &Subject| subject.description.output(table).cloned();
        (table.clone(), Differ::new(old.and_then(of).as_ref(), of(new).as_ref()))
    };
    let mut stage = Stage {
        lake,
        runtime,
        old: None,
        new: Actor::new(new, inputs.batch())?,
        old_failed: None,
        // Without a live component everything is added, which the counts say as well.
        differs: if old.is_some() { tables.iter().map(differ).collect() } else { BTreeMap::new() },
        rows: BTreeMap::new(),
        too_large: 0,
    };
    match old.map(|old| Actor::new(old, inputs.batch())).transpose() {
        Ok(actor) => stage.old = actor,
        Err(error) => stage.old_failed = Some((Side::default(), error.to_string())),
    }
    stage.snapshots(old, new, inputs)?;
    stage.changes(old, new, inputs)?;
    stage.finish()?;
    Ok(stage.end(&tables))
}

impl Stage<'_> {
    fn snapshots(&mut self, old: Option<&Subject>, new: &Subject, inputs: &Inputs) -> Result<(), HostError> {
        let mut read: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
        for table in whole_first(old, new) {
            let columns = columns(table, old, new);
            let mut kept = Vec::new();
            for fragment in inputs.of(table) {
                self.read(table, fragment, &columns, |_, rows| {
                    kept.push(rows);
                    Ok(())
                })?;
            }
            read.insert(table.to_owned(), kept);
        }
        for subject in old.into_iter() {
            for (table, rows) in in_described_order(&subject.description, &read) {
                self.old_does(|actor| actor.push(table, rows));
            }
        }
        for (table, rows) in in_described_order(&new.description, &read) {
            self.new.push(table, rows)?;
        }
        self.compare();
        Ok(())
    }

    fn changes(&mut self, old: Option<&Subject>, new: &Subject, inputs: &Inputs) -> Result<(), HostError> {
        let whole = whole_first(old, new);
        for table in tables(Delivery::Changes, old, new).into_iter().filter(|table| !whole.contains(table)) {
            let columns = columns(table, old, new);
            for fragment in inputs.of(table) {
                self.read(table, fragment, &columns, |stage, rows| {
                    stage.old_does(|actor| actor.push(table, &rows));
                    stage.new.push(table, &rows)?;
                    stage.compare();
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), HostError> {
        self.old_does(|actor| actor.finish());
        self.new.finish()?;
        self.compare();
        Ok(())
    }

    /// The rows of a file that count, in pieces that a push can carry.
    fn read(
        &mut self,
        table: &str,
        fragment: &Fragment,
        columns: &[Column],
        mut take: impl FnMut(&mut Self, RecordBatch) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        let read = self.lake.read_rows(Bucket::Ingestion, &fragment.file, columns, MAX_PUSH_ROWS);
        let mut first = 0;
        for rows in self.runtime.block_on(read)? {
            let mut rows = rows?;
            let count = rows.num_rows();
            if let Some(counting) = &fragment.rows {
                rows = filter_record_batch(&rows, &counting.slice(first, count))
                    .map_err(|source| HostError::Rows { table: table.to_owned(), source })?;
            }
            first += count;
            for (_, rows) in pieces(rows) {
                if fits(&rows) {
                    *self.rows.entry(table.to_owned()).or_default() += rows.num_rows() as u64;
                    take(self, rows)?;
                } else {
                    self.too_large += 1;
                }
            }
        }
        Ok(())
    }

    /// A live component that fails is left out from there on, and the report says so.
    fn old_does(&mut self, call: impl FnOnce(&mut Actor<'_>) -> Result<(), HostError>) {
        let Some(actor) = &mut self.old else { return };
        if let Err(error) = call(actor)
            && let Some(failed) = self.old.take()
        {
            self.old_failed = Some((failed.end(), error.to_string()));
        }
    }

    fn compare(&mut self) {
        let mut old = self.old.as_mut().map(|actor| std::mem::take(&mut actor.given)).unwrap_or_default();
        let mut new = std::mem::take(&mut self.new.given);
        for (table, differ) in &mut self.differs {
            differ.push(&old.remove(table).unwrap_or_default(), &new.remove(table).unwrap_or_default());
        }
    }

    fn end(mut self, tables: &[String]) -> Rehearsal {
        let failed = self.old_failed.map(|(side, why)| Side { failed: Some(why), ..side });
        let differences = tables.iter().filter_map(|table| self.differs.remove(table)).map(Differ::finish).collect();
        Rehearsal {
            rows: self.rows,
            too_large: self.too_large,
            old: failed.or_else(|| self.old.map(Actor::end)),
            new: self.new.end(),
            differences,
        }
    }
}

/// The tables that either component wants as a snapshot: both get them before all others.
fn whole_first<'a>(old: Option<&'a Subject>, new: &'a Subject) -> Vec<&'a str> {
    let mut tables = tables(Delivery::Snapshot, old, new);
    let of_old = old.into_iter().flat_map(|old| &old.description.inputs);
    let of_old = of_old.filter(|input| input.delivery == Delivery::Snapshot).map(|input| input.table.as_str());
    for table in of_old {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

/// The tables the candidate wants delivered so, in its order, then those only the live component does.
fn tables<'a>(delivery: Delivery, old: Option<&'a Subject>, new: &'a Subject) -> Vec<&'a str> {
    let of = |subject: &'a Subject| subject.description.inputs.iter().filter(move |input| input.delivery == delivery);
    let mut tables: Vec<&str> = of(new).map(|input| input.table.as_str()).collect();
    let only_old = old.into_iter().flat_map(of).filter(|input| new.description.input(&input.table).is_none());
    tables.extend(only_old.map(|input| input.table.as_str()));
    tables
}

/// The columns of a table that either component reads.
fn columns(table: &str, old: Option<&Subject>, new: &Subject) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for subject in [Some(new), old].into_iter().flatten() {
        for column in subject.description.input(table).into_iter().flat_map(|input| &input.columns) {
            match columns.iter_mut().find(|known| known.name == column.name) {
                None => columns.push(column.clone()),
                Some(known) => known.nullable &= column.nullable,
            }
        }
    }
    columns
}

fn in_described_order<'a>(
    description: &'a Description,
    read: &'a BTreeMap<String, Vec<RecordBatch>>,
) -> impl Iterator<Item = (&'a str, &'a RecordBatch)> {
    // What a component itself wants as a snapshot comes before what only the other one does.
    let of = |delivery| description.inputs.iter().filter(move |input| input.delivery == delivery);
    let inputs = of(Delivery::Snapshot).chain(of(Delivery::Changes));
    let read = inputs.filter_map(|input| Some((input.table.as_str(), read.get(&input.table)?)));
    read.flat_map(|(table, batches)| batches.iter().map(move |rows| (table, rows)))
}

fn project(table: &str, rows: &RecordBatch, columns: &[Column]) -> Result<RecordBatch, HostError> {
    let schema = rows.schema();
    let places: Vec<usize> = columns.iter().filter_map(|column| schema.index_of(&column.name).ok()).collect();
    rows.project(&places).map_err(|source| HostError::Rows { table: table.to_owned(), source })
}
