//! What refused rows mean to the warehouse: those taken at last, and those a component still refuses.

use star_contract::{Description, Output, Role};
use totesys_lake::{Bucket, FileEntry, OpenRows, Released, TransformationRecord};
use totesys_warehouse::{Load, Observed};
use tracing::{Instrument, info_span};

use super::{BATCH_ROWS, described, with_columns_of};
use crate::open_file::{key_columns, wanted_rows};
use crate::{HostError, Pipeline};

impl Pipeline {
    /// Stages what a batch's record says of refused rows of earlier batches, before the batch's own rows.
    pub(super) async fn stage_refusals(
        &self,
        load: &mut Load<'_>,
        live: &Description,
        wrote: Option<&Description>,
        record: &TransformationRecord,
    ) -> Result<(), HostError> {
        for released in &record.released {
            for output in &released.outputs {
                let columns = described(wrote, live, record, &output.table)?;
                let span = info_span!("released", table = output.table, observed = released.observed_batch.0);
                for file in &output.files {
                    let staged = self.stage_released(load, columns, released, file);
                    staged.instrument(span.clone()).await?;
                }
            }
        }
        // Rows that this batch observed are in the source now: nothing is to be said of them yet.
        for open in record.open.iter().filter(|open| open.batch < record.batch) {
            self.stage_still_refused(load, live, open).await?;
        }
        Ok(())
    }

    /// A fact's version comes from the batch that observed it. Of a dimension the newest row counts: the batch's own
    /// comes last, and a row that newer ones have overtaken only fills a gap.
    async fn stage_released(
        &self,
        load: &mut Load<'_>,
        (written, live): (&Output, &Output),
        released: &Released,
        file: &FileEntry,
    ) -> Result<(), HostError> {
        let observed = Observed { batch: released.observed_batch.0, snapshot_micros: released.observed_at.0 };
        for rows in self.lake.read_rows(Bucket::TransformedData, file, &written.columns, BATCH_ROWS).await? {
            let rows = with_columns_of(live, &rows?)
                .map_err(|source| HostError::Columns { table: live.table.clone(), source })?;
            match live.role {
                Role::Fact => load.stage_observed(&live.table, &rows, observed).await?,
                Role::Dimension if released.overtaken => load.stage_missing(&live.table, &rows).await?,
                Role::Dimension => load.stage(&live.table, &rows).await?,
            }
        }
        Ok(())
    }

    /// Tells the facts keyed by the table which keys have versions that are still refused.
    async fn stage_still_refused(
        &self,
        load: &mut Load<'_>,
        live: &Description,
        open: &OpenRows,
    ) -> Result<(), HostError> {
        let Some(input) = live.input(&open.table) else { return Ok(()) };
        let facts = live.outputs.iter().filter(|output| {
            output.role == Role::Fact && output.keyed_by.as_ref().is_some_and(|table| *table == open.table)
        });
        let facts: Vec<&Output> = facts.collect();
        if facts.is_empty() {
            return Ok(());
        }
        let bytes = self.lake.read_file(Bucket::TransformedData, &open.file).await?;
        // Rows whose key is of another type by now are rows of nothing this star writes.
        let wanted = |row| open.has(row);
        let Ok(keys) = wanted_rows(&open.table, bytes, &key_columns(input), wanted) else { return Ok(()) };
        for (_, keys) in &keys {
            for fact in &facts {
                load.stage_refused_keys(&fact.table, keys, open.batch.0).await?;
            }
        }
        Ok(())
    }
}
