//! The first stage: what changed in the source, as Parquet and a manifest.

mod backfill;
mod drift;
mod full;
mod ingest;
mod keys;
mod quiet;
mod redescribed;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use futures_util::future::try_join_all;
use serde::Serialize;
use star_contract::Delivery;
use totesys_failpoint as failpoint;
use totesys_lake::{
    Attempt, BatchNumber, ChunkedTable, Committed, ExtractionRecord, Manifest, Micros, OpenRows, PreviousManifest,
    Replay, SourceIdentity, Stored, TableCounts, TableEntry, TroubleRecord,
};
use totesys_source::{Baseline, KeySums, KeyTally, Portion, ReadMode, SourceSnapshot, TableRequest};
use tracing::{Instrument, info_span};

use crate::catalog::Pinned;
use crate::{HostError, Pipeline, tables};

use ingest::{Ingested, Reading};
use unreadable::Unreadable;

pub use backfill::{ChunkExtraction, Chunks, FinishedBackfill};
pub use full::Full;

/// What an extraction came to.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Extraction {
    /// There was something new.
    Batch {
        /// The batch's number.
        batch: u64,
        /// When its snapshot was taken, in microseconds since 1970.
        taken_at: i64,
        /// The tables with anything new.
        tables: BTreeMap<String, TableExtraction>,
    },
    /// There was nothing new; a check record says so.
    NothingNew {
        /// The newest batch.
        after: Option<u64>,
        /// When the snapshot was taken, in microseconds since 1970.
        taken_at: i64,
    },
    /// Tables are too large to be read at once. They are read by [`Pipeline::extract_chunk`], once for each number
    /// from 0, and made into batches by [`Pipeline::finish_backfill`].
    Backfill {
        /// The backfill's name.
        plan: String,
        /// How many chunks there are.
        chunks: u32,
    },
    /// Chunks of a backfill that was planned before are still to be read, or its batches to be made. Nothing else is
    /// extracted meanwhile.
    BackfillUnderWay {
        /// The backfill's name.
        plan: String,
        /// How many chunks there are.
        chunks: u32,
        /// How many of them were read.
        read: u32,
    },
}

/// What an extraction wrote of one table.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TableExtraction {
    /// Rows written.
    pub rows: u64,
    /// Bytes of Parquet.
    pub bytes: u64,
    /// Rows refused by the codec.
    pub refused: u64,
    /// Whether the whole table was read.
    pub whole: bool,
}

impl Pipeline {
    /// Reads what changed since the last batch. Nothing counts before its manifest is written, last of all.
    ///
    /// # Errors
    /// When the source or the lake fails; the next extraction sees everything this one saw.
    pub async fn extract(&self) -> Result<Extraction, HostError> {
        let pinned = self.pin().await?;
        self.extract_pinned(&pinned, None).await
    }

    /// With `replay` a batch is made whatever the source has, so that refused rows are offered again.
    pub(crate) async fn extract_pinned(
        &self,
        pinned: &Pinned,
        replay: Option<&Replay>,
    ) -> Result<Extraction, HostError> {
        // Boxed: the future nests deeper than the compiler's default limit for laying types out.
        let outcome = Box::pin(self.extract_batch(pinned, replay)).instrument(info_span!("extract")).await;
        if let Err(error @ (HostError::Source(_) | HostError::OtherSource { .. })) = &outcome {
            self.note_trouble(error).await;
        }
        outcome
    }

    /// Leaves word of what keeps extractions from being made, for `status`. Failing at that changes nothing.
    async fn note_trouble(&self, error: &HostError) {
        let Ok(attempt) = Attempt::random() else { return };
        let record = TroubleRecord { attempt, at: Micros::now(), reason: error.to_string() };
        if let Err(unnoted) = self.lake.commit_trouble(&record).await {
            tracing::warn!(%unnoted, "the trouble could not be recorded");
        }
    }

