//! Tables too large to be read by one extraction: planned under one snapshot, read in chunks under snapshots of their
//! own, whenever and by whomever, and made into batches when all chunks are there.
//!
//! All batches of a backfill have the baseline of its plan, which was taken before any chunk was read: what a chunk
//! saw too early or too late the next ordinary extraction delivers, or delivers again. A chunk says nothing of what is
//! gone: the next ordinary extraction compares the keys.

mod chunk;
mod finish;
mod moved;
mod plan;

use std::ops::ControlFlow;

use totesys_failpoint as failpoint;
use totesys_lake::{Attempt, BackfillEnd, BackfillRecord, BatchNumber, Micros};

use super::Extraction;
use crate::{HostError, Pipeline};

pub use chunk::ChunkExtraction;
pub use finish::FinishedBackfill;
pub use plan::Chunks;

/// A backfill that takes longer is planned anew, in microseconds: its baseline grows old, and nothing newer is
/// extracted meanwhile.
const LONGEST: i64 = 24 * 60 * 60 * 1_000_000;

/// So is one of which no chunk was read for so long, in microseconds: whoever read them is gone.
const STALLED: i64 = 60 * 60 * 1_000_000;

/// How a backfill stands.
enum Stand {
    /// Its chunks may be read, and its batches written.
    Open {
        /// How many chunks were read.
        read: u32,
        /// Whether some of its batches were written.
        begun: bool,
    },
    /// Its batches are there.
    Finished,
    /// It came to nothing.
    Over,
}

impl Pipeline {
    /// What an extraction says instead of making a batch while a backfill is under way; the number of the next backfill
    /// when none is.
    pub(super) async fn backfill_under_way(&self) -> Result<ControlFlow<Extraction, u64>, HostError> {
        let Some(backfill) = self.lake.newest_backfill().await? else { return Ok(ControlFlow::Continue(1)) };
        let Stand::Open { read, .. } = self.stand(&backfill).await? else {
            return Ok(ControlFlow::Continue(backfill.number.saturating_add(1)));
        };
        let (plan, chunks) = (backfill.attempt.to_string(), backfill.chunks());
        tracing::info!(plan, chunks, read, "a backfill is under way");
        Ok(ControlFlow::Break(Extraction::BackfillUnderWay { plan, chunks, read }))
    }

    /// A backfill by its name. An older one than the newest counts no more.
    async fn backfill(&self, plan: &str) -> Result<BackfillRecord, HostError> {
        let newest = self.lake.newest_backfill().await?.filter(|backfill| backfill.attempt.as_str() == plan);
        newest.map(totesys_lake::Stored::into_record).ok_or_else(|| no_backfill(plan))
    }

    async fn stand(&self, backfill: &BackfillRecord) -> Result<Stand, HostError> {
        if let Some(end) = self.lake.backfill_end(&backfill.attempt).await? {
            return Ok(if end.failed.is_none() { Stand::Finished } else { Stand::Over });
        }
        let newest = self.lake.newest_manifest().await?;
        let newest = newest.as_ref().filter(|manifest| manifest.batch >= backfill.opening.batch);
        if let Some(newest) = newest.filter(|manifest| manifest.attempt != backfill.attempt) {
            let why = format!("another run made batch {}", newest.batch);
            self.end_backfill(backfill, Some(why)).await?;
            return Ok(Stand::Over);
        }
        if newest.is_some_and(|manifest| manifest.batch == last_batch(backfill)) {
            // Whoever wrote the last batch died before saying so.
            self.end_backfill(backfill, None).await?;
            return Ok(Stand::Finished);
        }
        let progress = self.lake.chunk_progress(&backfill.attempt).await?;
        let now = Micros::now();
        let since = |then: Micros| now.0.saturating_sub(then.0);
        let moved_at = progress.last.map_or(backfill.planned_at, |last| last.max(backfill.planned_at));
        if since(backfill.planned_at) > LONGEST || since(moved_at) > STALLED {
            return Ok(Stand::Over);
        }
        Ok(Stand::Open { read: progress.read, begun: newest.is_some() })
    }

    /// Ends a backfill; what ended it first stands.
    async fn end_backfill(&self, backfill: &BackfillRecord, failed: Option<String>) -> Result<(), HostError> {
        if let Some(why) = &failed {
            tracing::warn!(plan = backfill.attempt.as_str(), why, "the backfill comes to nothing");
        }
        let (plan, attempt, ended_at) = (backfill.attempt.clone(), Attempt::random()?, Micros::now());
        self.lake.commit_backfill_end(&BackfillEnd { plan, attempt, ended_at, failed }).await?;
        failpoint::pass("backfill:ended");
        Ok(())
    }

    /// Ends a backfill that cannot go on as the source is now, so that the next extraction plans it anew or says what
    /// is wrong. What may pass ends nothing.
    async fn end_if_hopeless(&self, backfill: &BackfillRecord, error: &HostError) {
        let hopeless = match error {
            HostError::Source(error) => !error.is_transient(),
            HostError::TableMoved { .. } | HostError::Overtaken { .. } => true,
            _ => false,
        };
        if !hopeless {
            return;
        }
        self.note_trouble(error).await;
        if let Err(unnoted) = self.end_backfill(backfill, Some(error.to_string())).await {
            tracing::warn!(%unnoted, "the end of the backfill could not be recorded");
        }
    }

    /// Reads the chunks of a backfill one after the other and makes its batches, as a machine without a map of
    /// functions does.
    pub(crate) async fn backfill_in_turn(&self, plan: &str, chunks: u32) -> Result<FinishedBackfill, HostError> {
        for chunk in 0..chunks {
            self.retries.run("extract", async || self.extract_chunk(plan, chunk).await).await?;
        }
        self.retries.run("extract", async || self.finish_backfill(plan).await).await
    }

    /// The batch a chunk of a backfill was made into.
    pub(crate) async fn batch_of_chunk(&self, plan: &str, chunk: u32) -> Result<Option<BatchNumber>, HostError> {
        let planned = self.lake.backfills().await?;
        let Some(backfill) = planned.iter().find(|backfill| backfill.attempt.as_str() == plan) else { return Ok(None) };
        let mut batch = backfill.opening.batch;
        while batch < last_batch(backfill) {
            batch = batch.next();
            let Some(manifest) = self.lake.manifest(batch).await? else { break };
            let is_it = |part: &totesys_lake::BackfillPart| part.plan == backfill.attempt && part.chunk == Some(chunk);
            if manifest.tables.values().filter_map(|entry| entry.backfill.as_ref()).any(is_it) {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// One batch for each chunk follows the first one.
fn last_batch(backfill: &BackfillRecord) -> BatchNumber {
    BatchNumber(backfill.opening.batch.0.saturating_add(backfill.chunks().into()))
}

fn no_backfill(plan: &str) -> HostError {
    HostError::NoBackfill { plan: plan.to_owned() }
}
