//! A backfill whose chunks were all read becomes batches: its first one, then one for each chunk.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use star_contract::Delivery;
use totesys_failpoint as failpoint;
use totesys_lake::{
    BackfillPart, BackfillRecord, ChunkRecord, Committed, Manifest, Micros, OpenRows, PreviousManifest, Stored,
    TableEntry,
};
use totesys_source::{Baseline, SourceSnapshot};
use tracing::{Instrument, info_span};

use super::super::record_of;
use super::moved::{baseline, refuse_moved};
use super::{Stand, last_batch, no_backfill};
use crate::{HostError, Pipeline};

/// Records read at a time.
const AT_ONCE: usize = 16;

/// A backfill whose batches are there.
#[derive(Debug, Clone, Serialize)]
pub struct FinishedBackfill {
    /// The backfill.
    pub plan: String,
    /// How many batches it has.
    pub batches: u64,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
}

impl Pipeline {
    /// Makes the batches of a backfill, all of whose chunks were read. What was interrupted is gone on with; what is
    /// done stays as it is.
    ///
    /// # Errors
    /// [`HostError::ChunksMissing`] when chunks are lacking; [`HostError::TableMoved`] and [`HostError::Overtaken`]
    /// when the source or the lake went another way meanwhile, which ends the backfill; when the lake fails.
    pub async fn finish_backfill(&self, plan: &str) -> Result<FinishedBackfill, HostError> {
        let backfill = self.backfill(plan).await?;
        let begun = match self.stand(&backfill).await? {
            Stand::Open { begun, .. } => begun,
            Stand::Finished => return Ok(report(&backfill)),
            Stand::Over => return Err(no_backfill(plan)),
        };
        let finished = Box::pin(self.make_batches(&backfill, begun)).instrument(info_span!("finish", plan)).await;
        if let Err(error) = &finished {
            self.end_if_hopeless(&backfill, error).await;
        }
        finished
    }

    async fn make_batches(&self, backfill: &BackfillRecord, begun: bool) -> Result<FinishedBackfill, HostError> {
        let chunks = in_order(backfill, self.chunks_of(backfill).await?);
        // Once a batch is there nothing of the source matters any more.
        if !begun {
            let requests = self.requests_of(backfill, &backfill.tables).await?;
            let snapshot = SourceSnapshot::open(self.source()?, &self.source_options, &requests).await?;
            refuse_moved(&snapshot, backfill, &backfill.tables).await?;
            snapshot.close().await?;
        }
        failpoint::pass("backfill:checked");
        let mut left: BTreeMap<&str, u32> =
            backfill.tables.iter().map(|chunked| (chunked.table.as_str(), chunked.chunks)).collect();
        let mut remembered = baseline(backfill)?;
        let planned_at = (backfill.planned_at, backfill.planned_at);
        let mut last = self.put_batch(&backfill.opening, planned_at).await?;
        for chunk in &chunks {
            let lacking = left.get_mut(chunk.table.as_str()).map_or(0, |left| {
                *left = left.saturating_sub(1);
                *left
            });
            if lacking == 0 {
                remembered = remembered.with_partial(&chunk.table, false);
            }
            let manifest = manifest(backfill, chunk, &last, &remembered, lacking == 0)?;
            last = self.put_batch(&manifest, (chunk.started_at, chunk.finished_at)).await?;
        }
        failpoint::pass("backfill:before-end");
        self.end_backfill(backfill, None).await?;
        let report = report(backfill);
        tracing::info!(batches = report.batches, first = report.first, last = report.last, "backfill finished");
        Ok(report)
    }

    async fn chunks_of(&self, backfill: &BackfillRecord) -> Result<Vec<ChunkRecord>, HostError> {
        let chunks = backfill.chunks();
        let found = (0..chunks).map(|number| self.lake.chunk(&backfill.attempt, number));
        let found: Vec<_> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
        let found: Vec<_> = found.into_iter().flatten().map(Stored::into_record).collect();
        let read = u32::try_from(found.len()).unwrap_or(u32::MAX);
        if read < chunks {
            return Err(HostError::ChunksMissing { plan: backfill.attempt.to_string(), read, chunks });
        }
        Ok(found)
    }

