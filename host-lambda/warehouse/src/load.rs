//! One batch of one star on its way in.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;
use star_contract::{Column, Role};
use tokio_postgres::Transaction;

use crate::batch::{CheckedBatch, timestamp_literal};
use crate::bulk::{self, Suspended};
use crate::copying::{Copying, Target};
use crate::error::while_doing;
use crate::fact::Arrived;
use crate::place::Places;
use crate::shape::Shape;
use crate::star::Star;
use crate::{LoadReport, Observed, TableReport, WarehouseError, deletion, dimension, fact};

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

    /// Tells the planner about the columns a temporary table is joined by when its default guess could hurt.
    pub(crate) async fn analyze(&self, table: &str, joined_by: &str, rows: i64) -> Result<(), WarehouseError> {
        if rows < ANALYZE_ROWS {
            return Ok(());
        }
        self.run("analysing staged rows", table, &format!("ANALYZE pg_temp.{table} ({joined_by})")).await
    }
}

/// Rows of one table that have arrived.
struct Staged {
    rows: i64,
    /// Set while the rows go straight into an empty fact table that has lost its indexes and keys.
    suspended: Option<Suspended>,
}

/// Rows that an earlier batch observed and that come only now.
struct ObservedRows {
    rows: NumberedRows,
    snapshot: String,
}

/// A temporary table being filled.
struct NumberedRows {
    table: String,
    rows: i64,
}

impl NumberedRows {
    /// Makes room for so many more, and says the number of their first.
    fn add(&mut self, rows: usize) -> i64 {
        let first = self.rows;
        self.rows = first.saturating_add(i64::try_from(rows).unwrap_or(i64::MAX));
        first
    }
}

/// An open batch: stage rows, then commit. Dropping it undoes everything.
pub struct Load<'a> {
    /// The COPY under way, if there is one. Before the transaction, so that it ends first.
    copying: Option<Box<Copying>>,
    work: Work<'a>,
    staged: BTreeMap<usize, Staged>,
    /// By table and observing batch.
    observed: BTreeMap<(usize, i64), ObservedRows>,
    /// The keys that live in the source, by fact.
    living: BTreeMap<usize, NumberedRows>,
    /// The keys of refused rows, by fact and observing batch.
    refused: BTreeMap<(usize, i64), NumberedRows>,
    locked: bool,
}

impl std::fmt::Debug for Load<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("batch", &self.work.batch).finish_non_exhaustive()
    }
}

impl<'a> Load<'a> {
    pub(crate) fn new(work: Work<'a>) -> Self {
        Self {
            copying: None,
            work,
            staged: BTreeMap::new(),
            observed: BTreeMap::new(),
            living: BTreeMap::new(),
            refused: BTreeMap::new(),
            locked: false,
        }
    }

    /// Streams rows of one table. May be called any number of times, for the tables in any order; the
    /// order of the rows of one table is the order in which their source saw them.
    ///
    /// # Errors
    /// A table the star does not write, a batch that does not fit it, or a failing database; the load
    /// cannot go on after one.
    pub async fn stage(&mut self, table: &str, batch: &RecordBatch) -> Result<(), WarehouseError> {
        let (index, shape) = self.shape(table, None)?;
        self.arrive(index, shape, batch, false).await
    }

    /// Streams rows of a dimension that must not go over rows that are there, or that [`stage`](Self::stage) brings:
    /// newer ones are known. They are inserted where there is none.
    ///
    /// # Errors
    /// As [`stage`](Self::stage); and rows of a fact.
    pub async fn stage_missing(&mut self, dimension: &str, rows: &RecordBatch) -> Result<(), WarehouseError> {
        let (index, shape) = self.shape(dimension, Some(Role::Dimension))?;
        self.arrive(index, shape, rows, true).await
    }

    async fn arrive(
        &mut self,
        index: usize,
        shape: &Shape,
        batch: &RecordBatch,
        only_if_missing: bool,
    ) -> Result<(), WarehouseError> {
        fits(shape, batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if !self.staged.contains_key(&index) {
            let staged = self.open(index, shape).await?;
            self.staged.insert(index, staged);
        }
        let Some(staged) = self.staged.get_mut(&index) else { return Ok(()) };
        let target = match &mut staged.suspended {
            Some(suspended) => {
                suspended.seen.see(batch);
                Target::fact(&self.work, shape)
            }
            None => Target::temporary(&staged_name(index), &shape.columns),
        };
        // Below zero are the numbers of rows that give way to all others.
        let first = if only_if_missing { i64::MIN.saturating_add(staged.rows) } else { staged.rows };
        staged.rows = staged.rows.saturating_add(i64::try_from(batch.num_rows()).unwrap_or(i64::MAX));
        self.copy(shape, target, first, batch).await
    }

    /// Copies rows, in the COPY under way if that is into the same table.
    async fn copy(
        &mut self,
        shape: &Shape,
        target: Target,
        first: i64,
        rows: &RecordBatch,
    ) -> Result<(), WarehouseError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let copying = match self.copying.take() {
            Some(copying) if copying.takes(&target) => copying,
            other => {
                self.copying = other;
                self.settle().await?;
                Box::new(Copying::begin(&self.work, shape, target).await?)
            }
        };
        self.copying.insert(copying).send(shape, first, rows).await
    }

