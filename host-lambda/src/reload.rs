//! An empty warehouse, filled from the lake alone.

use totesys_lake::BatchNumber;

use crate::catalog::Pinned;
use crate::load::Recorded;
use crate::{HostError, Pipeline, StarLoad};

impl Pipeline {
    /// Replays everything that was ever transformed into an empty warehouse, in the order in which it was loaded
    /// first: the same rows, record ids and history. Neither the source nor a component is asked.
    ///
    /// # Errors
    /// When the warehouse is not empty, or a file of the lake is missing or damaged. What was loaded until then
    /// stays, and an ordinary run goes on from there.
    pub async fn reload(&self) -> Result<Vec<StarLoad>, HostError> {
        let pinned = self.pin().await?;
        let Some(mut warehouse) = self.prepared_warehouse(&pinned).await? else { return Err(HostError::NothingLoaded) };
        let filled = warehouse.summary().await?.tables.into_iter().find(|table| table.rows > 0);
        if let Some(filled) = filled {
            return Err(HostError::NotEmpty { table: filled.table, rows: filled.rows });
        }
        let mut done = Vec::new();
        for (star, batch) in self.loads_in_order(&pinned).await? {
            done.extend(self.load_one(&mut warehouse, &pinned, &pinned.ledger(&star), batch, Recorded::Yes).await?);
        }
        tracing::info!(loads = done.len(), "warehouse reloaded from the lake");
        Ok(done)
    }

    /// Every transformed batch of every star, as they were loaded; those that never were stand at the end.
    pub(crate) async fn loads_in_order(&self, pinned: &Pinned) -> Result<Vec<(String, BatchNumber)>, HostError> {
        let mut loads = Vec::new();
        for (turn, star) in pinned.stars().into_iter().enumerate() {
            let Some(newest) = self.lake.newest_transformation(pinned.ledger(star)).await?.map(|record| record.batch)
            else {
                continue;
            };
            let mut batch = self.first_transformed(&pinned.ledger(star), newest).await?;
            let mut of_star = Vec::new();
            while batch <= newest {
                let loaded = self.lake.load(star, batch).await?;
                of_star.push((batch, loaded.map(|record| record.finished_at.0)));
                batch = batch.next();
            }
            // A star's batches load in order, whatever a clock said; and one without a record was loaded before any
            // that has one.
            let known = of_star.iter().rposition(|(_, at)| at.is_some()).map_or(0, |last| last + 1);
            let mut latest = i64::MIN;
            for (place, (batch, at)) in of_star.into_iter().enumerate() {
                latest = latest.max(at.unwrap_or(if place < known { i64::MIN } else { i64::MAX }));
                loads.push((latest, batch, turn, star.to_owned()));
            }
        }
        loads.sort();
        Ok(loads.into_iter().map(|(_, batch, _, star)| (star, batch)).collect())
    }
}