    async fn extract_batch(&self, pinned: &Pinned, replay: Option<&Replay>) -> Result<Extraction, HostError> {
        let started_at = Micros::now();
        let backfill = match self.backfill_under_way().await? {
            ControlFlow::Break(under_way) => return Ok(under_way),
            ControlFlow::Continue(next) => next,
        };
        let requests = tables::requested(pinned.descriptions())?;
        let previous = self.lake.newest_manifest().await?;
        let before = previous.as_ref().map(baseline).transpose()?;
        let snapshot = SourceSnapshot::open(self.source()?, &self.source_options, &requests).await?;
        let lake_id = self.claim_lake(snapshot.baseline()).await?;
        failpoint::pass("extract:lake-claimed");
        self.repair_record(previous.as_deref()).await?;
        let mut modes = snapshot.decide(before.as_ref())?;
        self.read_new_inputs_whole(pinned, previous.as_deref(), &mut modes).await?;
        self.read_redescribed_whole(pinned, previous.as_deref(), &requests, &mut modes).await?;
        self.full.ask(&mut modes)?;
        let unreadable = self.unreadable(previous.as_deref(), &requests).await?;
        let drift = self.note_drift(snapshot.baseline(), before.as_ref(), previous.as_deref()).await?;

        let attempt = Attempt::random()?;
        let batch = previous.as_ref().map_or(BatchNumber::FIRST, |manifest| manifest.batch.next());
        let taken_at = Micros(snapshot.taken_at());
        let found = snapshot.baseline().clone();
        if replay.is_none()
            && self
                .nothing_ended_since(&found, &modes, (previous.as_deref(), before.as_ref()), pinned.record.number)
                .await?
        {
            snapshot.close().await?;
            return self.note_check(&found, previous.as_deref(), attempt, (started_at, taken_at), drift).await;
        }
        let chunked = self.to_be_chunked(&snapshot, pinned, &requests, &modes).await?;
        let (large, requests): (Vec<_>, Vec<_>) = requests.iter().partition(|request| is_chunked(&chunked, request));
        let refused_parts = AtomicU32::new(0);
        let context = Context {
            pipeline: self,
            snapshot: &snapshot,
            attempt: &attempt,
            batch,
            files: FilesOf::Batch,
            unreadable: &unreadable,
            refused_parts: &refused_parts,
        };
        let opened = large.into_iter().map(|request| (request.table.clone(), context.opened(request)));
        let opened: Vec<_> = opened.collect();
        let read = requests.into_iter().map(|request| {
            let mode = modes.get(&request.table).cloned().unwrap_or(ReadMode::Whole { reason: "not-decided" });
            context.table(request, mode, previous.as_deref(), before.as_ref())
        });
        let read = try_join_all(read).await?;
        snapshot.close().await?;

        let nothing_new = opened.is_empty() && !read.iter().any(|table| table.entry.changed);
        if replay.is_none() && previous.is_some() && nothing_new {
            return self.note_check(&found, previous.as_deref(), attempt, (started_at, taken_at), drift).await;
        }

        let report = report(batch, taken_at, &read);
        let manifest = Manifest {
            batch,
            lake_id,
            attempt,
            baseline: remember(found, before.as_ref(), &read, &chunked)
                .map_err(|source| HostError::Baseline { batch: batch.0, source })?,
            taken_at,
            catalog: pinned.record.number,
            previous: previous
                .as_ref()
                .map(|manifest| PreviousManifest { batch: manifest.batch, sha256: manifest.sha256().to_owned() }),
            gaps: self.gaps(previous.as_ref(), &modes, taken_at).await?,
            quarantine: read.iter().flat_map(|table| &table.ingested.refused).map(|open| open.file.clone()).collect(),
            unreadable: still_unreadable(unreadable, &read),
            replay: replay.cloned(),
            tables: read.iter().map(|table| (table.name.clone(), table.entry.clone())).chain(opened).collect(),
        };
        if !chunked.is_empty() {
            return self.plan_backfill(backfill, manifest, chunked).await;
        }
        failpoint::pass("extract:before-manifest");
        if let Committed::Theirs(_) = self.lake.commit_manifest(&manifest).await? {
            return Err(HostError::Overtaken { batch: batch.0 });
        }
        failpoint::pass("extract:manifest-written");
        let record = record_of(&manifest, started_at, Micros::now());
        self.lake.commit_extraction(&record).await?;
        failpoint::pass("extract:recorded");
        tracing::info!(
            batch = batch.0,
            rows = record.rows,
            bytes = record.bytes,
            refused = record.refused,
            "batch extracted"
        );
        Ok(report)
    }

