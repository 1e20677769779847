//! Rows the codec cannot hold: written down when their range has been read, and open until their key is delivered or
//! their table is read whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;
use serde_json::Value;
use totesys_failpoint as failpoint;
use totesys_lake::{Bucket, Manifest, OpenRow, OpenRows, keys, runs};
use totesys_postgres::RefusedValue;
use totesys_source::TableRequest;

use super::{Context, FilesOf};
use crate::quarantine::{self, FILE_BYTES};
use crate::row_key::{self, RowKeys};
use crate::{HostError, Pipeline};

/// The stage, as files of refused rows name it.
const STAGE: &str = "extract";

/// The rows of earlier batches that could not be read.
#[derive(Default)]
pub(super) struct Unreadable {
    open: Vec<OpenRows>,
    /// By table.
    watches: BTreeMap<String, Arc<KeyWatch>>,
}

/// Looks for the keys of a table's unreadable rows among those that are read.
pub(super) struct KeyWatch {
    key: Vec<String>,
    /// The entry and the line in its file.
    rows: HashMap<String, Vec<(usize, u32)>>,
    seen: Mutex<BTreeSet<(usize, u32)>>,
}

impl Pipeline {
    /// What the batch before left unreadable. A batch that left nothing costs nothing.
    pub(super) async fn unreadable(
        &self,
        previous: Option<&Manifest>,
        requests: &[TableRequest],
    ) -> Result<Unreadable, HostError> {
        let open = previous.map(|manifest| manifest.unreadable.clone()).unwrap_or_default();
        let mut watches: BTreeMap<String, KeyWatch> = BTreeMap::new();
        for (index, entry) in open.iter().enumerate() {
            let Some(request) = requests.iter().find(|request| request.table == entry.table) else { continue };
            let watch = watches.entry(entry.table.clone()).or_insert_with(|| KeyWatch {
                key: request.key.clone(),
                rows: HashMap::new(),
                seen: Mutex::default(),
            });
            let lines = quarantine::lines(self.lake.read_file(Bucket::Ingestion, &entry.file).await?);
            for (number, line) in (0_u32..).zip(lines).filter(|(number, _)| entry.has(*number)) {
                let row = line.get("row").and_then(Value::as_object);
                if let Some(key) = row.and_then(|row| row_key::of_texts(row, &request.key)) {
                    watch.rows.entry(key).or_default().push((index, number));
                }
            }
        }
        let watches = watches.into_iter().map(|(table, watch)| (table, Arc::new(watch))).collect();
        Ok(Unreadable { open, watches })
    }
}

impl Unreadable {
    /// Looks out for a table's keys, if any of its rows is unreadable.
    pub(super) fn watch(&self, table: &str) -> Option<Arc<KeyWatch>> {
        self.watches.get(table).cloned()
    }

    /// What is left once a batch has been read, `whole` saying which tables were read whole.
    pub(super) fn left(self, whole: impl Fn(&str) -> bool) -> Vec<OpenRows> {
        let left = self.open.into_iter().enumerate().filter(|(_, entry)| !whole(&entry.table));
        let left = left.filter_map(|(index, entry)| {
            let Some(watch) = self.watches.get(&entry.table) else { return Some(entry) };
            let seen = watch.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let rows = entry.rows().filter(|row| !seen.contains(&(index, row.row)));
            entry.with(rows)
        });
        left.collect()
    }
}

impl KeyWatch {
    /// Rows that were read.
    pub(super) fn see(&self, rows: &RecordBatch) {
        let Some(keys) = RowKeys::of(rows, &self.key) else { return };
        let mut text = String::new();
        for row in 0..rows.num_rows() {
            keys.write(row, &mut text);
            self.see_key(&text);
        }
    }

    fn see_key(&self, key: &str) {
        if let Some(rows) = self.rows.get(key) {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        }
    }

    /// A row that could not be read, again: its newest version takes the place of the one before.
    fn see_unreadable(&self, row: &Value) {
        let row = row.get("row").and_then(Value::as_object);
        if let Some(key) = row.and_then(|row| row_key::of_texts(row, &self.key)) {
            self.see_key(&key);
        }
    }
}

impl Context<'_> {
    /// Writes the refused rows of a range down, so that none is held longer than its range is read.
    pub(super) async fn keep_unreadable(
        &self,
        table: &str,
        refused: Vec<RefusedValue>,
    ) -> Result<Vec<OpenRows>, HostError> {
        let watch = self.unreadable.watch(table);
        let mut kept = Vec::new();
        let (mut lines, mut rows) = (String::new(), Vec::new());
        for value in refused {
            let line = quarantine::unreadable(table, &value);
            if let Some(watch) = &watch {
                watch.see_unreadable(&line);
            }
            lines += &format!("{line}\n");
            let row = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            rows.push(OpenRow { row, code: value.code.to_owned(), overtaken: false });
            if lines.len() >= FILE_BYTES {
                kept.push(self.store_unreadable(table, std::mem::take(&mut lines), std::mem::take(&mut rows)).await?);
            }
        }
        if !rows.is_empty() {
            kept.push(self.store_unreadable(table, lines, rows).await?);
        }
        Ok(kept)
    }

    async fn store_unreadable(&self, table: &str, lines: String, rows: Vec<OpenRow>) -> Result<OpenRows, HostError> {
        let part = self.refused_parts.fetch_add(1, Ordering::Relaxed);
        let key = match self.files {
            FilesOf::Batch => keys::quarantine(STAGE, self.batch, self.attempt.as_str(), part),
            FilesOf::Chunk { plan, number } => keys::chunk_quarantine(STAGE, plan, number, self.attempt, part),
        };
        let file = self.pipeline.lake.put_lines(Bucket::Ingestion, key, STAGE, Bytes::from(lines)).await?;
        failpoint::pass("extract:quarantine-stored");
        let observed_at = totesys_lake::Micros(self.snapshot.taken_at());
        Ok(OpenRows { batch: self.batch, observed_at, table: table.to_owned(), from: 0, file, runs: runs(rows) })
    }
}