    /// Waits until the server has all rows that were staged. Staging more and committing do so by themselves; whoever
    /// turns to something else should, because a statement under way counts against its timeout.
    ///
    /// # Errors
    /// When the server refuses rows.
    pub async fn settle(&mut self) -> Result<(), WarehouseError> {
        match self.copying.take() {
            Some(copying) => copying.finish().await,
            None => Ok(()),
        }
    }

    /// Streams rows of a fact that an earlier batch observed and that could not be loaded then. They come before
    /// the batch's own rows of that fact, batch by batch in the order observed; one whose key has a later version
    /// by now stays out of the fact and shows in its history.
    ///
    /// # Errors
    /// As [`stage`](Self::stage); and rows of this batch or a later one, or of a dimension.
    pub async fn stage_observed(
        &mut self,
        fact: &str,
        rows: &RecordBatch,
        observed: Observed,
    ) -> Result<(), WarehouseError> {
        let (index, shape) = self.shape(fact, Some(Role::Fact))?;
        fits(shape, rows)?;
        let out_of_order = || WarehouseError::OutOfOrder {
            star: self.work.star.name.clone(),
            newest: self.work.batch.number.cast_unsigned(),
            offered: observed.batch,
        };
        let batch = i64::try_from(observed.batch).map_err(|_| out_of_order())?;
        if batch >= self.work.batch.number {
            return Err(out_of_order());
        }
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let key = (index, batch);
        if !self.observed.contains_key(&key) {
            let table = format!("observed_{index}_{batch}");
            let snapshot = timestamp_literal(observed.snapshot_micros).ok_or_else(out_of_order)?;
            let rows = self.temporary(&table, shape, &shape.staged_definitions()).await?;
            self.observed.insert(key, ObservedRows { rows, snapshot });
        }
        let Some(observed) = self.observed.get_mut(&key) else { return Ok(()) };
        let target = Target::temporary(&observed.rows.table, &shape.columns);
        let first = observed.rows.add(rows.num_rows());
        self.copy(shape, target, first, rows).await
    }

    /// Streams the keys of every row the source has of what the fact is about: keys that are known and not among
    /// them were deleted. To be called at least once for a set, if only with a batch without rows.
    ///
    /// # Errors
    /// As [`stage`](Self::stage).
    pub async fn stage_living_keys(&mut self, fact: &str, keys: &RecordBatch) -> Result<(), WarehouseError> {
        let (index, shape) = self.shape(fact, Some(Role::Fact))?;
        if !self.living.contains_key(&index) {
            let rows = self.key_table(&format!("living_{index}"), shape).await?;
            self.living.insert(index, rows);
        }
        let Some(living) = self.living.get_mut(&index) else { return Ok(()) };
        let target = Target::temporary(&living.table, &shape.key_columns());
        let first = living.add(keys.num_rows());
        self.copy(shape, target, first, &as_key(shape, keys)?).await
    }

    /// Streams the keys of rows that a batch observed and a component still refuses. To be called in every load as
    /// long as it does: the fact has no version of them, so that their deletion would go unnoticed, and a current
    /// version that is observed again has overtaken them.
    ///
    /// # Errors
    /// As [`stage`](Self::stage).
    pub async fn stage_refused_keys(
        &mut self,
        fact: &str,
        keys: &RecordBatch,
        observed_in: u64,
    ) -> Result<(), WarehouseError> {
        let (index, shape) = self.shape(fact, Some(Role::Fact))?;
        let batch = i64::try_from(observed_in)
            .map_err(|_| WarehouseError::Range { star: self.work.star.name.clone(), batch: observed_in })?;
        let key = (index, batch);
        if !self.refused.contains_key(&key) {
            let rows = self.key_table(&format!("refused_{index}_{batch}"), shape).await?;
            self.refused.insert(key, rows);
        }
        let Some(refused) = self.refused.get_mut(&key) else { return Ok(()) };
        let target = Target::temporary(&refused.table, &shape.key_columns());
        let first = refused.add(keys.num_rows());
        self.copy(shape, target, first, &as_key(shape, keys)?).await
    }

    fn shape(&self, table: &str, role: Option<Role>) -> Result<(usize, &'a Shape), WarehouseError> {
        let star: &'a Star = self.work.star;
        let named = |shape: &Shape| shape.table == table && role.is_none_or(|role| shape.role == role);
        star.tables
            .iter()
            .enumerate()
            .find(|(_, shape)| named(shape))
            .ok_or_else(|| WarehouseError::UnknownTable { star: star.name.clone(), table: table.to_owned() })
    }

    async fn key_table(&mut self, table: &str, shape: &Shape) -> Result<NumberedRows, WarehouseError> {
        let definitions = shape.key_definitions();
        self.temporary(table, shape, definitions.trim_end_matches(", ")).await
    }

