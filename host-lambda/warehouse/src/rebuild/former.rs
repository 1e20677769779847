//! The tables a rebuild replaced: noted when they are moved away, kept until somebody accepts the rebuild.

use tokio_postgres::{GenericClient, Transaction};
use totesys_postgres::quote_literal;

use crate::error::while_doing;
use crate::place::{PREPARE, Places};
use crate::rebuild::ours::{OurTable, Ours, Reach, described};
use crate::rebuild::{dependents, schemas, shadow};
use crate::{Warehouse, WarehouseError, side};

/// The side table among the former ones that says which tables they are, and which rebuild replaced them.
const MOVED: &str = "moved";

/// The one that says which tables came in their places, and which stars' tables stayed.
const SWAPPED: &str = "swapped";

/// The tables a rebuild replaced.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FormerTables {
    /// The schema they are in.
    pub schema: String,
    /// The star that was rebuilt.
    pub star: String,
    /// The generation the rebuild made.
    pub generation: u64,
    /// When it was swapped in, in microseconds since 1970 UTC.
    pub swapped_micros: i64,
    /// The facts and dimensions that still stand there, by name.
    pub tables: Vec<FormerTable>,
}

/// A fact or dimension that a rebuild replaced.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FormerTable {
    /// The table.
    pub table: String,
}

impl Warehouse {
    /// The tables that the last rebuild replaced, until it is accepted or undone.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn former(&self) -> Result<Option<FormerTables>, WarehouseError> {
        let former = self.rebuild_places()?.former;
        let client = &**self.connection();
        if !is_kept(client, &former).await? {
            return Ok(None);
        }
        let doing = || while_doing("reading what a rebuild replaced", &former.schema);
        let query = format!(
            "SELECT star, generation, round(extract(epoch FROM moved_at) * 1000000)::bigint FROM {} LIMIT 1",
            former.side(MOVED)
        );
        let Some(rebuild) = client.query_opt(&query, &[]).await.map_err(doing())? else { return Ok(None) };
        let tables = standing(client, &former).await?.into_iter().filter(|table| !table.beside);
        let tables = tables.map(|table| FormerTable { table: table.name }).collect();
        Ok(Some(FormerTables {
            schema: former.schema.clone(),
            star: rebuild.get(0),
            generation: rebuild.get::<_, i64>(1).cast_unsigned(),
            swapped_micros: rebuild.get(2),
            tables,
        }))
    }

    /// Drops what the last rebuild replaced, and says which tables that were. Views of ours that read them, of facts
    /// that are described no longer, go with them.
    ///
    /// # Errors
    /// When nothing is kept, or something of somebody else's depends on it.
    pub async fn accept_rebuild(&mut self) -> Result<Vec<String>, WarehouseError> {
        let former = self.rebuild_places()?.former;
        let (connection, places, stars) = self.parts_and_stars();
        let doing = || while_doing("dropping what a rebuild replaced", &former.schema);
        let transaction = connection.transaction().await.map_err(doing())?;
        places.lock(&transaction, PREPARE).await?;
        if !is_kept(&transaction, &former).await? {
            return Err(WarehouseError::NoFormer { schema: former.schema });
        }
        let tables = standing(&transaction, &former).await?;
        let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
        let main = Ours::find(&transaction, places, &described(stars), Reach::SideTables).await?;
        let stale = dependents::views_reading(&transaction, &main, &oids).await?;
        let stale_oids: Vec<u32> = stale.iter().filter_map(|view| main.views.get(view)).copied().collect();
        let dropped = [oids, stale_oids.clone()].concat();
        let dependents = dependents::of(&transaction, &dropped, &stale_oids).await?;
        if !dependents.is_empty() {
            return Err(WarehouseError::StillUsed { dependents, instead: None });
        }
        drop_stale(&transaction, places, &stale).await?;
        let names: Vec<String> = tables.iter().map(|table| table.at(&former)).collect();
        shadow::drop_tables(&transaction, &former, &names).await?;
        forget(&transaction, &former).await?;
        schemas::drop_empty(&transaction, &former.schemas()).await?;
        transaction.commit().await.map_err(doing())?;
        tracing::info!("a rebuild was accepted: the tables it replaced are dropped");
        Ok(tables.into_iter().map(|table| table.name).collect())
    }
}

/// Whether an earlier rebuild's former tables are there.
pub(super) async fn is_kept(client: &impl GenericClient, former: &Places) -> Result<bool, WarehouseError> {
    former.has_side(client, MOVED).await
}

/// Drops views of ours that read what is to go, and forgets them.
pub(super) async fn drop_stale(
    transaction: &Transaction<'_>,
    places: &Places,
    views: &[String],
) -> Result<(), WarehouseError> {
    if views.is_empty() {
        return Ok(());
    }
    shadow::drop_views(transaction, places, views.iter()).await?;
    let forget = format!("DELETE FROM {} WHERE view = ANY ($1)", places.side(side::VIEWS));
    let doing = while_doing("forgetting views", &places.schema);
    transaction.execute(&forget, &[&views]).await.map_err(doing)?;
    Ok(())
}

