//! The third stage: what a star made of a batch, into the warehouse.

mod living;
mod released;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::ArrowError;
use serde::Serialize;
use star_contract::{Column, Description, Output};
use totesys_failpoint as failpoint;
use totesys_lake::{
    Attempt, BatchNumber, Bucket, LoadRecord, LoadedTable, Micros, StarLedger, TableOutput, TransformationRecord,
};
use totesys_warehouse::{Begun, LedgerRow, Load, LoadReport, StarBatch, Warehouse};
use tracing::{Instrument, info_span};

use crate::catalog::Pinned;
use crate::pace::Pace;
use crate::{HostError, Pipeline, Stage};

/// Rows read from a file at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// One batch of one star that was loaded.
#[derive(Debug, Clone, Serialize)]
pub struct StarLoad {
    /// The star.
    pub star: String,
    /// The batch.
    pub batch: u64,
    /// What it did, table by table.
    #[serde(flatten)]
    pub report: LoadReport,
}

/// Whether a load is one of the pipeline's, which the lake's ledger follows, or one of a rebuild's, beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    Yes,
    No,
}

impl Pipeline {
    /// Loads every transformed batch of the star that the warehouse does not have yet, in order.
    ///
    /// # Errors
    /// When the lake or the warehouse fails; a batch is loaded wholly or not at all.
    pub async fn load(&self, star: &str) -> Result<Vec<StarLoad>, HostError> {
        let pinned = self.pin().await?;
        match self.prepared_warehouse(&pinned).await? {
            Some(mut warehouse) => self.load_star(&mut warehouse, &pinned, star, &mut Pace::until(None)).await,
            None => Ok(Vec::new()),
        }
    }

    /// The warehouse, connected and in line with the live components; none before the first batch.
    pub(crate) async fn prepared_warehouse(&self, pinned: &Pinned) -> Result<Option<Warehouse>, HostError> {
        let Some(stamp) = self.stamp().await? else { return Ok(None) };
        let mut warehouse = self.warehouse(&stamp).await?;
        let descriptions: Vec<Description> = pinned.descriptions().cloned().collect();
        warehouse.prepare(&descriptions, &pinned.record.owners).await?;
        failpoint::pass("load:prepared");
        Ok(Some(warehouse))
    }

    pub(crate) async fn load_star(
        &self,
        warehouse: &mut Warehouse,
        pinned: &Pinned,
        star: &str,
        pace: &mut Pace,
    ) -> Result<Vec<StarLoad>, HostError> {
        let Some(newest) = self.lake.newest_transformation(pinned.ledger(star)).await?.map(|record| record.batch)
        else {
            return Ok(Vec::new());
        };
        let last = warehouse.loaded(star).await?;
        if let Some(last) = &last {
            self.follow(warehouse, last).await?;
        }
        let mut next = match last {
            Some(last) => BatchNumber(last.batch).next(),
            None => self.first_transformed(&pinned.ledger(star), newest).await?,
        };
        let mut done = Vec::new();
        while next <= newest && pace.allows_another() {
            done.extend(self.load_one(warehouse, pinned, &pinned.ledger(star), next, Recorded::Yes).await?);
            next = next.next();
        }
        Ok(done)
    }

    /// Loads one transformed batch, which must be the star's next.
    pub(crate) async fn load_one(
        &self,
        warehouse: &mut Warehouse,
        pinned: &Pinned,
        ledger: &StarLedger,
        batch: BatchNumber,
        recorded: Recorded,
    ) -> Result<Option<StarLoad>, HostError> {
        let live = &pinned.entry(ledger.star())?.description;
        let record = self.lake.transformation(ledger, batch).await?.ok_or(HostError::NoManifest { batch: batch.0 })?;
        let span = info_span!("load", star = ledger.star(), batch = batch.0);
        let loading = self.load_batch(warehouse, live, &record, (ledger.current(), recorded));
        Box::pin(loading).instrument(span).await
    }

    /// Where the warehouse of a star begins: its oldest transformation.
    pub(crate) async fn first_transformed(
        &self,
        ledger: &StarLedger,
        newest: BatchNumber,
    ) -> Result<BatchNumber, HostError> {
        let mut first = newest;
        while first.0 > BatchNumber::FIRST.0 {
            let before = BatchNumber(first.0 - 1);
            if self.lake.transformation(ledger, before).await?.is_none() {
                break;
            }
            first = before;
        }
        Ok(first)
    }

    async fn load_batch(
        &self,
        warehouse: &mut Warehouse,
        live: &Description,
        record: &TransformationRecord,
        (generation, recorded): (u64, Recorded),
    ) -> Result<Option<StarLoad>, HostError> {
        let manifest = self.batch(record.batch).await?;
        let taken_at = manifest.taken_at;
        let attempt = Attempt::random()?;
        let batch = StarBatch {
            star: record.star.clone(),
            batch: record.batch.0,
            generation,
            snapshot_micros: taken_at.0,
            component_digest: record.digest.clone(),
            attempt: attempt.to_string(),
        };
        let report = match warehouse.begin(batch).await? {
            Begun::AlreadyLoaded(_) => return Ok(None),
            Begun::Load(mut load) => {
                self.stage(&mut load, live, record, recorded).await?;
                self.stage_living(&mut load, live, &manifest).await?;
                load.settle().await?;
                failpoint::pass("load:staged");
                load.commit().await?
            }
        };
        failpoint::pass("load:committed");
        if recorded == Recorded::Yes {
            let at = (taken_at, Micros::now());
            self.record_load(&record.star, record.batch, at, loaded_tables(&report)).await?;
            failpoint::pass("load:recorded");
        }
        Ok(Some(StarLoad { star: record.star.clone(), batch: record.batch.0, report }))
    }

