//! One batch of one star on its way in.

use std::collections::BTreeMap;
use std::pin::pin;

use arrow_array::{Array, RecordBatch};
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use star_contract::Role;
use tokio_postgres::Transaction;
use totesys_postgres::{CopyEncoder, RowNumber};

use crate::batch::CheckedBatch;
use crate::bulk::{self, Suspended};
use crate::error::while_doing;
use crate::place::Places;
use crate::shape::Shape;
use crate::star::Star;
use crate::{LoadReport, TableReport, WarehouseError, dimension, fact};

/// About how many bytes are encoded before they are sent.
const BUFFER_BYTES: usize = 1 << 20;

/// From how many rows on the planner is told about a temporary table.
const ANALYZE_ROWS: i64 = 1000;

/// What every statement of a load needs.
pub(crate) struct Work<'a> {
    pub(crate) transaction: Transaction<'a>,
    pub(crate) places: &'a Places,
    pub(crate) star: &'a Star,
    pub(crate) batch: CheckedBatch,
}

impl Work<'_> {
    /// Runs one or more statements on behalf of a table.
    pub(crate) async fn run(&self, doing: &'static str, table: &str, sql: &str) -> Result<(), WarehouseError> {
        self.transaction.batch_execute(sql).await.map_err(while_doing(doing, table))
    }

    /// Tells the planner about a temporary table when its default guess could hurt.
    pub(crate) async fn analyze(&self, table: &str, rows: i64) -> Result<(), WarehouseError> {
        if rows < ANALYZE_ROWS {
            return Ok(());
        }
        self.run("analysing staged rows", table, &format!("ANALYZE pg_temp.{table}")).await
    }
}

/// Rows of one table that have arrived.
struct Staged {
    encoder: CopyEncoder,
    rows: i64,
    /// Set while the rows go straight into an empty fact table that has lost its indexes and keys.
    suspended: Option<Suspended>,
}

/// An open batch: stage rows, then commit. Dropping it undoes everything.
pub struct Load<'a> {
    work: Work<'a>,
    staged: BTreeMap<usize, Staged>,
    locked: bool,
}

impl std::fmt::Debug for Load<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("batch", &self.work.batch).finish_non_exhaustive()
    }
}

impl<'a> Load<'a> {
    pub(crate) fn new(work: Work<'a>) -> Self {
        Self { work, staged: BTreeMap::new(), locked: false }
    }

