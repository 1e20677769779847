//! What would become of the warehouse under another catalog record.

use star_contract::Description;
use totesys_lake::CatalogRecord;
use totesys_warehouse::ForeseenStep;

use crate::{HostError, Pipeline};

impl Pipeline {
    /// What the next load would do to the warehouse's tables before anything else; nothing is done. Without a
    /// warehouse yet there is nothing to foresee.
    ///
    /// # Errors
    /// What the next load would refuse.
    pub async fn foresee(&self, record: &CatalogRecord) -> Result<Vec<ForeseenStep>, HostError> {
        let Some(warehouse) = self.existing_warehouse().await? else { return Ok(Vec::new()) };
        let descriptions: Vec<Description> = record.stars.values().map(|entry| entry.description.clone()).collect();
        Ok(warehouse.foresee(&descriptions, &record.owners).await?)
    }
}
