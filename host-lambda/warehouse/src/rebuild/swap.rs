//! The shadow takes the main warehouse's place.

use std::collections::{BTreeMap, BTreeSet};

use star_contract::Description;
use tokio_postgres::Transaction;
use totesys_postgres::quote_identifier;

use crate::apply::{self, Extent};
use crate::error::while_doing;
use crate::found::Found;
use crate::place::Places;
use crate::rebuild::former::Swapped;
use crate::rebuild::ours::{OurTable, Ours, Reach, described, views_of};
use crate::rebuild::staying::{self, Staying, Ties};
use crate::rebuild::{dependents, former, locks, privileges, schemas, shadow, stop_all};
use crate::star::{Star, stars};
use crate::{Warehouse, WarehouseError, ledger, side};

/// What a swap did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct SwapReport {
    /// The tables that were replaced, side tables included.
    pub moved: Vec<String>,
    /// What others made of the replaced tables: it goes on reading those, wherever they are.
    pub dependents: Vec<String>,
    /// What others added to the replaced tables or their views, and the new ones lack; and what of the tables that
    /// stay could not be tied to the new ones.
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
        self.swap(descriptions, owners, (star, generation), End::Commit).await
    }

    /// Does what [`swap_in`](Self::swap_in) would do with the same arguments, and takes it back: so what it refuses is
    /// known before anything else depends on its success. Others wait for as long as they would.
    ///
    /// # Errors
    /// As [`swap_in`](Self::swap_in).
    pub async fn rehearse_swap(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
        star: &str,
        generation: u64,
    ) -> Result<SwapReport, WarehouseError> {
        self.swap(descriptions, owners, (star, generation), End::RollBack).await
    }

    async fn swap(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
        (star, generation): (&str, u64),
        end: End,
    ) -> Result<SwapReport, WarehouseError> {
        let rebuild = self.rebuild_places()?;
        let (shadow, former) = (&rebuild.shadow, &rebuild.former);
        schemas::check_rights(&**self.connection(), &rebuild.schemas()).await?;
        let mut stars = stars(descriptions, owners, self.places())?;
        let named = described(&stars);
        let (connection, places) = self.parts();
        let doing = || while_doing("swapping a rebuild in", &places.schema);
        let transaction = connection.transaction().await.map_err(doing())?;
        stop_all(&transaction, places, &stars).await?;
        if former::is_kept(&transaction, former).await? {
            return Err(WarehouseError::FormerKept { schema: former.schema.clone() });
        }
        stop_all(&transaction, shadow, &stars).await?;
        let mut new = Ours::find(&transaction, shadow, &named, Reach::References).await?;
        // What the shadow holds of stars or facts that were described when it was begun.
        let unwanted = new.names().difference(&named).cloned().collect();
        let unwanted = new.take(shadow, &unwanted);
        let is_for = shadow::is_for(&transaction, places, shadow, star, generation).await?;
        if !is_for || !has_all(&new, &stars) {
            let (star, schema) = (star.to_owned(), shadow.schema.clone());
            return Err(WarehouseError::NoShadow { star, generation, schema });
        }
        check_caught_up(&transaction, places, shadow, &stars).await?;
        refuse_strangers(&transaction, shadow, &new, &unwanted).await?;
        dependents::refuse_strangers(&transaction, former, &[]).await?;

        let names = stars.iter().map(|star| star.name.clone()).collect();
        let staying = Staying::find(&transaction, places, &names, &named).await?;
        let all = named.union(&staying.tables).cloned().collect();
        let mut old = Ours::find(&transaction, places, &all, Reach::SideTables).await?;
        let kept = old.take(places, &staying.tables);
        let relations = [old.all(), kept.all(), new.all(), unwanted.all()].concat();
        locks::check_owner(&transaction, &relations).await?;
        locks::check_row_security(&transaction, &old.table_oids()).await?;
        // From here on nobody can make anything of the tables.
        let (views, tables) =
            ([old.view_oids(), kept.view_oids()].concat(), [old.table_oids(), kept.table_oids()].concat());
        locks::take(&transaction, &views, &tables).await?;
        let ties = Ties::release(&transaction, places, &kept, &old).await?;
        let remade = views_of(&stars);
        let remade = old.views.iter().filter(|(view, _)| remade.contains(*view)).map(|(_, oid)| *oid);
        let remade: Vec<u32> = remade.chain(kept.view_oids()).collect();
        let dependents = dependents::of(&transaction, &old.table_oids(), &remade).await?;
        let pairs = old.tables.iter().filter_map(|table| Some((table.oid, new.like(table)?.oid)));
        let (from, onto): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let mut left_behind = dependents::left_behind(&transaction, &from, &onto).await?;
        let keys = dependents::foreign_keys(&transaction, &from, &old.table_oids()).await?;

        schemas::make(&transaction, &former.schemas()).await?;
        move_tables(&transaction, &old.tables, places, former).await?;
        let swapped = Swapped {
            arrived: new.tables.iter().map(|table| (table.name.clone(), table.beside)).collect(),
            stayed: staying.stars.clone(),
        };
        former::note(&transaction, former, &old.tables, (star, generation), &swapped).await?;
        staying::drop_keys(&transaction, &new, &unwanted).await?;
        move_tables(&transaction, &new.tables, shadow, places).await?;
        privileges::carry_over(&transaction, &from, &onto).await?;
        let added: Vec<u32> = new.table_oids().into_iter().filter(|table| !onto.contains(table)).collect();
        privileges::defaults(&transaction, &added).await?;
        drop_leftovers(&transaction, shadow, &new, &unwanted).await?;
        left_behind.extend(ties.resume(&transaction, places, former).await?);
        let remade = remake_views(&transaction, places, &stars, &old).await?;
        staying.carry_rows(&transaction, former, places).await?;
        left_behind.extend(remade.left_behind);
        left_behind.extend(dependents::lost_keys(&transaction, keys, &from, &onto).await?);
        left_behind.sort();
        schemas::drop_empty(&transaction, &shadow.schemas()).await?;
        let tables = old.tables.len();
        let moved = old.tables.into_iter().map(|table| table.name).collect();
        let report = SwapReport { moved, dependents, left_behind };
        if end == End::RollBack {
            transaction.rollback().await.map_err(doing())?;
            return Ok(report);
        }
        transaction.commit().await.map_err(doing())?;
        tracing::info!(star, generation, tables, "a rebuild was swapped in");
        apply::keep_known_references(&mut stars, places, &remade.found);
        self.take_stars(stars);
        Ok(report)
    }
}