    /// Writes the record of a batch whose extraction died right after its manifest. Its times are not known any more.
    async fn repair_record(&self, newest: Option<&Manifest>) -> Result<(), HostError> {
        let Some(manifest) = newest else { return Ok(()) };
        let recorded = self.lake.newest_extraction().await?;
        if recorded.is_some_and(|record| record.batch >= manifest.batch) {
            return Ok(());
        }
        let record = record_of(manifest, manifest.taken_at, manifest.taken_at);
        self.lake.commit_extraction(&record).await?;
        tracing::warn!(batch = manifest.batch.0, "extraction record repaired from the manifest");
        Ok(())
    }

    /// The lake's id; a lake that was made for another source stops the run.
    async fn claim_lake(&self, found: &Baseline) -> Result<String, HostError> {
        let here =
            SourceIdentity { system_identifier: found.system_identifier.to_string(), database: found.database.clone() };
        let identity = self.lake.establish_identity(here.clone()).await?;
        match identity.source {
            Some(source) if source != here => Err(HostError::OtherSource {
                expected: source.system_identifier,
                expected_database: source.database,
                found: here.system_identifier,
                found_database: here.database,
            }),
            _ => Ok(identity.lake_id),
        }
    }

    /// A star that did not read a table in the batch before needs the table's rows, not their changes.
    async fn read_new_inputs_whole(
        &self,
        pinned: &Pinned,
        previous: Option<&Manifest>,
        modes: &mut BTreeMap<String, ReadMode>,
    ) -> Result<(), HostError> {
        let Some(previous) = previous.filter(|manifest| manifest.catalog != pinned.record.number) else {
            return Ok(());
        };
        let before = self.lake.catalog(previous.catalog).await?;
        let read_before = |star: &String, table: &str| {
            let entry = before.as_ref().and_then(|record| record.stars.get(star));
            entry.is_some_and(|entry| entry.description.input(table).is_some())
        };
        for (star, entry) in &pinned.record.stars {
            for input in entry.description.inputs.iter().filter(|input| !read_before(star, &input.table)) {
                modes.insert(input.table.clone(), ReadMode::Whole { reason: "new-input" });
            }
        }
        Ok(())
    }
}

fn is_chunked(chunked: &[ChunkedTable], request: &TableRequest) -> bool {
    chunked.iter().any(|chunked| chunked.table == request.table)
}

fn baseline(manifest: &Stored<Manifest>) -> Result<Baseline, HostError> {
    serde_json::from_value(manifest.baseline.clone())
        .map_err(|source| HostError::Baseline { batch: manifest.batch.0, source })
}

/// What an extraction wrote, as its manifest lists it.
fn record_of(manifest: &Manifest, started_at: Micros, finished_at: Micros) -> ExtractionRecord {
    let counts = |entry: &TableEntry| {
        if entry.from_batch < manifest.batch {
            return TableCounts::default();
        }
        let bytes = entry.files.iter().map(|file| file.bytes).sum();
        TableCounts { rows: entry.rows, bytes, refused: entry.refused }
    };
    let tables: BTreeMap<_, _> = manifest.tables.iter().map(|(table, entry)| (table.clone(), counts(entry))).collect();
    ExtractionRecord {
        batch: manifest.batch,
        attempt: manifest.attempt.clone(),
        started_at,
        finished_at,
        rows: tables.values().map(|table| table.rows).sum(),
        bytes: tables.values().map(|table| table.bytes).sum(),
        refused: tables.values().map(|table| table.refused).sum(),
        tables,
    }
}