/// What a swap did, for whoever undoes it.
#[derive(Debug, Default)]
pub(super) struct Swapped {
    /// The tables that came from the shadow, side tables or not.
    pub(super) arrived: Vec<(String, bool)>,
    /// The stars whose tables stayed where they were.
    pub(super) stayed: Vec<String>,
}

impl Swapped {
    /// What was noted, if it was: older swaps noted only what they moved away.
    pub(super) async fn read(client: &impl GenericClient, former: &Places) -> Result<Option<Self>, WarehouseError> {
        if !former.has_side(client, SWAPPED).await? {
            return Ok(None);
        }
        let query = format!("SELECT part, name, beside FROM {}", former.side(SWAPPED));
        let doing = while_doing("reading what a rebuild replaced", &former.schema);
        let mut swapped = Self::default();
        for row in client.query(&query, &[]).await.map_err(doing)? {
            match row.get(0) {
                "star" => swapped.stayed.push(row.get(1)),
                _ => swapped.arrived.push((row.get(1), row.get(2))),
            }
        }
        Ok(Some(swapped))
    }
}

/// Notes what was moved to the former places, by which rebuild, and what it did besides.
pub(super) async fn note(
    transaction: &Transaction<'_>,
    former: &Places,
    tables: &[OurTable],
    (star, generation): (&str, u64),
    swapped: &Swapped,
) -> Result<(), WarehouseError> {
    let (names, beside): (Vec<&str>, Vec<bool>) =
        tables.iter().map(|table| (table.name.as_str(), table.beside)).unzip();
    let moved = former.side(MOVED);
    let create = format!(
        "CREATE TABLE {moved} (
             name text, beside boolean, star text NOT NULL, generation bigint NOT NULL,
             moved_at timestamptz NOT NULL DEFAULT transaction_timestamp(), PRIMARY KEY (name, beside));
         CREATE TABLE {} (part text, name text, beside boolean, PRIMARY KEY (part, name, beside))",
        former.side(SWAPPED),
    );
    let insert = format!(
        "INSERT INTO {moved} (name, beside, star, generation)
         SELECT m.name, m.beside, {}, $3::bigint FROM unnest($1::text[], $2::boolean[]) AS m (name, beside)",
        quote_literal(star),
    );
    let doing = || while_doing("noting what a rebuild replaced", &former.schema);
    transaction.batch_execute(&create).await.map_err(doing())?;
    let generation = i64::try_from(generation).unwrap_or(i64::MAX);
    transaction.execute(&insert, &[&names, &beside, &generation]).await.map_err(doing())?;
    let insert = format!(
        "INSERT INTO {} (part, name, beside)
         SELECT 'table', a.name, a.beside FROM unnest($1::text[], $2::boolean[]) AS a (name, beside)
         UNION ALL SELECT 'star', s.name, false FROM unnest($3::text[]) AS s (name)",
        former.side(SWAPPED)
    );
    let (names, beside): (Vec<&str>, Vec<bool>) =
        swapped.arrived.iter().map(|(name, beside)| (name.as_str(), *beside)).unzip();
    transaction.execute(&insert, &[&names, &beside, &swapped.stayed]).await.map_err(doing())?;
    Ok(())
}

/// The tables that were moved there and still stand.
async fn standing(client: &impl GenericClient, former: &Places) -> Result<Vec<OurTable>, WarehouseError> {
    let all = moved(client, former).await?;
    Ok(all.into_iter().filter_map(|(name, beside, oid)| Some(OurTable { name, beside, oid: oid? })).collect())
}

/// All tables that were moved there, to be moved back.
pub(super) async fn complete(client: &impl GenericClient, former: &Places) -> Result<Vec<OurTable>, WarehouseError> {
    let mut tables = Vec::new();
    for (name, beside, oid) in moved(client, former).await? {
        let table = OurTable { name, beside, oid: oid.unwrap_or_default() };
        if oid.is_none() {
            return Err(side::missing(table.at(former), former.side(MOVED)));
        }
        tables.push(table);
    }
    Ok(tables)
}

/// Forgets what was moved, once it is back or dropped.
pub(super) async fn forget(transaction: &Transaction<'_>, former: &Places) -> Result<(), WarehouseError> {
    let mut notes = vec![former.side(MOVED)];
    if former.has_side(transaction, SWAPPED).await? {
        notes.push(former.side(SWAPPED));
    }
    shadow::drop_tables(transaction, former, &notes).await
}

async fn moved(
    client: &impl GenericClient,
    former: &Places,
) -> Result<Vec<(String, bool, Option<u32>)>, WarehouseError> {
    let query = format!(
        "SELECT m.name, m.beside, c.oid FROM {} m
         LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
           ON c.relname::text = m.name AND c.relkind IN ('r', 'p')
              AND n.nspname::text = CASE WHEN m.beside THEN $2 ELSE $1 END
         ORDER BY m.beside, m.name",
        former.side(MOVED)
    );
    let rows = client
        .query(&query, &[&former.schema, &former.side_schema()])
        .await
        .map_err(while_doing("reading what a rebuild replaced", &former.schema))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
