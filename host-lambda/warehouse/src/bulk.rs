//! The fast way into an empty fact: its indexes and keys are taken away, rows are copied straight in,
//! and everything is built and validated set-wise before the commit.

use star_contract::ColumnType;
use totesys_postgres::{PostgresError, PostgresErrorKind, quote_identifier, quote_literal};

use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;
use crate::{TableReport, WarehouseError, fact};

/// How long to wait for the dimensions' locks: readers queue behind whoever waits for one.
const LOCK_TIMEOUT: &str = "1s";

/// The statements that give a fact and its head table their indexes and keys back.
#[derive(Debug)]
pub(crate) struct Suspended {
    restore: Vec<String>,
}

/// Whether a fact is empty, and so are its head and its queue, and its rows arrive as its columns hold them.
pub(crate) async fn applies(work: &Work<'_>, shape: &Shape) -> Result<bool, WarehouseError> {
    if shape.columns.iter().any(|column| column.column_type == ColumnType::Json) {
        return Ok(false);
    }
    for table in [work.places.table(&shape.table), work.places.side(&shape.head()), work.places.side(&shape.waiting())]
    {
        if fact::exists(work, shape, &table).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes indexes and keys away, or changes nothing when the server objects: a reader may hold a lock
/// on a dimension, or something of the user's may depend on a key.
pub(crate) async fn suspend(work: &Work<'_>, shape: &Shape) -> Result<Option<Suspended>, WarehouseError> {
    let mut restore = Vec::new();
    let mut take_away = String::new();
    for table in [work.places.table(&shape.table), work.places.side(&shape.head())] {
        let literal = quote_literal(&table);
        let keys = work
            .transaction
            .query(
                &format!(
                    "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint
                     WHERE conrelid = {literal}::regclass AND contype IN ('p', 'u', 'f')
                     ORDER BY contype = 'f', conname"
                ),
                &[],
            )
            .await
            .map_err(while_doing("reading the keys of an empty fact", &shape.table))?;
        for key in &keys {
            let (name, definition): (String, String) = (quote_identifier(key.get(0)), key.get(1));
            take_away.push_str(&format!("ALTER TABLE {table} DROP CONSTRAINT {name};"));
            restore.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"));
        }
        let indexes = work
            .transaction
            .query(
                &format!(
                    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i
                     WHERE indrelid = {literal}::regclass
                       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid
                                       AND k.conrelid = i.indrelid)"
                ),
                &[],
            )
            .await
            .map_err(while_doing("reading the indexes of an empty fact", &shape.table))?;
        for index in &indexes {
            take_away.push_str(&format!("DROP INDEX {};", index.get::<_, String>(0)));
            restore.push(index.get(1));
        }
    }
    let doing = "taking the keys of an empty fact away";
    let patience =
        work.transaction.query_one("SHOW lock_timeout", &[]).await.map_err(while_doing(doing, &shape.table))?;
    let patience = quote_literal(patience.get(0));
    let take_away =
        format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {take_away} SET LOCAL lock_timeout = {patience}");
    work.run(doing, &shape.table, "SAVEPOINT suspending").await?;
    match work.transaction.batch_execute(&take_away).await {
        Ok(()) => {
            work.run(doing, &shape.table, "RELEASE SAVEPOINT suspending").await?;
            Ok(Some(Suspended { restore }))
        }
        Err(error) => {
            tracing::debug!(table = shape.table, error = %PostgresError::from(error), "keys stay in place");
            work.run(doing, &shape.table, "ROLLBACK TO SAVEPOINT suspending").await?;
            Ok(None)
        }
    }
}

/// The id of the next row, when so many follow.
pub(crate) fn first_id(shape: &Shape, rows_before: i64, rows: usize) -> Result<i32, WarehouseError> {
    fact::id(shape, rows_before.saturating_add(i64::try_from(rows).unwrap_or(i64::MAX)))?;
    fact::id(shape, rows_before + 1)
}

/// Gives indexes and keys back. When keys repeat or references are missing, the rows move to the
/// staging table instead, the fact is empty again, and there is no report yet.
pub(crate) async fn resume(
    work: &Work<'_>,
    shape: &Shape,
    suspended: Suspended,
    rows: i64,
    staged: &str,
) -> Result<Option<TableReport>, WarehouseError> {
    let doing = "giving a fact its keys back";
    let (fact_table, head) = (work.places.table(&shape.table), work.places.side(&shape.head()));
    let restore = suspended.restore.join(";");
    let finish = format!(
        "INSERT INTO {head} ({key}, _record_id, _batch) SELECT {key}, {id}, {batch} FROM {fact_table}; {restore};
         ANALYZE {fact_table}, {head}",
        key = shape.key_list(""),
        id = shape.id(),
        batch = work.batch.number,
    );
    work.run(doing, &shape.table, "SAVEPOINT resuming").await?;
    if let Err(error) = work.transaction.batch_execute(&finish).await {
        if PostgresErrorKind::ConstraintViolation != totesys_postgres::classify(&error) {
            return Err(while_doing(doing, &shape.table)(error));
        }
        let retreat = format!(
            "ROLLBACK TO SAVEPOINT resuming;
             CREATE TEMP TABLE {staged} ON COMMIT DROP AS
             SELECT {id}::bigint AS _ord, {columns} FROM {fact_table};
             TRUNCATE {fact_table}; {restore}",
            id = shape.id(),
            columns = shape.list(""),
        );
        work.run(doing, &shape.table, &retreat).await?;
        return Ok(None);
    }
    work.run(doing, &shape.table, "RELEASE SAVEPOINT resuming").await?;
    let ids = (1, fact::id(shape, rows)?);
    fact::note_ids(work, shape, ids).await?;
    Ok(Some(TableReport {
        table: shape.table.clone(),
        rows_offered: rows.cast_unsigned(),
        appended: rows.cast_unsigned(),
        first_id: Some(ids.0),
        last_id: Some(ids.1),
        ..TableReport::default()
    }))
}
