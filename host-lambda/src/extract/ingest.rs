//! One table from the source into Parquet parts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use totesys_lake::{Bucket, DEFAULT_PART_BYTES, FileEntry, ParquetRoller, Part, PartSpec, keys};
use totesys_postgres::RefusedValue;
use totesys_source::{PageRange, RangeRead, ReadMode};

use super::Context;
use crate::{HostError, Stage};

/// Batches that may wait between the reader and the writer of a range.
const QUEUE: usize = 2;

/// What one table, or one range of it, came to.
#[derive(Default)]
pub(super) struct Ingested {
    pub(super) rows: u64,
    pub(super) files: Vec<FileEntry>,
    pub(super) refused: Vec<RefusedValue>,
    pub(super) recent_xids: BTreeSet<u32>,
}

impl Context<'_> {
    /// Reads as many of the table's ranges at once as there are connections; their files stand in the order of the
    /// ranges.
    pub(super) async fn ingest(&self, table: &str, mode: &ReadMode) -> Result<Ingested, HostError> {
        let ranges = self.snapshot.ranges(table, mode).await?;
        let parts = Arc::new(AtomicU32::new(0));
        let read = ranges.into_iter().map(|range| self.range(table, mode, range, Arc::clone(&parts)));
        // No more than can be read: each holds a thread for its writer.
        let mut read = stream::iter(read).buffered(self.pipeline.source_options.connections.max(1));
        let mut all = Ingested::default();
        while let Some(range) = read.try_next().await? {
            all.rows += range.rows;
            all.files.extend(range.files);
            all.refused.extend(range.refused);
            all.recent_xids.extend(range.recent_xids);
        }
        if let ReadMode::Whole { reason } = mode {
            tracing::info!(table, rows = all.rows, reason, "whole table read");
        }
        Ok(all)
    }

    async fn range(
        &self,
        table: &str,
        mode: &ReadMode,
        range: PageRange,
        parts: Arc<AtomicU32>,
    ) -> Result<Ingested, HostError> {
        let (sender, batches) = mpsc::channel(QUEUE);
        let writer = tokio::task::spawn_blocking(self.writer(table, batches, parts));
        let read = self.snapshot.read(table, mode, range, sender).await;
        let written = writer.await.map_err(|_| HostError::Worker)?;
        // A writer that failed lets the reader fail too; its own words say more.
        let files = written?;
        let RangeRead { rows, refused, recent_xids, .. } = read?;
        Ok(Ingested { rows, files, refused, recent_xids })
    }

    /// Encoding keeps a thread busy, so it gets one of its own.
    fn writer(
        &self,
        table: &str,
        mut batches: mpsc::Receiver<RecordBatch>,
        parts: Arc<AtomicU32>,
    ) -> impl FnOnce() -> Result<Vec<FileEntry>, HostError> + Send + 'static {
        let columns = self.snapshot.columns(table).to_vec();
        let (lake, observer) = (Arc::clone(&self.pipeline.lake), Arc::clone(&self.pipeline.observer));
        let (table, attempt, batch) = (table.to_owned(), self.attempt.clone(), self.batch);
        let runtime = Handle::current();
        move || {
            let metadata = [("batch".to_owned(), batch.0.to_string())].into();
            let spec = PartSpec { keys: Vec::new(), metadata };
            let mut roller = ParquetRoller::new(&columns, spec, DEFAULT_PART_BYTES);
            let mut files = Vec::new();
            let mut store = |part: Part| -> Result<(), HostError> {
                let key = keys::ingested(&table, batch, &attempt, parts.fetch_add(1, Ordering::Relaxed));
                observer.passed(Stage::Extract, &table, 0, part.bytes.len() as u64);
                files.push(runtime.block_on(lake.put_part(Bucket::Ingestion, key, &table, part))?);
                Ok(())
            };
            while let Some(rows) = batches.blocking_recv() {
                observer.passed(Stage::Extract, &table, rows.num_rows() as u64, 0);
                roller.push(&rows)?.map(&mut store).transpose()?;
            }
            roller.finish()?.map(&mut store).transpose()?;
            Ok(files)
        }
    }
}
