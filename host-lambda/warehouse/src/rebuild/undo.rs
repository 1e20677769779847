//! What a rebuild replaced takes its place again.

use std::collections::{BTreeMap, BTreeSet};

use star_contract::Description;
use tokio_postgres::Transaction;

use crate::error::while_doing;
use crate::place::Places;
use crate::rebuild::former::Swapped;
use crate::rebuild::ours::{self, Ours, Reach};
use crate::rebuild::staying::{Staying, Ties};
use crate::rebuild::swap::{End, move_tables, remake_views};
use crate::rebuild::{dependents, former, locks, schemas, shadow, stop_all};
use crate::star::{Star, stars};
use crate::{Warehouse, WarehouseError, apply, generation, ledger};

impl Warehouse {
    /// Puts what the last rebuild replaced back in its place, and drops what the rebuild had made, with all that was
    /// loaded since: it is loaded again. The star gets the generation that is said, so that nothing made for the
    /// rebuild is loaded on top. A shadow that another rebuild has begun goes as well: it was made beside tables that
    /// are no longer. Afterwards the warehouse is prepared with these descriptions.
    ///
    /// # Errors
    /// When nothing is kept or not all of it, when something of somebody else's depends on the rebuilt tables, when
    /// the descriptions do not fit the tables that come back, and a missing right.
    pub async fn undo_rebuild(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
        star: &str,
        generation: u64,
    ) -> Result<(), WarehouseError> {
        self.undo(descriptions, owners, (star, generation), End::Commit).await
    }

    /// Does what [`undo_rebuild`](Self::undo_rebuild) would do with the same arguments, and takes it back: so what it
    /// refuses is known before anything else depends on its success. Others wait for as long as they would.
    ///
    /// # Errors
    /// As [`undo_rebuild`](Self::undo_rebuild).
    pub async fn rehearse_undo(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
        star: &str,
        generation: u64,
    ) -> Result<(), WarehouseError> {
        self.undo(descriptions, owners, (star, generation), End::RollBack).await
    }

    async fn undo(
        &mut self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
        (star, generation): (&str, u64),
        end: End,
    ) -> Result<(), WarehouseError> {
        let rebuild = self.rebuild_places()?;
        let (aside, former) = (&rebuild.shadow, &rebuild.former);
        let mut stars = stars(descriptions, owners, self.places())?;
        if !former::is_kept(&**self.connection(), former).await? {
            return Err(WarehouseError::NoFormer { schema: former.schema.clone() });
        }
        schemas::check_rights(&**self.connection(), &aside.schemas()).await?;
        let (connection, places) = self.parts();
        let doing = || while_doing("undoing a rebuild", &places.schema);
        let transaction = connection.transaction().await.map_err(doing())?;
        stop_all(&transaction, places, &stars).await?;
        if !former::is_kept(&transaction, former).await? {
            return Err(WarehouseError::NoFormer { schema: former.schema.clone() });
        }
        let back = Ours { tables: former::complete(&transaction, former).await?, ..Ours::default() };
        let (staying, mut rebuilt) = what_goes(&transaction, places, former, &stars, &back).await?;
        let kept = rebuilt.take(places, &staying.tables);
        dependents::in_the_way(&transaction, places, &back.tables, &rebuilt.table_oids()).await?;
        let relations = [rebuilt.all(), kept.all(), back.all()].concat();
        locks::check_owner(&transaction, &relations).await?;
        let views = [rebuilt.view_oids(), kept.view_oids()].concat();
        let tables = [rebuilt.table_oids(), kept.table_oids(), back.table_oids()].concat();
        locks::take(&transaction, &views, &tables).await?;
        shadow::discard(&transaction, places, aside, &stars).await?;
        schemas::make(&transaction, &aside.schemas()).await?;
        let ties = Ties::release(&transaction, places, &kept, &rebuilt).await?;
        // The shadow's place keeps what is to go until no view of ours reads it any more.
        move_tables(&transaction, &rebuilt.tables, places, aside).await?;
        move_tables(&transaction, &back.tables, former, places).await?;
        former::forget(&transaction, former).await?;
        let mut lost = ties.resume(&transaction, places, aside).await?;
        let remade = remake_views(&transaction, places, &stars, &rebuilt).await?;
        lost.extend(remade.left_behind);
        staying.carry_rows(&transaction, aside, places).await?;
        generation::set(&transaction, places, star, generation).await?;
        drop_rebuilt(&transaction, places, (aside, former), &rebuilt).await?;
        schemas::drop_empty(&transaction, &rebuild.schemas()).await?;
        if end == End::RollBack {
            return transaction.rollback().await.map_err(doing());
        }
        transaction.commit().await.map_err(doing())?;
        tracing::info!(star, generation, ?lost, "a rebuild was undone");
        apply::keep_known_references(&mut stars, places, &remade.found);
        self.take_stars(stars);
        Ok(())
    }
}

/// What stays where it is, and what of ours stands in the places: what the swap brought, and what was made since. Stars
/// whose tables stayed when the rebuild was swapped in stay now, even if they are described again.
async fn what_goes(
    transaction: &Transaction<'_>,
    places: &Places,
    former: &Places,
    stars: &[Star],
    back: &Ours,
) -> Result<(Staying, Ours), WarehouseError> {
    let swapped = Swapped::read(transaction, former).await?;
    let stayed = swapped.as_ref().map_or(&[][..], |swapped| &swapped.stayed);
    let goes = |star: &String| !stayed.contains(star);
    let known = ledger::newest_of_all(transaction, former).await?.into_iter().map(|row| row.star);
    let going = known.chain(stars.iter().map(|star| star.name.clone())).filter(goes).collect();
    let described = stars.iter().filter(|star| goes(&star.name)).flat_map(|star| &star.tables);
    let mut named: BTreeSet<String> = described.map(|shape| shape.table.clone()).collect();
    named.extend(back.names());
    let staying = Staying::find(transaction, places, &going, &named).await?;
    // Others may since have made tables under names that went with the swap.
    if let Some(swapped) = swapped {
        for name in back.names().difference(&ours::described(stars)) {
            named.remove(name);
        }
        named.extend(swapped.arrived.into_iter().filter(|(_, beside)| !beside).map(|(name, _)| name));
    }
    let all = named.union(&staying.tables).cloned().collect();
    let standing = Ours::find(transaction, places, &all, Reach::SideTables).await?;
    Ok((staying, standing))
}

/// Drops the rebuilt tables where they were put aside, and the views of ours that read them: those of facts that are
/// described no longer.
async fn drop_rebuilt(
    transaction: &Transaction<'_>,
    places: &Places,
    (aside, former): (&Places, &Places),
    rebuilt: &Ours,
) -> Result<(), WarehouseError> {
    let stale = dependents::views_reading(transaction, rebuilt, &rebuilt.table_oids()).await?;
    let stale_oids: Vec<u32> = stale.iter().filter_map(|view| rebuilt.views.get(view)).copied().collect();
    let dropped = [rebuilt.table_oids(), stale_oids.clone()].concat();
    let dependents = dependents::of(transaction, &dropped, &stale_oids).await?;
    if !dependents.is_empty() {
        return Err(WarehouseError::StillUsed { dependents, instead: Some(former.schema.clone()) });
    }
    former::drop_stale(transaction, places, &stale).await?;
    let gone: Vec<String> = rebuilt.tables.iter().map(|table| table.at(aside)).collect();
    shadow::drop_tables(transaction, aside, &gone).await
}