/// What the next extraction compares the source with.
fn remember(
    found: Baseline,
    before: Option<&Baseline>,
    read: &[TableRead],
    chunked: &[ChunkedTable],
) -> Result<serde_json::Value, serde_json::Error> {
    let recent: BTreeSet<u32> = read.iter().flat_map(|table| table.ingested.recent_xids.iter().copied()).collect();
    let mut baseline = found.with_delivered(before, recent);
    for table in read {
        if let Some(rows) = table.counted {
            baseline = baseline.with_rows(&table.name, rows);
        }
        if let Some(keys) = table.keys {
            baseline = baseline.with_keys(&table.name, keys);
        }
    }
    for ChunkedTable { table, .. } in chunked {
        baseline = baseline.with_partial(table, true);
    }
    serde_json::to_value(baseline)
}

/// Rows of earlier batches whose keys were not read since, and those of this one.
fn still_unreadable(before: Unreadable, read: &[TableRead]) -> Vec<OpenRows> {
    let whole = |table: &str| read.iter().any(|read| read.name == table && read.entry.changed && read.entry.whole);
    let new = read.iter().flat_map(|table| &table.ingested.refused).cloned();
    before.left(whole).into_iter().chain(new).collect()
}

fn report(batch: BatchNumber, taken_at: Micros, read: &[TableRead]) -> Extraction {
    let tables = read.iter().filter(|table| table.entry.changed).map(|table| {
        let TableCounts { rows, bytes, refused } = table.counts();
        (table.name.clone(), TableExtraction { rows, bytes, refused, whole: table.entry.whole })
    });
    Extraction::Batch { batch: batch.0, taken_at: taken_at.0, tables: tables.collect() }
}

/// One table of the batch being made.
struct TableRead {
    name: String,
    entry: TableEntry,
    ingested: Ingested,
    /// The rows of the table, where they were counted.
    counted: Option<u64>,
    /// Its keys, where they were summed.
    keys: Option<KeySums>,
}

impl TableRead {
    fn counts(&self) -> TableCounts {
        let bytes = self.ingested.files.iter().map(|file| file.bytes).sum();
        TableCounts { rows: self.ingested.rows, bytes, refused: self.ingested.refused_rows() }
    }
}

/// The extraction under way.
struct Context<'a> {
    pipeline: &'a Pipeline,
    snapshot: &'a SourceSnapshot,
    attempt: &'a Attempt,
    /// The batch; of a chunk's rows the first one of its backfill, until they have one of their own.
    batch: BatchNumber,
    files: FilesOf<'a>,
    /// What earlier batches left unreadable.
    unreadable: &'a Unreadable,
    /// How many files of refused rows there are.
    refused_parts: &'a AtomicU32,
}

/// What the files belong to that are written.
#[derive(Debug, Clone, Copy)]
enum FilesOf<'a> {
    /// The batch being made.
    Batch,
    /// A chunk of a backfill, which will be a batch of a number nobody knows yet.
    Chunk { plan: &'a Attempt, number: u32 },
}

