//! Whether the rows of a table that is read in chunks still lie where the plan says.

use totesys_lake::{BackfillRecord, ChunkedTable};
use totesys_source::{Baseline, ReadMode, SourceSnapshot, TableRequest};

use crate::{HostError, Pipeline, tables};

impl Pipeline {
    /// What the components read of a table, as the catalog record says under which the backfill was planned.
    pub(super) async fn requests_of(
        &self,
        backfill: &BackfillRecord,
        chunked: &[ChunkedTable],
    ) -> Result<Vec<TableRequest>, HostError> {
        let (batch, number) = (backfill.opening.batch.0, backfill.opening.catalog);
        let record = self.lake.catalog(number).await?.ok_or(HostError::NoCatalogRecord { batch, number })?;
        let mut requests = tables::requested(record.stars.values().map(|entry| &entry.description))?;
        requests.retain(|request| chunked.iter().any(|chunked| chunked.table == request.table));
        Ok(requests)
    }
}

/// Refuses tables that an ordinary extraction would read whole after the plan's snapshot, or that lie in another file:
/// what chunks have read and will read of those does not make a whole.
pub(super) async fn refuse_moved(
    snapshot: &SourceSnapshot,
    backfill: &BackfillRecord,
    chunked: &[ChunkedTable],
) -> Result<(), HostError> {
    let planned = baseline(backfill)?;
    let planned = chunked.iter().fold(planned, |planned, chunked| planned.with_partial(&chunked.table, false));
    let modes = snapshot.decide(Some(&planned))?;
    for ChunkedTable { table, file, .. } in chunked {
        let reason = match modes.get(table) {
            Some(ReadMode::Since { .. }) if snapshot.size(table).await?.file == Some(*file) => continue,
            Some(ReadMode::Since { .. }) => "rewritten",
            Some(ReadMode::Whole { reason }) => reason,
            None => "not-read",
        };
        return Err(HostError::TableMoved { table: table.clone(), reason });
    }
    Ok(())
}

/// The baseline of a backfill, which takes its large tables for partly read.
pub(super) fn baseline(backfill: &BackfillRecord) -> Result<Baseline, HostError> {
    serde_json::from_value(backfill.opening.baseline.clone())
        .map_err(|source| HostError::Baseline { batch: backfill.opening.batch.0, source })
}