    async fn temporary(
        &mut self,
        table: &str,
        shape: &Shape,
        definitions: &str,
    ) -> Result<NumberedRows, WarehouseError> {
        self.settle().await?;
        let create = format!("CREATE TEMP TABLE {table} (_ord bigint NOT NULL, {definitions}) ON COMMIT DROP");
        self.work.run("staging rows", &shape.table, &create).await?;
        Ok(NumberedRows { table: table.to_owned(), rows: 0 })
    }

    async fn open(&mut self, index: usize, shape: &Shape) -> Result<Staged, WarehouseError> {
        self.settle().await?;
        // What goes straight into the fact can be compared with nothing that came before or waits.
        let alone = !self.observed.keys().chain(self.refused.keys()).any(|(table, _)| *table == index);
        let suspended = if shape.role == Role::Fact && alone && bulk::applies(&self.work, shape).await? {
            // Taking the keys away locks the dimensions, so loads of other stars must be lined up first.
            self.lock_shared_dimensions().await?;
            bulk::suspend(&self.work, shape).await?
        } else {
            None
        };
        if suspended.is_none() {
            self.temporary(&staged_name(index), shape, &shape.staged_definitions()).await?;
        }
        Ok(Staged { rows: 0, suspended })
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
            self.work.places.lock_dimension(&self.work.transaction, dimension).await?;
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
        self.settle().await?;
        self.lock_shared_dimensions().await?;
        let Self { work, mut staged, observed, living, refused, .. } = self;
        let mut tables: BTreeMap<usize, TableReport> = BTreeMap::new();
        for (index, shape) in work.star.tables_of(Role::Dimension) {
            let report = match staged.remove(&index) {
                None => TableReport { table: shape.table.clone(), ..TableReport::default() },
                Some(staged) => {
                    work.analyze(&staged_name(index), &shape.key_list(""), staged.rows).await?;
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
            let mut report = match restored {
                Some(report) => report,
                None => {
                    let own = (rows > 0).then(|| Arrived {
                        batch: work.batch.number,
                        snapshot: work.batch.snapshot.clone(),
                        table: staged_name(index),
                        rows,
                    });
                    let earlier = observed.iter().filter(|((table, _), _)| *table == index);
                    let earlier = earlier.map(|((_, batch), observed)| Arrived {
                        batch: *batch,
                        snapshot: observed.snapshot.clone(),
                        table: observed.rows.table.clone(),
                        rows: observed.rows.rows,
                    });
                    let arrived: Vec<Arrived> = earlier.chain(own).collect();
                    fact::append(&work, shape, index, &arrived).await?
                }
            };
            let refused: Vec<_> = refused
                .iter()
                .filter(|((table, _), _)| *table == index)
                .map(|((_, batch), rows)| (*batch, rows.table.clone()))
                .collect();
            if rows > 0 {
                fact::overtake(&work, shape, &staged_name(index), &refused).await?;
            }
            if let Some(living) = living.get(&index) {
                work.analyze(&living.table, &shape.key_list(""), living.rows).await?;
                report.deleted = deletion::notice(&work, shape, &living.table, &refused).await?;
            }
            if report.appended > 0 || report.deleted > 0 {
                deletion::close(&work, shape).await?;
            }
            tables.insert(index, report);
        }
        let ledger = format!(
            "INSERT INTO {} (star, batch, snapshot_at, component_digest, attempt, report)
             VALUES ($1, $2, {}, $3, $4, $5)",
            work.places.side("loads"),
            work.batch.snapshot,
        );
        let batch = &work.batch;
        let report = LoadReport { tables: tables.into_values().collect() };
        let told = serde_json::to_string(&report).unwrap_or_default();
        work.transaction
            .execute(&ledger, &[&batch.star, &batch.number, &batch.component_digest, &batch.attempt, &told])
            .await
            .map_err(while_doing("writing the ledger", &batch.star))?;
        totesys_failpoint::pass("load:before-commit");
        let star = work.batch.star;
        work.transaction.commit().await.map_err(while_doing("committing a batch", &star))?;
        for report in &report.tables {
            tracing::info!(
                star,
                table = report.table,
                offered = report.rows_offered,
                inserted = report.inserted,
                updated = report.updated,
                appended = report.appended,
                waiting = report.waiting,
                deleted = report.deleted,
                "table loaded"
            );
        }
        Ok(report)
    }
}

/// The temporary table of a star's nth table.
fn staged_name(index: usize) -> String {
    format!("staged_{index}")
}

/// The key columns of a source table under the names the fact gives them.
fn as_key(shape: &Shape, keys: &RecordBatch) -> Result<RecordBatch, WarehouseError> {
    let columns = shape.key_columns();
    let fields: Vec<_> = columns.iter().map(Column::field).collect();
    let wrong =
        |problem| WarehouseError::BatchShape { table: shape.table.clone(), column: shape.key.join(", "), problem };
    let named = RecordBatch::try_new(Arc::new(Schema::new(fields)), keys.columns().to_vec());
    named.map_err(|_| wrong("is not of the key's type"))
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