impl Context<'_> {
    async fn table(
        &self,
        request: &TableRequest,
        mode: ReadMode,
        previous: Option<&Manifest>,
        before: Option<&Baseline>,
    ) -> Result<TableRead, HostError> {
        match request.delivery {
            Delivery::Changes => self.changes(request, mode, before).await,
            Delivery::Snapshot => self.whole_snapshot(request, mode, previous, before).await,
        }
    }

    async fn changes(
        &self,
        request: &TableRequest,
        mode: ReadMode,
        before: Option<&Baseline>,
    ) -> Result<TableRead, HostError> {
        let table = &request.table;
        let known = before.and_then(|before| before.tables.get(table));
        let known_keys = known.and_then(|shape| shape.keys);
        let whole = matches!(mode, ReadMode::Whole { .. });
        let parts = Arc::new(AtomicU32::new(0));
        let (survey, portions) = if whole {
            let ranges = self.snapshot.ranges(table).await?;
            (None, ranges.into_iter().map(Portion::Range).collect())
        } else {
            let survey = self.snapshot.survey(table, &mode, known_keys.as_ref()).await?;
            let portions = survey.portions.clone();
            (Some(survey), portions)
        };
        let key = keys::single_integer(request);
        let tally = KeyTally::after(known_keys.as_ref());
        let reading = Reading { table, mode: &mode, portions, key, tally, parts: Arc::clone(&parts) };
        let ingested = self.ingest(reading).await?;
        let found = match &survey {
            Some(survey) => keys::Found { sums: Some(survey.keys), all_there: survey.all_there },
            None => keys::found_whole(&ingested, key, known_keys.as_ref()),
        };
        // Of a table that no batch has seen nothing can be gone.
        let may_be_gone = known.is_some() && (found.all_there != Some(true) || self.pipeline.full.names(table));
        let changed = ingested.rows > 0 || !ingested.refused.is_empty() || may_be_gone;
        let mut entry = self.entry(request, &ingested, changed, whole);
        if may_be_gone {
            entry.keys = Some(self.key_set(request, &entry, parts).await?);
        }
        Ok(TableRead { name: table.clone(), entry, ingested, counted: None, keys: found.sums })
    }

    /// A small table is written whole when anything in it changed; otherwise the last snapshot still stands.
    async fn whole_snapshot(
        &self,
        request: &TableRequest,
        mode: ReadMode,
        previous: Option<&Manifest>,
        before: Option<&Baseline>,
    ) -> Result<TableRead, HostError> {
        let survey = self.snapshot.count(&request.table, &mode).await?;
        let rows_before = before.and_then(|before| before.tables.get(&request.table)).and_then(|shape| shape.rows);
        let last = previous.and_then(|manifest| manifest.tables.get(&request.table));
        let unchanged =
            matches!(mode, ReadMode::Since { .. }) && survey.changed == 0 && rows_before == Some(survey.rows);
        let name = request.table.clone();
        if let Some(last) = last.filter(|_| unchanged) {
            let entry = TableEntry { changed: false, keys: None, ..last.clone() };
            let (ingested, counted) = (Ingested::default(), Some(survey.rows));
            return Ok(TableRead { name, entry, ingested, counted, keys: None });
        }
        let parts = Arc::new(AtomicU32::new(0));
        let portions = self.snapshot.ranges(&name).await?.into_iter().map(Portion::Range).collect();
        let mode = ReadMode::Whole { reason: "snapshot" };
        let tally = KeyTally::default();
        let reading = Reading { table: &name, mode: &mode, portions, key: None, tally, parts: Arc::clone(&parts) };
        let ingested = self.ingest(reading).await?;
        let mut entry = self.entry(request, &ingested, true, true);
        entry.keys = Some(self.key_set(request, &entry, parts).await?);
        Ok(TableRead { name, entry, ingested, counted: Some(survey.rows), keys: None })
    }

    fn entry(&self, request: &TableRequest, ingested: &Ingested, changed: bool, whole: bool) -> TableEntry {
        TableEntry {
            delivery: request.delivery,
            changed,
            from_batch: self.batch,
            whole,
            rows: ingested.rows,
            columns: self.snapshot.columns(&request.table).to_vec(),
            files: ingested.files.clone(),
            refused: ingested.refused_rows(),
            keys: None,
            backfill: None,
        }
    }
}
