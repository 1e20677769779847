//! What a rebuild replaced takes its place again.

use std::collections::BTreeMap;

use star_contract::Description;

use crate::error::while_doing;
use crate::rebuild::ours::{Ours, Reach, described};
use crate::rebuild::swap::{move_tables, remake_views};
use crate::rebuild::{dependents, former, schemas, shadow, stop_all};
use crate::star::stars;
use crate::{Warehouse, WarehouseError, apply, generation};

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
        let back = former::complete(&transaction, former).await?;
        shadow::discard(&transaction, places, aside, &stars).await?;
        schemas::make(&transaction, &aside.schemas()).await?;
        // The shadow's place keeps what is to go until no view of ours reads it any more.
        let mut named = described(&stars);
        named.extend(back.iter().filter(|table| !table.beside).map(|table| table.name.clone()));
        let rebuilt = Ours::find(&transaction, places, &named, Reach::SideTables).await?;
        move_tables(&transaction, &rebuilt.tables, places, aside).await?;
        move_tables(&transaction, &back, former, places).await?;
        former::forget(&transaction, former).await?;
        let found = remake_views(&transaction, places, &stars, &rebuilt).await?;
        generation::set(&transaction, places, star, generation).await?;
        let dependents = dependents::of(&transaction, &rebuilt.table_oids(), &[]).await?;
        if !dependents.is_empty() {
            return Err(WarehouseError::StillUsed { dependents });
        }
        let gone: Vec<String> = rebuilt.tables.iter().map(|table| table.at(aside)).collect();
        shadow::drop_tables(&transaction, aside, &gone).await?;
        schemas::drop_empty(&transaction, &rebuild.schemas()).await?;
        transaction.commit().await.map_err(doing())?;
        tracing::info!(star, generation, "a rebuild was undone");
        apply::keep_known_references(&mut stars, places, &found);
        self.take_stars(stars);
        Ok(())
    }
}
