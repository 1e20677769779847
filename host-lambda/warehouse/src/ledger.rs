//! The ledger: which batches of which star are in, written in the transaction of the data.

use tokio_postgres::{GenericClient, Row};

use crate::error::while_doing;
use crate::place::Places;
use crate::{LoadReport, WarehouseError};

/// One loaded batch of one star.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LedgerRow {
    /// The star.
    pub star: String,
    /// The batch.
    pub batch: u64,
    /// When the batch's snapshot was taken, in microseconds since 1970 UTC.
    pub snapshot_micros: i64,
    /// The component that made the rows.
    pub component_digest: String,
    /// When it was loaded, in microseconds since 1970 UTC.
    pub loaded_micros: i64,
    /// The attempt that loaded it.
    pub attempt: String,
    /// What the load did.
    pub report: LoadReport,
}

const COLUMNS: &str = "star, batch, round(extract(epoch FROM snapshot_at) * 1000000)::bigint, component_digest,
                       round(extract(epoch FROM loaded_at) * 1000000)::bigint, attempt, report";

fn ledger_row(row: &Row) -> LedgerRow {
    LedgerRow {
        star: row.get(0),
        batch: row.get::<_, i64>(1).cast_unsigned(),
        snapshot_micros: row.get(2),
        component_digest: row.get(3),
        loaded_micros: row.get(4),
        attempt: row.get(5),
        // Only the lake's own ledger wants it, and can do without.
        report: serde_json::from_str(row.get(6)).unwrap_or_default(),
    }
}

/// The newest loaded batch of a star.
pub(crate) async fn newest(
    client: &impl GenericClient,
    places: &Places,
    star: &str,
) -> Result<Option<LedgerRow>, WarehouseError> {
    let query = format!("SELECT {COLUMNS} FROM {} WHERE star = $1 ORDER BY batch DESC LIMIT 1", places.side("loads"));
    let row = client.query_opt(&query, &[&star]).await.map_err(while_doing("reading the ledger", star))?;
    Ok(row.as_ref().map(ledger_row))
}

/// One batch of a star, if it is loaded.
pub(crate) async fn of_batch(
    client: &impl GenericClient,
    places: &Places,
    star: &str,
    batch: i64,
) -> Result<Option<LedgerRow>, WarehouseError> {
    let query = format!("SELECT {COLUMNS} FROM {} WHERE star = $1 AND batch = $2", places.side("loads"));
    let row = client.query_opt(&query, &[&star, &batch]).await.map_err(while_doing("reading the ledger", star))?;
    Ok(row.as_ref().map(ledger_row))
}

/// The newest loaded batch of every star.
pub(crate) async fn newest_of_all(
    client: &impl GenericClient,
    places: &Places,
) -> Result<Vec<LedgerRow>, WarehouseError> {
    let query = format!("SELECT DISTINCT ON (star) {COLUMNS} FROM {} ORDER BY star, batch DESC", places.side("loads"));
    let rows = client.query(&query, &[]).await.map_err(while_doing("reading the ledger", &places.schema))?;
    Ok(rows.iter().map(ledger_row).collect())
}

/// The loaded batches of a star after one, in order.
pub(crate) async fn since(
    client: &impl GenericClient,
    places: &Places,
    star: &str,
    batch: i64,
) -> Result<Vec<LedgerRow>, WarehouseError> {
    let query = format!("SELECT {COLUMNS} FROM {} WHERE star = $1 AND batch > $2 ORDER BY batch", places.side("loads"));
    let rows = client.query(&query, &[&star, &batch]).await.map_err(while_doing("reading the ledger", star))?;
    Ok(rows.iter().map(ledger_row).collect())
}
