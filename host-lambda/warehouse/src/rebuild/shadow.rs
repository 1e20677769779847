//! The shadow: the warehouse a rebuild fills, before it takes the main one's place.

use std::collections::BTreeMap;

use tokio_postgres::{GenericClient, Transaction};

use crate::error::while_doing;
use crate::place::{PREPARE, Places};
use crate::rebuild::ours::{Ours, Reach, described};
use crate::rebuild::{dependents, schemas, stop_all};
use crate::star::Star;
use crate::{Warehouse, WarehouseError, generation, ledger, side};

const STAMP: &str = "stamp";

impl Warehouse {
    /// Whether the shadow is being built for this generation of this star, which is beyond the one here, and with the
    /// generations that all other stars have here. No when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn shadow_is_for(&self, star: &str, generation: u64) -> Result<bool, WarehouseError> {
        let rebuild = self.rebuild_places()?;
        is_for(&**self.connection(), self.places(), &rebuild.shadow, star, generation).await
    }

    /// Drops the shadow, however much of it there is; says whether there was any.
    ///
    /// # Errors
    /// When its schemas hold what is somebody else's, or something of somebody else's depends on its tables.
    pub async fn discard_shadow(&mut self) -> Result<bool, WarehouseError> {
        let rebuild = self.rebuild_places()?;
        let (connection, places, stars) = self.parts_and_stars();
        let doing = || while_doing("dropping the shadow", &rebuild.shadow.schema);
        let transaction = connection.transaction().await.map_err(doing())?;
        places.lock(&transaction, PREPARE).await?;
        let dropped = discard(&transaction, places, &rebuild.shadow, stars).await?;
        schemas::drop_empty(&transaction, &rebuild.shadow.schemas()).await?;
        transaction.commit().await.map_err(doing())?;
        if dropped {
            tracing::info!("the shadow of a rebuild was discarded");
        }
        Ok(dropped)
    }
}

/// Drops the tables and views of the shadow, and says whether there were any. Its schemas stay.
pub(super) async fn discard(
    transaction: &Transaction<'_>,
    main: &Places,
    shadow: &Places,
    stars: &[Star],
) -> Result<bool, WarehouseError> {
    stop_all(transaction, shadow, stars).await?;
    if !is_a_shadow(transaction, main, shadow).await? {
        let objects = vec!["a warehouse of its own".to_owned()];
        return Err(WarehouseError::ForeignObjects { schema: shadow.schema.clone(), objects });
    }
    let ours = Ours::find(transaction, shadow, &described(stars), Reach::References).await?;
    dependents::refuse_strangers(transaction, shadow, &ours.all()).await?;
    let objects = dependents::of(transaction, &ours.all(), &ours.view_oids()).await?;
    if !objects.is_empty() {
        return Err(WarehouseError::ForeignObjects { schema: shadow.schema.clone(), objects });
    }
    let tables = ours.tables.iter().map(|table| table.at(shadow));
    let tables: Vec<String> = tables.chain(ours.view_table.map(|_| shadow.side(side::VIEWS))).collect();
    drop_views(transaction, shadow, ours.views.keys()).await?;
    drop_tables(transaction, shadow, &tables).await?;
    Ok(!tables.is_empty())
}

/// Drops views of ours at once.
pub(super) async fn drop_views(
    transaction: &Transaction<'_>,
    places: &Places,
    views: impl Iterator<Item = &String>,
) -> Result<(), WarehouseError> {
    let views: Vec<String> = views.map(|view| places.table(view)).collect();
    drop_all(transaction, "VIEW", &places.schema, &views).await
}

/// Drops tables at once, so that foreign keys among them are in nobody's way.
pub(super) async fn drop_tables(
    transaction: &Transaction<'_>,
    places: &Places,
    tables: &[String],
) -> Result<(), WarehouseError> {
    drop_all(transaction, "TABLE", &places.schema, tables).await
}

async fn drop_all(
    transaction: &Transaction<'_>,
    kind: &str,
    schema: &str,
    names: &[String],
) -> Result<(), WarehouseError> {
    if names.is_empty() {
        return Ok(());
    }
    let drop = format!("DROP {kind} {}", names.join(", "));
    transaction.batch_execute(&drop).await.map_err(while_doing("dropping tables of a rebuild", schema))
}

/// Whether what stands in the shadow's schemas, if anything does, is a rebuild of this warehouse. Somebody may keep an
/// ordinary warehouse under such a name.
async fn is_a_shadow(client: &impl GenericClient, main: &Places, shadow: &Places) -> Result<bool, WarehouseError> {
    if !shadow.has_side(client, STAMP).await? {
        return Ok(!shadow.has_side(client, "loads").await?);
    }
    let rebuilt = generation::all(client, shadow).await?.values().any(|generation| *generation > 0);
    let empty = ledger::newest_of_all(client, shadow).await?.is_empty();
    Ok((rebuilt || empty) && is_of_same_lake(client, main, shadow).await?)
}

async fn is_of_same_lake(client: &impl GenericClient, main: &Places, shadow: &Places) -> Result<bool, WarehouseError> {
    let same = format!(
        "SELECT EXISTS (SELECT FROM {} JOIN {} USING (lake_id, system_identifier, database))",
        main.side(STAMP),
        shadow.side(STAMP)
    );
    let row = client.query_one(&same, &[]).await.map_err(while_doing("reading the stamp", &shadow.schema))?;
    Ok(row.get(0))
}

/// See [`Warehouse::shadow_is_for`].
pub(super) async fn is_for(
    client: &impl GenericClient,
    main: &Places,
    shadow: &Places,
    star: &str,
    generation: u64,
) -> Result<bool, WarehouseError> {
    for table in side::shared().chain([side::VIEWS]) {
        if !shadow.has_side(client, table).await? {
            return Ok(false);
        }
    }
    let (expected, found) = (generation::all(client, main).await?, generation::all(client, shadow).await?);
    let loaded = ledger::newest_of_all(client, shadow).await?;
    let of = |generations: &BTreeMap<String, u64>, star: &str| generations.get(star).copied().unwrap_or(0);
    if generation <= of(&expected, star) || !is_of_same_lake(client, main, shadow).await? {
        return Ok(false);
    }
    let mut others = found.keys().chain(loaded.iter().map(|row| &row.star)).filter(|other| *other != star);
    Ok(of(&found, star) == generation && others.all(|other| of(&found, other) == of(&expected, other)))
}
