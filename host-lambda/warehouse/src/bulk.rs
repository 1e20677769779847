//! The fast way into an empty fact: its indexes and keys are taken away, rows are copied straight in, and everything
//! is built before the commit. That keys do not repeat and that dimensions have what the rows name is known from the
//! rows themselves as they pass.

mod seen;

use star_contract::{ColumnType, Reference};
use totesys_postgres::{PostgresError, PostgresErrorKind, quote_identifier, quote_literal};

use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;
use crate::{TableReport, WarehouseError, fact};

use seen::Seen;

/// How long to wait for the dimensions' locks: readers queue behind whoever waits for one.
const LOCK_TIMEOUT: &str = "1s";

/// From so many rows on a foreign key comes back as `NOT VALID`: it is enforced, but the server does not read the rows
/// once more for each key. [`Warehouse::prepare`](crate::Warehouse::prepare) has that done later, when nobody waits for it.
const LEFT_TO_LATER: i64 = 100_000;

const NOT_VALID: &str = " NOT VALID";

/// What gives a fact its indexes and keys back, and what is known of its rows.
pub(crate) struct Suspended {
    keys_and_indexes: Vec<String>,
    foreign_keys: Vec<ForeignKey>,
    pub(crate) seen: Seen,
}

struct ForeignKey {
    /// Its column, if it has but one, and the table it points at if that is beside the fact.
    column: Option<String>,
    target: Option<String>,
    statement: String,
}

/// Whether a fact is empty, and so are its heads and its queue, and its rows arrive as its columns hold them.
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
    let table = work.places.table(&shape.table);
    let literal = quote_literal(&table);
    let (mut keys_and_indexes, mut foreign_keys, mut take_away) = (Vec::new(), Vec::new(), String::new());
    let keys = format!(
        "SELECT k.conname::text, pg_get_constraintdef(k.oid), k.contype = 'f',
                CASE WHEN cardinality(k.conkey) = 1 THEN a.attname::text END, t.relname::text
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         LEFT JOIN pg_class t ON t.oid = k.confrelid AND t.relnamespace = c.relnamespace
         LEFT JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
         WHERE k.conrelid = {literal}::regclass AND k.contype IN ('p', 'u', 'f')
         ORDER BY k.contype = 'f', k.conname"
    );
    let keys = work
        .transaction
        .query(&keys, &[])
        .await
        .map_err(while_doing("reading the keys of an empty fact", &shape.table))?;
    for key in &keys {
        let (name, definition): (String, String) = (quote_identifier(key.get(0)), key.get(1));
        take_away.push_str(&format!("ALTER TABLE {table} DROP CONSTRAINT {name};"));
        let statement = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}");
        if key.get(2) {
            foreign_keys.push(ForeignKey { column: key.get(3), target: key.get(4), statement });
        } else {
            keys_and_indexes.push(statement);
        }
    }
    let indexes = format!(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i
         WHERE indrelid = {literal}::regclass
           AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)"
    );
    let indexes = work
        .transaction
        .query(&indexes, &[])
        .await
        .map_err(while_doing("reading the indexes of an empty fact", &shape.table))?;
    for index in &indexes {
        take_away.push_str(&format!("DROP INDEX {};", index.get::<_, String>(0)));
        keys_and_indexes.push(index.get(1));
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
            Ok(Some(Suspended { keys_and_indexes, foreign_keys, seen: Seen::of(shape) }))
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
    let table = work.places.table(&shape.table);
    let Suspended { keys_and_indexes: mut strict, foreign_keys, seen } = suspended;
    let (mut restore, mut named) = (strict.clone(), Vec::new());
    for ForeignKey { column, target, statement } in foreign_keys {
        let reference = shape.references.iter().position(|reference| {
            (column.as_ref(), target.as_ref()) == (Some(&reference.column), Some(&reference.table))
        });
        let keys = reference.filter(|_| rows >= LEFT_TO_LATER).and_then(|reference| seen.named(reference));
        restore.push(match (&keys, statement.ends_with(NOT_VALID)) {
            (Some(_), false) => format!("{statement}{NOT_VALID}"),
            _ => statement.clone(),
        });
        strict.push(statement);
        named.extend(reference.map(|reference| &shape.references[reference]).zip(keys));
    }
    work.run(doing, &shape.table, "SAVEPOINT resuming").await?;
    let holds = match work.transaction.batch_execute(&restore.join(";")).await {
        Err(error) if totesys_postgres::classify(&error) == PostgresErrorKind::ConstraintViolation => false,
        Err(error) => return Err(while_doing(doing, &shape.table)(error)),
        // The keys stand, so that nothing can come between what is found now and the commit.
        Ok(()) => keys_differ(work, shape, &seen).await? && all_there(work, shape, &named).await?,
    };
    if !holds {
        let retreat = format!(
            "ROLLBACK TO SAVEPOINT resuming;
             CREATE TEMP TABLE {staged} ON COMMIT DROP AS SELECT {id}::bigint AS _ord, {columns} FROM {table};
             TRUNCATE {table}; {strict}",
            id = shape.id(),
            columns = shape.list(""),
            strict = strict.join(";"),
        );
        work.run(doing, &shape.table, &retreat).await?;
        return Ok(None);
    }
    // No version is the second of its key, so none needs a head.
    work.run(doing, &shape.table, &format!("RELEASE SAVEPOINT resuming; ANALYZE {table}")).await?;
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

/// Whether every business key came once; the server is asked where that was not followed.
async fn keys_differ(work: &Work<'_>, shape: &Shape, seen: &Seen) -> Result<bool, WarehouseError> {
    if let Some(differ) = seen.keys_differ() {
        return Ok(differ);
    }
    let repeated = format!(
        "(SELECT FROM {} GROUP BY {} HAVING count(*) > 1 LIMIT 1) repeated",
        work.places.table(&shape.table),
        shape.key_list(""),
    );
    Ok(!fact::exists(work, shape, &repeated).await?)
}

/// Whether dimensions have what rows name.
async fn all_there(work: &Work<'_>, shape: &Shape, named: &[(&Reference, Vec<i64>)]) -> Result<bool, WarehouseError> {
    for (reference, keys) in named {
        let column = shape.columns.iter().find(|column| column.name == reference.column);
        // Days are counted from 1970, as Arrow does; infinity is beyond what can be added to a date.
        let key = match column.map(|column| column.column_type) {
            Some(ColumnType::Date) => {
                "CASE WHEN n.key BETWEEN -2440588 AND 2145042541 THEN date '1970-01-01' + n.key::integer END"
            }
            _ => "n.key",
        };
        let missing = format!(
            "SELECT EXISTS (SELECT FROM unnest($1::bigint[]) n (key)
                            WHERE NOT EXISTS (SELECT FROM {dimension} d WHERE d.{target} = {key}))",
            dimension = work.places.table(&reference.table),
            target = quote_identifier(&reference.target),
        );
        let row = work.transaction.query_one(&missing, &[keys]).await;
        if row.map_err(while_doing("looking for what facts refer to", &shape.table))?.get(0) {
            return Ok(false);
        }
    }
    Ok(true)
}
