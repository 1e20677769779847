//! Whether tables may change places, and the locks they need for it.

use std::time::{Duration, Instant};

use tokio_postgres::Transaction;
use totesys_postgres::quote_literal;

use crate::WarehouseError;
use crate::error::while_doing;

/// The longest a change of places waits for readers. Less than the second after which PostgreSQL looks for deadlocks
/// (`deadlock_timeout`): when a reader and we wait for each other, it is we who give up.
const PATIENCE: Duration = Duration::from_millis(900);

/// Refuses tables and views of somebody else's.
pub(super) async fn check_owner(transaction: &Transaction<'_>, relations: &[u32]) -> Result<(), WarehouseError> {
    let rows = transaction
        .query(
            "SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class c
             WHERE c.oid = ANY ($1) AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1",
            &[&relations],
        )
        .await
        .map_err(while_doing("looking for the owners of tables", "pg_class"))?;
    if rows.is_empty() {
        return Ok(());
    }
    Err(WarehouseError::NotOwner { objects: rows.iter().map(|row| row.get(0)).collect() })
}

/// Refuses tables whose rows are hidden even from their owner: the ones that take their places have no policies, and
/// a view of ours would show everything or nothing.
pub(super) async fn check_row_security(transaction: &Transaction<'_>, tables: &[u32]) -> Result<(), WarehouseError> {
    let rows = transaction
        .query(
            "SELECT c.oid::regclass::text FROM pg_class c
             WHERE c.oid = ANY ($1) AND c.relforcerowsecurity ORDER BY 1",
            &[&tables],
        )
        .await
        .map_err(while_doing("looking for row security", "pg_class"))?;
    if rows.is_empty() {
        return Ok(());
    }
    Err(WarehouseError::ForcedRowSecurity { tables: rows.iter().map(|row| row.get(0)).collect() })
}

/// Waits for whoever uses these views and tables, and lets nobody else begin. Views come first, one by one, as readers
/// lock them: who reads a view holds it before its tables. `LOCK TABLE` of a view would take its tables at once, which
/// the next view's reader may be about to want; giving a view the owner it has locks the view alone.
pub(super) async fn take(transaction: &Transaction<'_>, views: &[u32], tables: &[u32]) -> Result<(), WarehouseError> {
    let doing = || while_doing("waiting for readers of the tables", "pg_class");
    let row = transaction
        .query_one(
            "SELECT current_setting('lock_timeout'),
                    ARRAY(SELECT format('ALTER VIEW %s OWNER TO %I', c.oid::regclass, pg_get_userbyid(c.relowner))
                          FROM pg_class c WHERE c.oid = ANY ($1) ORDER BY c.oid),
                    ARRAY(SELECT format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', c.oid::regclass)
                          FROM unnest($2::oid[]) WITH ORDINALITY AS t (oid, turn) JOIN pg_class c USING (oid)
                          ORDER BY t.turn)",
            &[&views, &tables],
        )
        .await
        .map_err(doing())?;
    let (usual, views, tables): (String, Vec<String>, Vec<String>) = (row.get(0), row.get(1), row.get(2));
    let begun = Instant::now();
    for statement in views.iter().chain(&tables) {
        // All waits together, or a reader that began to wait for us before the last of them would give up first.
        let left = PATIENCE.saturating_sub(begun.elapsed()).as_millis().max(1);
        let lock = format!("SET LOCAL lock_timeout = {left}; {statement}");
        transaction.batch_execute(&lock).await.map_err(doing())?;
    }
    let restore = format!("SET LOCAL lock_timeout = {}", quote_literal(&usual));
    transaction.batch_execute(&restore).await.map_err(doing())
}