    /// Streams rows of one table. May be called any number of times, for the tables in any order; the
    /// order of the rows of one table is the order in which their source saw them.
    ///
    /// # Errors
    /// A table the star does not write, a batch that does not fit it, or a failing database; the load
    /// cannot go on after one.
    pub async fn stage(&mut self, table: &str, batch: &RecordBatch) -> Result<(), WarehouseError> {
        let star = self.work.star;
        let Some((index, shape)) = star.tables.iter().enumerate().find(|(_, shape)| shape.table == table) else {
            return Err(WarehouseError::UnknownTable { star: star.name.clone(), table: table.to_owned() });
        };
        fits(shape, batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if !self.staged.contains_key(&index) {
            let staged = self.open(index, shape).await?;
            self.staged.insert(index, staged);
        }
        let Some(staged) = self.staged.get_mut(&index) else { return Ok(()) };
        let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        copy(&self.work, shape, index, staged, batch).await?;
        staged.rows = staged.rows.saturating_add(rows);
        Ok(())
    }

    async fn open(&mut self, index: usize, shape: &Shape) -> Result<Staged, WarehouseError> {
        let suspended = if shape.role == Role::Fact && bulk::applies(&self.work, shape).await? {
            // Taking the keys away locks the dimensions, so loads of other stars must be lined up first.
            self.lock_shared_dimensions().await?;
            bulk::suspend(&self.work, shape).await?
        } else {
            None
        };
        if suspended.is_none() {
            let create = format!(
                "CREATE TEMP TABLE {} (_ord bigint NOT NULL, {}) ON COMMIT DROP",
                staged_name(index),
                shape.staged_definitions()
            );
            self.work.run("staging rows", &shape.table, &create).await?;
        }
        Ok(Staged { encoder: CopyEncoder::new(&shape.columns), rows: 0, suspended })
    }

    /// Waits, in one order for all stars, for others that write the same dimensions.
    async fn lock_shared_dimensions(&mut self) -> Result<(), WarehouseError> {
        if self.locked {
            return Ok(());
        }
        let mut shared: Vec<&str> = self
            .work
            .star
            .tables
            .iter()
            .filter(|shape| shape.owner.is_some())
            .map(|shape| shape.table.as_str())
            .collect();
        shared.sort_unstable();
        for dimension in shared {
            self.work.places.lock(&self.work.transaction, &format!("dimension {dimension}")).await?;
        }
        self.locked = true;
        Ok(())
    }

    /// Resolves what was staged, writes the ledger row and commits.
    ///
    /// # Errors
    /// A disagreement over a shared dimension, or a failing database; nothing is changed then, unless
    /// the connection was lost during the commit itself: the same batch offered again tells.
    pub async fn commit(mut self) -> Result<LoadReport, WarehouseError> {
        self.lock_shared_dimensions().await?;
        let Self { work, mut staged, .. } = self;
        let mut tables: BTreeMap<usize, TableReport> = BTreeMap::new();
        for (index, shape) in work.star.tables_of(Role::Dimension) {
            let report = match staged.remove(&index) {
                None => TableReport { table: shape.table.clone(), ..TableReport::default() },
                Some(staged) => {
                    work.analyze(&staged_name(index), staged.rows).await?;
                    dimension::merge(&work, shape, &staged_name(index), staged.rows).await?
                }
            };
            tables.insert(index, report);
        }
        for (index, shape) in work.star.tables_of(Role::Fact) {
            let staged = staged.remove(&index);
            let rows = staged.as_ref().map_or(0, |staged| staged.rows);
            let restored = match staged.and_then(|staged| staged.suspended) {
                Some(suspended) => bulk::resume(&work, shape, suspended, rows, &staged_name(index)).await?,
                None => None,
            };
            let report = match restored {
                Some(report) => report,
                None => {
                    fact::append(&work, shape, index, (rows > 0).then(|| staged_name(index)).as_deref(), rows).await?
                }
            };
            tables.insert(index, report);
        }
        let ledger = format!(
            "INSERT INTO {} (star, batch, snapshot_at, component_digest, attempt) VALUES ($1, $2, {}, $3, $4)",
            work.places.side("loads"),
            work.batch.snapshot,
        );
        let batch = &work.batch;
        work.transaction
            .execute(&ledger, &[&batch.star, &batch.number, &batch.component_digest, &batch.attempt])
            .await
            .map_err(while_doing("writing the ledger", &batch.star))?;
        let star = work.batch.star;
        work.transaction.commit().await.map_err(while_doing("committing a batch", &star))?;
        for report in tables.values() {
            tracing::info!(
                star,
                table = report.table,
                offered = report.rows_offered,
                inserted = report.inserted,
                updated = report.updated,
                appended = report.appended,
                waiting = report.waiting,
                "table loaded"
            );
        }
        Ok(LoadReport { tables: tables.into_values().collect() })
    }
}

/// The temporary table of a star's nth table.
fn staged_name(index: usize) -> String {
    format!("staged_{index}")
}

async fn copy(
    work: &Work<'_>,
    shape: &Shape,
    index: usize,
    staged: &mut Staged,
    batch: &RecordBatch,
) -> Result<(), WarehouseError> {
    let doing = || while_doing("copying rows", &shape.table);
    let (target, number) = match &staged.suspended {
        Some(_) => (work.places.table(&shape.table), shape.id()),
        None => (format!("pg_temp.{}", staged_name(index)), "_ord".to_owned()),
    };
    let sql = format!("COPY {target} ({number}, {}) FROM STDIN (FORMAT binary)", shape.list(""));
    let rows = batch.num_rows();
    let rows_per_slice =
        (rows.saturating_mul(BUFFER_BYTES) / batch.get_array_memory_size().max(1)).clamp(64, 64 * 1024);
    let sink = work.transaction.copy_in::<_, Bytes>(&sql).await.map_err(doing())?;
    let mut sink = pin!(sink);
    let mut out = BytesMut::with_capacity(BUFFER_BYTES);
    staged.encoder.begin(&mut out);
    let mut offset = 0;
    while offset < rows {
        let slice = batch.slice(offset, rows_per_slice.min(rows - offset));
        let before = staged.rows.saturating_add(i64::try_from(offset).unwrap_or(i64::MAX));
        let number = match &staged.suspended {
            Some(_) => RowNumber::Int32 { first: bulk::first_id(shape, before, slice.num_rows())? },
            None => RowNumber::Int64 { first: before },
        };
        staged
            .encoder
            .encode(&slice, number, &mut out)
            .map_err(|source| WarehouseError::Codec { table: shape.table.clone(), source: Box::new(source) })?;
        sink.feed(out.split().freeze()).await.map_err(doing())?;
        offset += slice.num_rows();
    }
    staged.encoder.end(&mut out);
    sink.send(out.freeze()).await.map_err(doing())?;
    sink.finish().await.map_err(doing())?;
    Ok(())
}

/// Names the first column that does not fit, before the database or the codec stumbles over it.
fn fits(shape: &Shape, batch: &RecordBatch) -> Result<(), WarehouseError> {
    let refuse = |column: &str, problem| {
        Err(WarehouseError::BatchShape { table: shape.table.clone(), column: column.to_owned(), problem })
    };
    let schema = batch.schema();
    for (position, column) in shape.columns.iter().enumerate() {
        let Some(field) = schema.fields().get(position) else { return refuse(&column.name, "is missing") };
        if *field.name() != column.name {
            return refuse(&column.name, "is not where it was described");
        }
        if *field.data_type() != column.column_type.arrow() {
            return refuse(&column.name, "is of another type");
        }
        if !column.nullable && batch.column(position).null_count() > 0 {
            return refuse(&column.name, "has NULLs and may not");
        }
    }
    match schema.fields().get(shape.columns.len()) {
        Some(_) => refuse("", "was never described"),
        None => Ok(()),
    }
}