    /// The files have the columns of the component that wrote them, the warehouse those of the live one.
    async fn stage(
        &self,
        load: &mut Load<'_>,
        live: &Description,
        record: &TransformationRecord,
        recorded: Recorded,
    ) -> Result<(), HostError> {
        let catalog = self.lake.catalog(record.catalog).await?;
        let entry = catalog.as_ref().and_then(|catalog| catalog.stars.get(&record.star));
        let wrote = entry.map(|entry| &entry.description);
        let mut record = Cow::Borrowed(record);
        if recorded == Recorded::No {
            // A rebuild makes the tables that are described now; what was loaded into others stays with them.
            let record = record.to_mut();
            let released = record.released.iter_mut().map(|released| &mut released.outputs);
            for outputs in released.chain([&mut record.outputs]) {
                outputs.retain(|output| live.output(&output.table).is_some());
            }
        }
        let record = record.as_ref();
        self.stage_refusals(load, live, wrote, record).await?;
        for output in &record.outputs {
            let (written, live) = described(wrote, live, record, &output.table)?;
            let bytes: u64 = output.files.iter().map(|file| file.bytes).sum();
            let span = info_span!("table", table = output.table, rows = output.rows, bytes);
            self.stage_table(load, (written, live), output).instrument(span).await?;
        }
        Ok(())
    }

    async fn stage_table(
        &self,
        load: &mut Load<'_>,
        (written, live): (&Output, &Output),
        output: &TableOutput,
    ) -> Result<(), HostError> {
        for file in &output.files {
            let rows = self.lake.read_rows(Bucket::TransformedData, file, &written.columns, BATCH_ROWS).await?;
            self.observer.passed(Stage::Load, &output.table, 0, file.bytes);
            for rows in rows {
                let rows = with_columns_of(live, &rows?)
                    .map_err(|source| HostError::Columns { table: output.table.clone(), source })?;
                load.stage(&output.table, &rows).await?;
                self.observer.passed(Stage::Load, &output.table, rows.num_rows() as u64, 0);
            }
        }
        Ok(())
    }

    /// The lake's ledger follows the warehouse's: a record lost to a crash is written now.
    async fn follow(&self, warehouse: &Warehouse, last: &LedgerRow) -> Result<(), HostError> {
        let recorded = self.lake.newest_load(&last.star).await?.map_or(0, |record| record.batch.0);
        if recorded > last.batch {
            let (star, loaded) = (&last.star, last.batch);
            tracing::warn!(star, loaded, recorded, "the warehouse is behind its load records: it was restored");
        }
        if recorded >= last.batch {
            return Ok(());
        }
        // After a crash one is missing; after a rebuild was swapped in all that it loaded before the pipeline did.
        for row in warehouse.loaded_since(&last.star, recorded).await? {
            let (batch, at) = (BatchNumber(row.batch), (Micros(row.snapshot_micros), Micros(row.loaded_micros)));
            tracing::warn!(star = row.star, batch = row.batch, "load record repaired from the warehouse");
            self.record_load(&row.star, batch, at, loaded_tables(&row.report)).await?;
        }
        Ok(())
    }

    async fn record_load(
        &self,
        star: &str,
        batch: BatchNumber,
        (taken_at, finished_at): (Micros, Micros),
        tables: BTreeMap<String, LoadedTable>,
    ) -> Result<(), HostError> {
        let record =
            LoadRecord { batch, star: star.to_owned(), attempt: Attempt::random()?, taken_at, finished_at, tables };
        self.lake.commit_load(&record).await?;
        Ok(())
    }
}

/// A table as the component that wrote its rows described it, and as the live one does.
fn described<'a>(
    wrote: Option<&'a Description>,
    live: &'a Description,
    record: &TransformationRecord,
    table: &str,
) -> Result<(&'a Output, &'a Output), HostError> {
    let described = wrote.and_then(|wrote| wrote.output(table)).zip(live.output(table));
    described.ok_or_else(|| HostError::NoLongerDescribed {
        star: record.star.clone(),
        table: table.to_owned(),
        batch: record.batch.0,
    })
}

/// The rows with the live columns in their order; one that was not written yet is NULL. Whether the table takes that
/// is the warehouse's to say.
fn with_columns_of(live: &Output, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |column: &Column| {
        let written = rows.column_by_name(&column.name).map(Arc::clone);
        let values = written.unwrap_or_else(|| new_null_array(&column.column_type.arrow(), rows.num_rows()));
        (column.name.clone(), values, true)
    };
    let columns = live.columns.iter().map(column);
    RecordBatch::try_from_iter_with_nullable(columns)
}

fn loaded_tables(report: &LoadReport) -> BTreeMap<String, LoadedTable> {
    report.tables.iter().map(|table| (table.table.clone(), loaded_table(table))).collect()
}

fn loaded_table(table: &totesys_warehouse::TableReport) -> LoadedTable {
    LoadedTable {
        appended: table.appended,
        updated: table.updated,
        inserted: table.inserted,
        waiting: table.waiting,
        deleted: table.deleted,
        first_id: table.first_id.map(i64::from),
        last_id: table.last_id.map(i64::from),
    }
}
