//! All versions of one fact.

use serde::Serialize;

use crate::{HostError, Pipeline};

/// All versions of one key of a fact, as text, in the order observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactHistory {
    /// The columns of `<fact>_history`.
    pub columns: Vec<String>,
    /// The versions; NULL is `None`.
    pub versions: Vec<Vec<Option<String>>>,
}

impl Pipeline {
    /// The versions of one key, of which a fact may have several columns.
    ///
    /// # Errors
    /// When there is no such fact, the key does not fit it, or the warehouse cannot be read.
    pub async fn history(&self, fact: &str, key: &[String]) -> Result<FactHistory, HostError> {
        let pinned = self.pin().await?;
        let Some(warehouse) = self.prepared_warehouse(&pinned).await? else { return Err(HostError::NothingLoaded) };
        let (columns, versions) = warehouse.history(fact, key).await?;
        Ok(FactHistory { columns, versions })
    }
}
