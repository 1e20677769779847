//! A rebuild: the whole warehouse once more in schemas of its own, the shadow, until it takes the place of the main
//! one. The tables it replaces, the former ones, are kept until somebody accepts the rebuild or undoes it.
//!
//! Each change of places is one transaction, so a crash leaves either what was there before or the whole of it.

mod dependents;
mod former;
mod locks;
mod ours;
mod privileges;
mod schemas;
mod shadow;
mod staying;
mod swap;
mod undo;

use std::collections::BTreeSet;

use tokio_postgres::Transaction;

use crate::place::{PREPARE, Places, checked};
use crate::star::Star;
use crate::{Warehouse, WarehouseError, WarehouseOptions, ledger};

pub use former::{FormerTable, FormerTables};
pub use swap::SwapReport;

/// Where a rebuild keeps what it makes and what it replaces.
#[derive(Debug, Clone)]
pub struct RebuildPlaces {
    shadow: Places,
    former: Places,
}

impl RebuildPlaces {
    fn beside(places: &Places) -> Result<Self, WarehouseError> {
        let named = |what: &str| {
            let main = checked(&format!("{}_{what}", places.schema))?;
            let side = if places.is_one_schema() { main.clone() } else { checked(&format!("{main}_totesys"))? };
            if [&main, &side].into_iter().any(|name| name == places.side_schema()) {
                let name = places.side_schema().to_owned();
                return Err(WarehouseError::Name { name, problem: "a rebuild keeps tables of its own under it" });
            }
            Ok(places.elsewhere(main, side))
        };
        Ok(Self { shadow: named("rebuild")?, former: named("former")? })
    }

    /// The schema of the shadow's facts and dimensions.
    #[must_use]
    pub fn shadow_schema(&self) -> &str {
        &self.shadow.schema
    }

    /// The schema of the facts and dimensions that were replaced.
    #[must_use]
    pub fn former_schema(&self) -> &str {
        &self.former.schema
    }

    /// All schemas a rebuild needs: the shadow's and the former tables', those of the side tables included.
    #[must_use]
    pub fn schemas(&self) -> Vec<&str> {
        [self.shadow.schemas(), self.former.schemas()].concat()
    }
}

impl Warehouse {
    /// The names a rebuild of this warehouse uses. Side tables have schemas of their own if they have one here.
    ///
    /// # Errors
    /// When a name would be longer than PostgreSQL keeps.
    pub fn rebuild_places(&self) -> Result<RebuildPlaces, WarehouseError> {
        RebuildPlaces::beside(self.places())
    }

    /// How to connect to the shadow warehouse. Says before anything is made when the role lacks a right for a rebuild.
    ///
    /// # Errors
    /// Schemas that the role may neither create nor use; an unusable name.
    pub async fn shadow_options(&self) -> Result<WarehouseOptions, WarehouseError> {
        let rebuild = self.rebuild_places()?;
        schemas::check_rights(&**self.connection(), &rebuild.schemas()).await?;
        Ok(WarehouseOptions {
            schema: rebuild.shadow.schema.clone(),
            side_schema: Some(rebuild.shadow.side_schema().to_owned()),
            ..self.options().clone()
        })
    }
}

/// Waits for whatever makes tables or loads, in the order in which loads take their locks: one star, then its shared
/// dimensions. Whoever holds a star's lock can so still get all it needs.
async fn stop_all(transaction: &Transaction<'_>, places: &Places, stars: &[Star]) -> Result<(), WarehouseError> {
    places.lock(transaction, PREPARE).await?;
    let loaded = match places.has_side(transaction, "loads").await? {
        true => ledger::newest_of_all(transaction, places).await?,
        false => Vec::new(),
    };
    let names: BTreeSet<&str> =
        stars.iter().map(|star| star.name.as_str()).chain(loaded.iter().map(|row| row.star.as_str())).collect();
    for star in names {
        places.lock_star(transaction, star).await?;
    }
    let shapes = stars.iter().flat_map(|star| &star.tables);
    let shared: BTreeSet<&str> =
        shapes.filter(|shape| shape.owner.is_some()).map(|shape| shape.table.as_str()).collect();
    for dimension in shared {
        places.lock_dimension(transaction, dimension).await?;
    }
    Ok(())
}