    /// Writes a batch and its record, if they are not there.
    async fn put_batch(
        &self,
        manifest: &Manifest,
        (started_at, finished_at): (Micros, Micros),
    ) -> Result<Stored<Manifest>, HostError> {
        if let Committed::Theirs(_) = self.lake.commit_manifest(manifest).await? {
            return Err(HostError::Overtaken { batch: manifest.batch.0 });
        }
        failpoint::pass("backfill:manifest-written");
        self.lake.commit_extraction(&record_of(manifest, started_at, finished_at)).await?;
        failpoint::pass("backfill:recorded");
        self.lake.manifest(manifest.batch).await?.ok_or(HostError::NoManifest { batch: manifest.batch.0 })
    }
}

/// Table by table as planned, and of each table by the chunks' snapshots: of a row that is in two of them the newer
/// version comes later.
fn in_order(backfill: &BackfillRecord, mut chunks: Vec<ChunkRecord>) -> Vec<ChunkRecord> {
    let planned = |table: &str| backfill.tables.iter().position(|chunked| chunked.table == table);
    chunks.sort_by_key(|chunk| {
        (planned(&chunk.table), chunk.xmax, Reverse(chunk.under_way), chunk.taken_at, chunk.number)
    });
    chunks
}

/// The batch of a chunk: its rows, and nothing new of any other table.
fn manifest(
    backfill: &BackfillRecord,
    chunk: &ChunkRecord,
    previous: &Stored<Manifest>,
    remembered: &Baseline,
    last_of_table: bool,
) -> Result<Manifest, HostError> {
    let opening = &backfill.opening;
    let batch = previous.batch.next();
    let mut tables: BTreeMap<String, TableEntry> = opening.tables.clone();
    for entry in tables.values_mut() {
        (entry.changed, entry.keys, entry.backfill) = (false, None, None);
        if entry.delivery == Delivery::Changes {
            (entry.from_batch, entry.whole) = (batch, false);
            (entry.rows, entry.refused, entry.files) = (0, 0, Vec::new());
        }
    }
    let unreadable: Vec<OpenRows> = chunk.unreadable.iter().map(|open| OpenRows { batch, ..open.clone() }).collect();
    let entry = TableEntry {
        delivery: Delivery::Changes,
        changed: chunk.rows > 0 || !unreadable.is_empty(),
        from_batch: batch,
        whole: false,
        rows: chunk.rows,
        columns: chunk.columns.clone(),
        files: chunk.files.clone(),
        refused: unreadable.iter().map(OpenRows::count).sum(),
        keys: None,
        backfill: Some(BackfillPart { plan: backfill.attempt.clone(), chunk: Some(chunk.number) }),
    };
    tables.insert(chunk.table.clone(), entry);
    // Of a table that was read to its end only what was met on the way is unreadable still.
    let over = |open: &&OpenRows| last_of_table && open.table == chunk.table && open.batch < opening.batch;
    let still_open = previous.unreadable.iter().filter(|open| !over(open)).cloned();
    let baseline = serde_json::to_value(remembered).map_err(|source| HostError::Baseline { batch: batch.0, source })?;
    Ok(Manifest {
        batch,
        lake_id: opening.lake_id.clone(),
        attempt: backfill.attempt.clone(),
        baseline,
        // Chunks of one table stand behind those of another, whenever they were read.
        taken_at: chunk.taken_at.max(previous.taken_at),
        catalog: opening.catalog,
        previous: Some(PreviousManifest { batch: previous.batch, sha256: previous.sha256().to_owned() }),
        quarantine: unreadable.iter().map(|open| open.file.clone()).collect(),
        unreadable: still_open.chain(unreadable.iter().cloned()).collect(),
        tables,
        gaps: opening.gaps.clone(),
        replay: None,
    })
}

fn report(backfill: &BackfillRecord) -> FinishedBackfill {
    FinishedBackfill {
        plan: backfill.attempt.to_string(),
        batches: u64::from(backfill.chunks()) + 1,
        first: backfill.opening.batch.0,
        last: last_batch(backfill).0,
    }
}
