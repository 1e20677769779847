//! The shadow takes the main warehouse's place.

use std::collections::{BTreeMap, BTreeSet};

use star_contract::Description;
use tokio_postgres::Transaction;
use totesys_postgres::quote_identifier;

use crate::apply::{self, Extent};
use crate::error::while_doing;
use crate::found::Found;
use crate::place::Places;
use crate::rebuild::ours::{OurTable, Ours, Reach, described, views_of};
use crate::rebuild::{dependents, former, privileges, schemas, shadow, stop_all};
use crate::star::{Star, stars};
use crate::{Warehouse, WarehouseError, ledger, side};

/// What a swap did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct SwapReport {
    /// The tables that were replaced, side tables included.
    pub moved: Vec<String>,
    /// What others made of the replaced tables: it goes on reading those, wherever they are.
    pub dependents: Vec<String>,
    /// What others added to the replaced tables, and the new ones lack.
    pub left_behind: Vec<String>,
}

impl Warehouse {
    /// Puts the shadow in the main warehouse's place, for good or not at all. The tables it replaces are kept; views
    /// stay where they are and read the new tables; grants are carried over. Afterwards the warehouse is prepared with
    /// these descriptions, which need not have fitted the tables that are replaced.
    ///
    /// # Errors
    /// A shadow that is not for this generation of this star or has not caught up, former tables that are still kept,
    /// a missing right, and what [`prepare`](Self::prepare) refuses of the shadow's tables.
    pub async fn swap_in(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
        star: &str,
        generation: u64,
    ) -> Result<SwapReport, WarehouseError> {
        let rebuild = self.rebuild_places()?;
        let (shadow, former) = (&rebuild.shadow, &rebuild.former);
        schemas::check_rights(&**self.connection(), &rebuild.schemas()).await?;
        let mut stars = stars(descriptions, owners, self.places())?;
        let (connection, places) = self.parts();
        let doing = || while_doing("swapping a rebuild in", &places.schema);
        let transaction = connection.transaction().await.map_err(doing())?;
        stop_all(&transaction, places, &stars).await?;
        if former::is_kept(&transaction, former).await? {
            return Err(WarehouseError::FormerKept { schema: former.schema.clone() });
        }
        stop_all(&transaction, shadow, &stars).await?;
        let new = Ours::find(&transaction, shadow, &described(&stars), Reach::SideTables).await?;
        let is_for = shadow::is_for(&transaction, places, shadow, star, generation).await?;
        if !is_for || !has_all(&new, &stars) {
            let (star, schema) = (star.to_owned(), shadow.schema.clone());
            return Err(WarehouseError::NoShadow { star, generation, schema });
        }
        check_caught_up(&transaction, places, shadow).await?;
        refuse_strangers(&transaction, shadow, &new).await?;
        dependents::refuse_strangers(&transaction, former, &[]).await?;

        let old = Ours::find(&transaction, places, &described(&stars), Reach::SideTables).await?;
        // From here on nobody can make anything of the tables.
        lock_tables(&transaction, places, &old.tables).await?;
        let remade = views_of(&stars);
        let remade: Vec<u32> =
            old.views.iter().filter(|(view, _)| remade.contains(*view)).map(|(_, oid)| *oid).collect();
        let dependents = dependents::of(&transaction, &old.table_oids(), &remade).await?;
        let pairs = old.tables.iter().filter_map(|table| Some((table.oid, new.like(table)?.oid)));
        let (from, onto): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let left_behind = dependents::left_behind(&transaction, &from, &onto).await?;

        schemas::make(&transaction, &former.schemas()).await?;
        move_tables(&transaction, &old.tables, places, former).await?;
        former::note(&transaction, former, &old.tables, star, generation).await?;
        move_tables(&transaction, &new.tables, shadow, places).await?;
        privileges::carry_over(&transaction, &from, &onto).await?;
        drop_leftovers(&transaction, shadow, &new).await?;
        let found = remake_views(&transaction, places, &stars, &old).await?;
        schemas::drop_empty(&transaction, &shadow.schemas()).await?;
        transaction.commit().await.map_err(doing())?;
        tracing::info!(star, generation, tables = old.tables.len(), "a rebuild was swapped in");
        let moved = old.tables.into_iter().map(|table| table.name).collect();
        apply::keep_known_references(&mut stars, places, &found);
        self.take_stars(stars);
        Ok(SwapReport { moved, dependents, left_behind })
    }
}

