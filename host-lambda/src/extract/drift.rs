//! What changed in the source's schema is said once, however many runs see it.

use totesys_lake::Manifest;
use totesys_source::{Baseline, Drift, drift};

use crate::{HostError, Pipeline};

impl Pipeline {
    /// Logs what changed since the last batch, unless a check after that batch did. A batch remembers the schema it
    /// saw; a check record has room for what was said, because an idle source may make no batch for days.
    pub(super) async fn note_drift(
        &self,
        found: &Baseline,
        before: Option<&Baseline>,
        previous: Option<&Manifest>,
    ) -> Result<Vec<String>, HostError> {
        let drift = before.map(|before| drift(found, before)).unwrap_or_default();
        if drift.is_empty() {
            return Ok(Vec::new());
        }
        let check = self.lake.newest_check().await?;
        let said = check.as_deref().filter(|check| check.after == previous.map(|manifest| manifest.batch));
        for change in &drift {
            if !said.is_some_and(|check| check.drift.contains(&change.key())) {
                say(change);
            }
        }
        Ok(drift.iter().map(Drift::key).collect())
    }
}

fn say(change: &Drift) {
    match change {
        Drift::TableAdded { table } => {
            tracing::info!(table, "the source has a new table, which no component reads");
        }
        Drift::ColumnAdded { table, column, found } => {
            tracing::info!(table, column, found, "the source has a new column; it is ingested from now on");
        }
        Drift::ColumnDropped { table, column } => {
            tracing::warn!(table, column, "a column that no component describes is gone from the source");
        }
        Drift::ColumnRetyped { table, column, before, found } => {
            tracing::warn!(table, column, before, found, "a column of the source has another type");
        }
    }
}
