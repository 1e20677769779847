//! One chunk: a range of a table's pages under a snapshot of its own.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use serde::Serialize;
use totesys_failpoint as failpoint;
use totesys_lake::{Attempt, BackfillRecord, ChunkPlace, ChunkRecord, Committed, Micros, OpenRows};
use totesys_source::{KeyTally, PageRange, Portion, ReadMode, SourceSnapshot};
use tracing::{Instrument, info_span};

use super::super::ingest::Reading;
use super::super::unreadable::Unreadable;
use super::super::{Context, FilesOf};
use super::moved::refuse_moved;
use super::{Stand, no_backfill};
use crate::{HostError, Pipeline};

/// A chunk that is there now.
#[derive(Debug, Clone, Serialize)]
pub struct ChunkExtraction {
    /// The backfill.
    pub plan: String,
    /// The number of the chunk.
    pub chunk: u32,
    /// Its table.
    pub table: String,
    /// Rows written.
    pub rows: u64,
    /// Bytes of Parquet.
    pub bytes: u64,
    /// Rows refused by the codec.
    pub refused: u64,
    /// Whether it was there before.
    pub already: bool,
}

impl Pipeline {
    /// Reads a chunk of a backfill, unless it was read before. Who reads the same chunk at the same time and is first
    /// counts.
    ///
    /// # Errors
    /// [`HostError::TableMoved`] when rows of the table lie elsewhere than when the backfill was planned, which ends
    /// the backfill, as does a source that cannot be read as described; when no such backfill is under way; when the
    /// lake fails.
    pub async fn extract_chunk(&self, plan: &str, chunk: u32) -> Result<ChunkExtraction, HostError> {
        let backfill = self.backfill(plan).await?;
        let no_chunk = || HostError::NoChunk { plan: plan.to_owned(), chunk, chunks: backfill.chunks() };
        let place = backfill.place(chunk).ok_or_else(no_chunk)?;
        if let Some(read) = self.lake.chunk(&backfill.attempt, chunk).await? {
            return Ok(report(&read, true));
        }
        let Stand::Open { .. } = self.stand(&backfill).await? else { return Err(no_backfill(plan)) };
        let span = info_span!("chunk", chunk, table = place.table.table);
        // Boxed: the future nests deeper than the compiler's default limit for laying types out.
        let read = Box::pin(self.read_chunk(&backfill, place, chunk)).instrument(span).await;
        if let Err(error) = &read {
            self.end_if_hopeless(&backfill, error).await;
        }
        read
    }

    async fn read_chunk(
        &self,
        backfill: &BackfillRecord,
        place: ChunkPlace<'_>,
        chunk: u32,
    ) -> Result<ChunkExtraction, HostError> {
        let started_at = Micros::now();
        let (chunked, table) = (slice::from_ref(place.table), place.table.table.as_str());
        let requests = self.requests_of(backfill, chunked).await?;
        let snapshot = SourceSnapshot::open(self.source()?, &self.source_options, &requests).await?;
        refuse_moved(&snapshot, backfill, chunked).await?;
        failpoint::pass("backfill:chunk-begun");
        let (attempt, unreadable, refused_parts) = (Attempt::random()?, Unreadable::default(), AtomicU32::new(0));
        let context = Context {
            pipeline: self,
            snapshot: &snapshot,
            attempt: &attempt,
            batch: backfill.opening.batch,
            files: FilesOf::Chunk { plan: &backfill.attempt, number: chunk },
            unreadable: &unreadable,
            refused_parts: &refused_parts,
        };
        let range = PageRange { first: place.first_page(), end: place.end_page() };
        let portions = snapshot.ranges_of(table, range).await?.into_iter().map(Portion::Range).collect();
        let (mode, parts) = (ReadMode::Whole { reason: "backfill" }, Arc::new(AtomicU32::new(0)));
        // Keys are not summed: a row that moved between two chunks is in both of them, or in neither.
        let reading = Reading { table, mode: &mode, portions, key: None, tally: KeyTally::default(), parts };
        let ingested = context.ingest(reading).await?;
        refuse_moved(&snapshot, backfill, chunked).await?;
        let (order, taken_at) = (snapshot.order(), Micros(snapshot.taken_at()));
        let columns = snapshot.columns(table).to_vec();
        snapshot.close().await?;
        let record = ChunkRecord {
            plan: backfill.attempt.clone(),
            number: chunk,
            attempt,
            table: table.to_owned(),
            columns,
            rows: ingested.rows,
            files: ingested.files,
            unreadable: ingested.refused,
            taken_at,
            xmax: order.xmax,
            under_way: order.under_way.0,
            started_at,
            finished_at: Micros::now(),
        };
        failpoint::pass("backfill:chunk-read");
        let (record, already) = match self.lake.commit_chunk(&record).await? {
            Committed::Ours => (record, false),
            Committed::Theirs(theirs) => (theirs.into_record(), true),
        };
        failpoint::pass("backfill:chunk-recorded");
        let report = report(&record, already);
        tracing::info!(rows = report.rows, bytes = report.bytes, refused = report.refused, already, "chunk extracted");
        Ok(report)
    }
}

fn report(record: &ChunkRecord, already: bool) -> ChunkExtraction {
    ChunkExtraction {
        plan: record.plan.to_string(),
        chunk: record.number,
        table: record.table.clone(),
        rows: record.rows,
        bytes: record.files.iter().map(|file| file.bytes).sum(),
        refused: record.unreadable.iter().map(OpenRows::count).sum(),
        already,
    }
}