/// Whether every described table is there.
fn has_all(ours: &Ours, stars: &[Star]) -> bool {
    let main: BTreeSet<&str> =
        ours.tables.iter().filter(|table| !table.beside).map(|table| table.name.as_str()).collect();
    described(stars).iter().all(|table| main.contains(table.as_str()))
}

/// Refuses a shadow that lacks a batch of any star: it would be loaded again, but the swap is to lose nothing.
async fn check_caught_up(
    transaction: &Transaction<'_>,
    places: &Places,
    shadow: &Places,
) -> Result<(), WarehouseError> {
    let loaded = ledger::newest_of_all(transaction, shadow).await?;
    for main in ledger::newest_of_all(transaction, places).await? {
        let shadow = loaded.iter().find(|row| row.star == main.star).map_or(0, |row| row.batch);
        if shadow < main.batch {
            return Err(WarehouseError::ShadowBehind { star: main.star, shadow, main: main.batch });
        }
    }
    Ok(())
}

/// Refuses a shadow that others use: its views are dropped, and what else is in its schemas would be left over.
async fn refuse_strangers(transaction: &Transaction<'_>, shadow: &Places, ours: &Ours) -> Result<(), WarehouseError> {
    dependents::refuse_strangers(transaction, shadow, &ours.all()).await?;
    let dropped: Vec<u32> = ours.view_oids().into_iter().chain(ours.view_table).collect();
    let objects = dependents::of(transaction, &dropped, &ours.view_oids()).await?;
    if objects.is_empty() {
        return Ok(());
    }
    Err(WarehouseError::ForeignObjects { schema: shadow.schema.clone(), objects })
}

async fn lock_tables(
    transaction: &Transaction<'_>,
    places: &Places,
    tables: &[OurTable],
) -> Result<(), WarehouseError> {
    let names: Vec<String> = tables.iter().map(|table| table.at(places)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
    transaction.batch_execute(&lock).await.map_err(while_doing("locking the tables", &places.schema))
}

/// Moves tables, with their indexes and the sequences their columns own.
pub(super) async fn move_tables(
    transaction: &Transaction<'_>,
    tables: &[OurTable],
    from: &Places,
    to: &Places,
) -> Result<(), WarehouseError> {
    for table in tables {
        let schema = if table.beside { to.side_schema() } else { &to.schema };
        let sql = format!("ALTER TABLE {} SET SCHEMA {}", table.at(from), quote_identifier(schema));
        transaction.batch_execute(&sql).await.map_err(while_doing("moving a table", &table.name))?;
    }
    Ok(())
}

/// Drops what of a shadow has not moved: its views, and the table of them.
async fn drop_leftovers(transaction: &Transaction<'_>, shadow: &Places, ours: &Ours) -> Result<(), WarehouseError> {
    shadow::drop_views(transaction, shadow, ours.views.keys()).await?;
    let tables: Vec<String> = ours.view_table.map(|_| shadow.side(side::VIEWS)).into_iter().collect();
    shadow::drop_tables(transaction, shadow, &tables).await
}

/// Has the views of the main schema read the tables that stand there now, and makes what the descriptions want
/// besides. A view that cannot be replaced as it is, because a column went, is made anew and gets its grants back.
pub(super) async fn remake_views(
    transaction: &Transaction<'_>,
    places: &Places,
    stars: &[Star],
    before: &Ours,
) -> Result<Found, WarehouseError> {
    let oids = before.view_oids();
    let grants = privileges::grants(transaction, &oids, &oids).await?;
    let found = apply::bring_in_line(transaction, places, stars, Extent::Needed).await?;
    let gone = transaction
        .query(
            "SELECT o.oid FROM unnest($1::oid[]) AS o (oid) WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = o.oid)",
            &[&oids],
        )
        .await
        .map_err(while_doing("looking for views that were made anew", &places.schema))?;
    let gone: Vec<u32> = gone.iter().map(|row| row.get(0)).collect();
    let grants: Vec<String> =
        grants.into_iter().filter(|(view, _)| gone.contains(view)).map(|(_, statement)| statement).collect();
    privileges::run(transaction, &grants).await?;
    Ok(found)
}
