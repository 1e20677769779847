//! What the warehouse holds, for those who ask how it stands.

use star_contract::Role;
use tokio_postgres::GenericClient;

use crate::error::while_doing;
use crate::place::Places;
use crate::star::Star;
use crate::{LedgerRow, Warehouse, WarehouseError, ledger};

/// What the warehouse holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WarehouseSummary {
    /// Every table of the prepared stars, by name.
    pub tables: Vec<TableSummary>,
    /// The newest loaded batch of each star that ever loaded one, by star.
    pub stars: Vec<LedgerRow>,
}

/// What one table holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct TableSummary {
    /// The table.
    pub table: String,
    /// Its rows; of a fact, all versions.
    pub rows: u64,
    /// Facts that wait for a dimension row.
    pub waiting: u64,
}

pub(crate) async fn read(
    client: &impl GenericClient,
    places: &Places,
    stars: &[Star],
) -> Result<WarehouseSummary, WarehouseError> {
    let mut tables: Vec<TableSummary> = Vec::new();
    for shape in stars.iter().flat_map(|star| &star.tables) {
        if tables.iter().any(|known| known.table == shape.table) {
            continue;
        }
        let waiting = match shape.role {
            Role::Dimension => "0::bigint".to_owned(),
            Role::Fact => {
                format!("(SELECT count(*) FROM {} WHERE _state = 'waiting')", places.side(&shape.waiting()))
            }
        };
        let row = client
            .query_one(&format!("SELECT count(*), {waiting} FROM {}", places.table(&shape.table)), &[])
            .await
            .map_err(while_doing("counting rows", &shape.table))?;
        tables.push(TableSummary {
            table: shape.table.clone(),
            rows: row.get::<_, i64>(0).cast_unsigned(),
            waiting: row.get::<_, i64>(1).cast_unsigned(),
        });
    }
    tables.sort();
    Ok(WarehouseSummary { tables, stars: ledger::newest_of_all(client, places).await? })
}

impl Warehouse {
    /// The highest record id that any batch of any fact was given; none before the first fact.
    ///
    /// # Errors
    /// When the ledger of ids cannot be read.
    pub async fn highest_record_id(&self) -> Result<Option<i32>, WarehouseError> {
        let query = format!("SELECT max(last_id) FROM {}", self.places().side("fact_loads"));
        let row = self.connection().query_one(&query, &[]).await;
        Ok(row.map_err(while_doing("reading the ledger of ids", "fact_loads"))?.get(0))
    }

    /// The newest loaded batch of each star that ever loaded one, by star.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn loaded_by_all(&self) -> Result<Vec<LedgerRow>, WarehouseError> {
        ledger::newest_of_all(&**self.connection(), self.places()).await
    }

    /// The rows of a table, of a fact all versions; none when there is no such table.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub async fn count(&self, table: &str) -> Result<u64, WarehouseError> {
        let (client, table) = (&**self.connection(), self.places().table(table));
        let doing = || while_doing("counting rows", &table);
        let stands = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.map_err(doing())?;
        if !stands.get::<_, bool>(0) {
            return Ok(0);
        }
        let row = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.map_err(doing())?;
        Ok(row.get::<_, i64>(0).cast_unsigned())
    }
}
