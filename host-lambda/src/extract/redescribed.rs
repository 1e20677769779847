//! Rows the codec could not hold may be read once their table is described otherwise.

use std::collections::BTreeMap;

use star_contract::{Column, ColumnType};
use totesys_lake::Manifest;
use totesys_source::{ReadMode, TableRequest};

use crate::catalog::Pinned;
use crate::{HostError, Pipeline, tables};

impl Pipeline {
    /// A table of which rows could not be read is read whole when its described columns are others than in the batch
    /// before: only so are those rows seen again.
    pub(super) async fn read_redescribed_whole(
        &self,
        pinned: &Pinned,
        previous: Option<&Manifest>,
        requests: &[TableRequest],
        modes: &mut BTreeMap<String, ReadMode>,
    ) -> Result<(), HostError> {
        let previous = previous.filter(|manifest| manifest.catalog != pinned.record.number);
        let Some(previous) = previous.filter(|manifest| !manifest.unreadable.is_empty()) else { return Ok(()) };
        let Some(before) = self.lake.catalog(previous.catalog).await? else { return Ok(()) };
        let before = tables::requested(before.stars.values().map(|entry| &entry.description))?;
        for request in requests {
            let unreadable = previous.unreadable.iter().any(|open| open.table == request.table);
            let described = before.iter().find(|before| before.table == request.table);
            if unreadable && described.is_none_or(|before| shape(&before.columns) != shape(&request.columns)) {
                modes.insert(request.table.clone(), ReadMode::Whole { reason: "description-changed" });
            }
        }
        Ok(())
    }
}

/// What the codec goes by.
fn shape(columns: &[Column]) -> BTreeMap<&str, (ColumnType, bool)> {
    columns.iter().map(|column| (column.name.as_str(), (column.column_type, column.nullable))).collect()
}
