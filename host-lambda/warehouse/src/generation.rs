//! The generation of a star's ledger: how often its star was rebuilt. What was made for one generation is never loaded
//! on top of another.

use std::collections::BTreeMap;

use tokio_postgres::GenericClient;

use crate::error::while_doing;
use crate::place::Places;
use crate::{Warehouse, WarehouseError};

/// The side table's name.
pub(crate) const TABLE: &str = "generations";

/// The statement that makes the table.
pub(crate) fn create(places: &Places) -> String {
    format!("CREATE TABLE IF NOT EXISTS {} (star text PRIMARY KEY, generation bigint NOT NULL)", places.side(TABLE))
}

/// The generation of every star that has one; a warehouse from before generations has none.
pub(crate) async fn all(client: &impl GenericClient, places: &Places) -> Result<BTreeMap<String, u64>, WarehouseError> {
    let doing = || while_doing("reading the generations", &places.schema);
    if !places.has_side(client, TABLE).await? {
        return Ok(BTreeMap::new());
    }
    let query = format!("SELECT star, generation FROM {}", places.side(TABLE));
    let rows = client.query(&query, &[]).await.map_err(doing())?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1).cast_unsigned())).collect())
}

/// The generation of one star; without a row it is the first, 0.
pub(crate) async fn of(client: &impl GenericClient, places: &Places, star: &str) -> Result<u64, WarehouseError> {
    let query = format!("SELECT generation FROM {} WHERE star = $1", places.side(TABLE));
    let row = client.query_opt(&query, &[&star]).await.map_err(while_doing("reading the generation", star))?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0).cast_unsigned()))
}

/// Notes a star's generation.
pub(crate) async fn set(
    client: &impl GenericClient,
    places: &Places,
    star: &str,
    generation: u64,
) -> Result<(), WarehouseError> {
    let upsert = format!(
        "INSERT INTO {} (star, generation) VALUES ($1, $2)
         ON CONFLICT (star) DO UPDATE SET generation = EXCLUDED.generation",
        places.side(TABLE)
    );
    // Nobody counts rebuilds beyond what a bigint holds.
    let generation = i64::try_from(generation).unwrap_or(i64::MAX);
    client.execute(&upsert, &[&star, &generation]).await.map_err(while_doing("noting the generation", star))?;
    Ok(())
}

impl Warehouse {
    /// The generation of a star's tables: 0 until a rebuild was swapped in.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn generation(&self, star: &str) -> Result<u64, WarehouseError> {
        let generations = all(&**self.connection(), self.places()).await?;
        Ok(generations.get(star).copied().unwrap_or(0))
    }

    /// Says which generation of a star this warehouse holds; for a shadow warehouse, before anything is loaded into
    /// it. Waits for a load of the star that is under way.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_generation(&mut self, star: &str, generation: u64) -> Result<(), WarehouseError> {
        let doing = || while_doing("noting the generation", star);
        let (connection, places) = self.parts();
        let transaction = connection.transaction().await.map_err(doing())?;
        places.lock_star(&transaction, star).await?;
        set(&transaction, places, star, generation).await?;
        transaction.commit().await.map_err(doing())
    }
}