/// What becomes of a transaction that has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    /// It was a rehearsal.
    RollBack,
}

/// Whether every described table is there.
fn has_all(ours: &Ours, stars: &[Star]) -> bool {
    let main = ours.names();
    described(stars).iter().all(|table| main.contains(table))
}

/// Refuses a shadow that lacks a batch of any described star: it would be loaded again, but the swap is to lose
/// nothing. A star that is described no longer is in no shadow, and its tables stay.
async fn check_caught_up(
    transaction: &Transaction<'_>,
    places: &Places,
    shadow: &Places,
    stars: &[Star],
) -> Result<(), WarehouseError> {
    let loaded = ledger::newest_of_all(transaction, shadow).await?;
    let main = ledger::newest_of_all(transaction, places).await?;
    for main in main.into_iter().filter(|row| stars.iter().any(|star| star.name == row.star)) {
        let shadow = loaded.iter().find(|row| row.star == main.star).map_or(0, |row| row.batch);
        if shadow < main.batch {
            return Err(WarehouseError::ShadowBehind { star: main.star, shadow, main: main.batch });
        }
    }
    Ok(())
}

/// Refuses a shadow that others use: its views are dropped, what is unwanted as well, and what else is in its schemas
/// would be left over.
async fn refuse_strangers(
    transaction: &Transaction<'_>,
    shadow: &Places,
    ours: &Ours,
    unwanted: &Ours,
) -> Result<(), WarehouseError> {
    dependents::refuse_strangers(transaction, shadow, &[ours.all(), unwanted.all()].concat()).await?;
    let views = [ours.view_oids(), unwanted.view_oids()].concat();
    let dropped: Vec<u32> = views.iter().copied().chain(unwanted.table_oids()).chain(ours.view_table).collect();
    let mut objects = dependents::of(transaction, &dropped, &views).await?;
    // Foreign keys of our own are let go.
    let own = dependents::foreign_keys(transaction, &ours.table_oids(), &[]).await?;
    objects.retain(|object| !own.iter().any(|(_, key)| key == object));
    if objects.is_empty() {
        return Ok(());
    }
    Err(WarehouseError::ForeignObjects { schema: shadow.schema.clone(), objects })
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

/// Drops what of a shadow has not moved: its views, the table of them, and what is unwanted.
async fn drop_leftovers(
    transaction: &Transaction<'_>,
    shadow: &Places,
    ours: &Ours,
    unwanted: &Ours,
) -> Result<(), WarehouseError> {
    shadow::drop_views(transaction, shadow, ours.views.keys().chain(unwanted.views.keys())).await?;
    let tables = unwanted.tables.iter().map(|table| table.at(shadow));
    let tables: Vec<String> = tables.chain(ours.view_table.map(|_| shadow.side(side::VIEWS))).collect();
    shadow::drop_tables(transaction, shadow, &tables).await
}

/// What making views anew came to.
#[derive(Debug)]
pub(super) struct Remade {
    /// What the warehouse is now.
    pub(super) found: Found,
    /// Grants that could not be given again.
    pub(super) left_behind: Vec<String>,
}

/// Has the views of the main schema read the tables that stand there now, and makes what the descriptions want
/// besides. A view that cannot be replaced as it is, because a column went, is made anew and gets its grants back.
pub(super) async fn remake_views(
    transaction: &Transaction<'_>,
    places: &Places,
    stars: &[Star],
    before: &Ours,
) -> Result<Remade, WarehouseError> {
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
    let name = |oid: u32| before.views.iter().find(|(_, view)| **view == oid).map(|(name, _)| name);
    let (mut given, mut left_behind) = (Vec::new(), BTreeSet::new());
    for grant in grants.into_iter().filter(|grant| gone.contains(&grant.about)) {
        let view = name(grant.about).and_then(|name| found.table(places, name));
        match grant.column {
            Some((column, described)) if view.is_none_or(|view| !view.has(&column)) => {
                left_behind.insert(format!("grants on {described}"));
            }
            _ => given.push(grant.statement),
        }
    }
    privileges::run(transaction, given.iter()).await?;
    Ok(Remade { found, left_behind: left_behind.into_iter().collect() })
}
