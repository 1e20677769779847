//! One table from the source into Parquet parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;

use arrow_array::RecordBatch;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use totesys_failpoint as failpoint;
use totesys_lake::{
    Attempt, BatchNumber, Bucket, DEFAULT_PART_BYTES, FileEntry, OpenRows, ParquetRoller, Part, PartSpec, keys,
};
use totesys_source::{KeyTally, Portion, PortionRead, ReadMode};

use super::keys::of_refused as keys_of_refused;
use super::{Context, FilesOf};
use crate::{HostError, Stage};

/// Batches that may wait between the reader and the writer of a range.
const QUEUE: usize = 2;

/// What one table, or one range of it, came to.
#[derive(Default)]
pub(super) struct Ingested {
    pub(super) rows: u64,
    pub(super) files: Vec<FileEntry>,
    /// Rows the codec could not hold, one entry per file that keeps them.
    pub(super) refused: Vec<OpenRows>,
    pub(super) recent_xids: BTreeSet<u32>,
    /// The keys of the rows, those included that the codec could not hold.
    pub(super) keys: KeyTally,
    /// Whether the key of such a row could not be read either, so that the tally lacks it.
    pub(super) keys_unknown: bool,
}

/// What is to be read of a table.
pub(super) struct Reading<'a> {
    pub(super) table: &'a str,
    pub(super) mode: &'a ReadMode,
    pub(super) portions: Vec<Portion>,
    /// The key's one column; none when it has several.
    pub(super) key: Option<&'a str>,
    /// A tally that has counted nothing yet.
    pub(super) tally: KeyTally,
    /// Numbers the files of the table.
    pub(super) parts: Arc<AtomicU32>,
}

impl Ingested {
    /// How many rows the codec could not hold.
    pub(super) fn refused_rows(&self) -> u64 {
        self.refused.iter().map(OpenRows::count).sum()
    }
}

/// How files are named, and what they say of themselves.
struct Names {
    attempt: Attempt,
    batch: BatchNumber,
    chunk: Option<(Attempt, u32)>,
}

impl Names {
    fn key(&self, table: &str, part: u32) -> String {
        match &self.chunk {
            None => keys::ingested(table, self.batch, &self.attempt, part),
            Some((plan, chunk)) => keys::chunk_file(table, plan, *chunk, &self.attempt, part),
        }
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        match &self.chunk {
            None => BTreeMap::from([("batch".to_owned(), self.batch.0.to_string())]),
            Some((plan, chunk)) => {
                BTreeMap::from([("backfill".to_owned(), plan.to_string()), ("chunk".to_owned(), chunk.to_string())])
            }
        }
    }
}

impl Context<'_> {
    fn names(&self) -> Names {
        let chunk = match self.files {
            FilesOf::Batch => None,
            FilesOf::Chunk { plan, number } => Some((plan.clone(), number)),
        };
        Names { attempt: self.attempt.clone(), batch: self.batch, chunk }
    }

    /// Reads as many portions at once as there are connections; their files stand in the order of the portions.
    pub(super) async fn ingest(&self, reading: Reading<'_>) -> Result<Ingested, HostError> {
        let read = reading.portions.iter().map(|portion| self.portion(&reading, portion));
        // No more than can be read: each holds a thread for its writer.
        let mut read = stream::iter(read).buffered(self.pipeline.source_options.connections.max(1));
        let mut all = Ingested { keys: reading.tally, ..Ingested::default() };
        while let Some(portion) = read.try_next().await? {
            all.rows += portion.rows;
            all.files.extend(portion.files);
            for refused in portion.refused {
                all.refused.push(OpenRows { from: all.refused_rows(), ..refused });
            }
            all.recent_xids.extend(portion.recent_xids);
            all.keys.absorb(&portion.keys);
            all.keys_unknown |= portion.keys_unknown;
        }
        if let (ReadMode::Whole { reason }, FilesOf::Batch) = (reading.mode, self.files) {
            tracing::info!(table = reading.table, rows = all.rows, reason, "whole table read");
        }
        Ok(all)
    }

    async fn portion(&self, reading: &Reading<'_>, portion: &Portion) -> Result<Ingested, HostError> {
        let (sender, batches) = mpsc::sync_channel(QUEUE);
        let whole = Arc::new(AtomicBool::new(false));
        let writer = tokio::task::spawn_blocking(self.writer(reading, portion, batches, Arc::clone(&whole)));
        // The writer waits for this one too, so it sees whether everything came.
        let open = sender.clone();
        let read = self.snapshot.read(reading.table, reading.mode, portion, sender).await;
        whole.store(read.is_ok(), Ordering::Release);
        drop(open);
        let written = writer.await.map_err(|_| HostError::Worker)?;
        // A writer that failed lets the reader fail too; its own words say more.
        let (files, mut keys) = written?;
        let PortionRead { rows, refused, recent_xids, .. } = read?;
        let unread = keys_of_refused(&refused, reading.key);
        unread.iter().flatten().for_each(|key| keys.add(*key));
        let refused = self.keep_unreadable(reading.table, refused).await?;
        Ok(Ingested { rows, files, refused, recent_xids, keys, keys_unknown: unread.is_none() })
    }

    /// Encoding keeps a thread busy, so it gets one of its own. What is not `whole` when the batches end, because the
    /// reader failed or was dropped with its extraction, is not worth a file.
    fn writer(
        &self,
        reading: &Reading<'_>,
        portion: &Portion,
        batches: mpsc::Receiver<RecordBatch>,
        whole: Arc<AtomicBool>,
    ) -> impl FnOnce() -> Result<(Vec<FileEntry>, KeyTally), HostError> + Send + 'static {
        let table = reading.table;
        let columns = match portion {
            Portion::Keys(_) => self.snapshot.key_columns(table).to_vec(),
            Portion::Range(_) | Portion::Rows(_) => self.snapshot.columns(table).to_vec(),
        };
        let (key, mut tally, parts) = (reading.key.map(str::to_owned), reading.tally, Arc::clone(&reading.parts));
        let (lake, observer) = (Arc::clone(&self.pipeline.lake), Arc::clone(&self.pipeline.observer));
        let (table, names) = (table.to_owned(), self.names());
        let runtime = Handle::current();
        let watch = match portion {
            // Keys alone say nothing of whether their rows can be read.
            Portion::Keys(_) => None,
            Portion::Range(_) | Portion::Rows(_) => self.unreadable.watch(&table),
        };
        move || {
            let spec = PartSpec { keys: Vec::new(), metadata: names.metadata() };
            let mut roller = ParquetRoller::new(&columns, spec, DEFAULT_PART_BYTES);
            let mut files = Vec::new();
            let mut store = |part: Part| -> Result<(), HostError> {
                let key = names.key(&table, parts.fetch_add(1, Ordering::Relaxed));
                observer.passed(Stage::Extract, &table, 0, part.bytes.len() as u64);
                files.push(runtime.block_on(lake.put_part(Bucket::Ingestion, key, &table, part))?);
                failpoint::pass("extract:part-stored");
                Ok(())
            };
            while let Ok(rows) = batches.recv() {
                observer.passed(Stage::Extract, &table, rows.num_rows() as u64, 0);
                if let Some(key) = &key {
                    tally.count(&rows, key);
                }
                if let Some(watch) = &watch {
                    watch.see(&rows);
                }
                roller.push(&rows)?.map(&mut store).transpose()?;
            }
            if whole.load(Ordering::Acquire) {
                roller.finish()?.map(&mut store).transpose()?;
            }
            Ok((files, tally))
        }
    }
}
