//! Which tables are read in chunks, and how many.

use std::collections::{BTreeMap, BTreeSet};

use star_contract::Delivery;
use totesys_failpoint as failpoint;
use totesys_lake::{BackfillPart, BackfillRecord, ChunkedTable, Committed, Manifest, Micros, TableEntry};
use totesys_source::{ReadMode, SourceSnapshot, TableRequest};

use super::super::{Context, Extraction};
use crate::catalog::Pinned;
use crate::{HostError, Pipeline};

/// A table has no more chunks: a larger one has larger chunks.
const MOST: u32 = 5_000;

/// Which tables are read in chunks, and of which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    /// A table with more bytes of pages is read in chunks where all of it is to be read.
    pub above_bytes: u64,
    /// Bytes of pages in a chunk.
    pub chunk_bytes: u64,
}

impl Chunks {
    /// Bytes of pages in a chunk unless it is said otherwise: what a star can load into a fact that has rows in far less
    /// than the fifteen minutes a function has.
    pub const DEFAULT_BYTES: u64 = 256 << 20;
}

impl Pipeline {
    /// The tables of this snapshot that have to be read whole and are too large for that. Those come first that no fact
    /// is about: facts refer to what is made of their rows.
    pub(in crate::extract) async fn to_be_chunked(
        &self,
        snapshot: &SourceSnapshot,
        pinned: &Pinned,
        requests: &[TableRequest],
        modes: &BTreeMap<String, ReadMode>,
    ) -> Result<Vec<ChunkedTable>, HostError> {
        let Some(chunks) = self.chunks else { return Ok(Vec::new()) };
        let mut large = Vec::new();
        for request in requests.iter().filter(|request| request.delivery == Delivery::Changes) {
            let table = &request.table;
            if !matches!(modes.get(table), None | Some(ReadMode::Whole { .. })) {
                continue;
            }
            let size = snapshot.size(table).await?;
            let Some(file) = size.file.filter(|_| size.has_ranges && size.bytes > chunks.above_bytes) else { continue };
            let pages = size.pages_in(chunks.chunk_bytes).max(size.pages().div_ceil(MOST));
            let count = size.pages().div_ceil(pages).max(1);
            tracing::info!(table, bytes = size.bytes, chunks = count, "the table is read in chunks");
            large.push(ChunkedTable { table: table.clone(), file, pages, chunks: count });
        }
        let outputs = pinned.descriptions().flat_map(|description| &description.outputs);
        let of_facts: BTreeSet<&str> = outputs.filter_map(|output| output.keyed_by.as_deref()).collect();
        large.sort_by_key(|chunked| of_facts.contains(chunked.table.as_str()));
        Ok(large)
    }

    /// Records what is to be read. Who planned at the same time and was first counts.
    pub(in crate::extract) async fn plan_backfill(
        &self,
        number: u64,
        opening: Manifest,
        tables: Vec<ChunkedTable>,
    ) -> Result<Extraction, HostError> {
        let (attempt, planned_at) = (opening.attempt.clone(), Micros::now());
        let record = BackfillRecord { number, attempt, planned_at, opening, tables };
        if let Committed::Theirs(theirs) = self.lake.commit_backfill(&record).await? {
            let (plan, chunks) = (theirs.attempt.to_string(), theirs.chunks());
            return Ok(Extraction::BackfillUnderWay { plan, chunks, read: 0 });
        }
        failpoint::pass("backfill:planned");
        let (plan, chunks) = (record.attempt.to_string(), record.chunks());
        tracing::info!(plan, chunks, "backfill planned");
        Ok(Extraction::Backfill { plan, chunks })
    }
}

impl Context<'_> {
    /// What the first batch of a backfill has of a table that is read in chunks.
    pub(in crate::extract) fn opened(&self, request: &TableRequest) -> TableEntry {
        let part = BackfillPart { plan: self.attempt.clone(), chunk: None };
        TableEntry { backfill: Some(part), ..self.entry(request, &Default::default(), false, false) }
    }
}
