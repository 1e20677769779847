//! Whose data this is: a warehouse takes batches of one lake and one source only.

use std::fmt;

use tokio_postgres::Client;
use totesys_postgres::quote_identifier;

use crate::error::while_doing;
use crate::place::{PREPARE, Places, Standing};
use crate::{WarehouseError, generation, side};

/// The lake and source a warehouse is filled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeStamp {
    /// The lake's id.
    pub lake_id: String,
    /// The source server's system identifier.
    pub system_identifier: String,
    /// The source database.
    pub database: String,
}

impl fmt::Display for LakeStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lake {}, source {} database {}", self.lake_id, self.system_identifier, self.database)
    }
}

/// Stamps an unstamped warehouse, creating its schemas and the tables every star shares, and
/// compares the stamp.
pub(crate) async fn check(
    client: &mut Client,
    places: &Places,
    standing: Standing,
    stamp: &LakeStamp,
) -> Result<(), WarehouseError> {
    if !standing.stamped {
        create(client, places, standing, stamp).await?;
    }
    compare(client, places, stamp).await
}

/// Refuses a warehouse that is stamped otherwise.
pub(crate) async fn compare(client: &Client, places: &Places, stamp: &LakeStamp) -> Result<(), WarehouseError> {
    let row = client
        .query_one(&format!("SELECT lake_id, system_identifier, database FROM {}", places.side("stamp")), &[])
        .await
        .map_err(while_doing("reading the stamp", &places.schema))?;
    let found = LakeStamp { lake_id: row.get(0), system_identifier: row.get(1), database: row.get(2) };
    if found == *stamp {
        Ok(())
    } else {
        Err(WarehouseError::Stamp { found: Box::new(found), expected: Box::new(stamp.clone()) })
    }
}

async fn create(
    client: &mut Client,
    places: &Places,
    standing: Standing,
    stamp: &LakeStamp,
) -> Result<(), WarehouseError> {
    let doing = || while_doing("creating the schema and side tables", &places.schema);
    let transaction = client.transaction().await.map_err(doing())?;
    places.lock(&transaction, PREPARE).await?;
    // Another process may have stamped it by now; but a ledger without a stamp has lost it.
    let lost = transaction
        .query_one(
            "SELECT to_regclass($1) IS NULL AND to_regclass($2) IS NOT NULL",
            &[&places.side("stamp"), &places.side("loads")],
        )
        .await
        .map_err(doing())?;
    if lost.get(0) {
        return Err(side::missing(places.side("stamp"), places.side("loads")));
    }
    if !standing.schema_exists {
        transaction
            .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", quote_identifier(&places.schema)))
            .await
            .map_err(|error| match while_doing("creating the schema", &places.schema)(error) {
            WarehouseError::Rights { .. } => WarehouseError::NoSchema { schema: places.schema.clone() },
            other => other,
        })?;
    }
    // CREATE SCHEMA IF NOT EXISTS asks for the right before it looks, so an existing schema is not asked for.
    let beside_exists: bool = transaction
        .query_one("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1::text)", &[&places.side_schema()])
        .await
        .map_err(doing())?
        .get(0);
    if !beside_exists {
        let create = format!("CREATE SCHEMA {}", quote_identifier(places.side_schema()));
        transaction.batch_execute(&create).await.map_err(doing())?;
    }
    let tables = format!(
        "CREATE TABLE IF NOT EXISTS {stamp} (
             only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
             lake_id text NOT NULL, system_identifier text NOT NULL, database text NOT NULL,
             stamped_at timestamptz NOT NULL DEFAULT clock_timestamp());
         CREATE TABLE IF NOT EXISTS {loads} (
             star text, batch bigint, snapshot_at timestamptz NOT NULL, component_digest text NOT NULL,
             loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(), attempt text NOT NULL,
             report text NOT NULL DEFAULT '', PRIMARY KEY (star, batch));
         CREATE TABLE IF NOT EXISTS {fact_loads} (
             fact text, batch bigint NOT NULL, star text NOT NULL, first_id integer, last_id integer NOT NULL,
             snapshot_at timestamptz NOT NULL, component_digest text NOT NULL,
             PRIMARY KEY (fact, first_id), UNIQUE (fact, batch));
         CREATE TABLE IF NOT EXISTS {views} (view text PRIMARY KEY, definition text NOT NULL);
         {generations}",
        stamp = places.side("stamp"),
        loads = places.side("loads"),
        fact_loads = places.side("fact_loads"),
        views = places.side("views"),
        generations = generation::create(places),
    );
    transaction.batch_execute(&tables).await.map_err(doing())?;
    transaction
        .execute(
            &format!(
                "INSERT INTO {} (lake_id, system_identifier, database) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                places.side("stamp")
            ),
            &[&stamp.lake_id, &stamp.system_identifier, &stamp.database],
        )
        .await
        .map_err(doing())?;
    transaction.commit().await.map_err(doing())
}
