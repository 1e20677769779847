//! Backfills: tables too large for one extraction, read in chunks under snapshots of their own.

use serde::{Deserialize, Serialize};
use star_contract::Column;

use crate::file::{check_files, is_quarantine};
use crate::record::Record;
use crate::{
    Attempt, Bucket, Committed, FileEntry, Lake, LakeError, Manifest, Micros, OpenRows, Stored, keys, number_text,
};

/// What a backfill is going to read, decided under one snapshot before any of it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackfillRecord {
    /// Backfills are numbered 1, 2, 3 …; the newest is the one that counts.
    #[serde(with = "number_text")]
    pub number: u64,
    /// The attempt that planned it, by which it is named; also that of all its batches.
    pub attempt: Attempt,
    /// When it was planned.
    pub planned_at: Micros,
    /// Its first batch: the baseline of all its batches, and every table that is not read in chunks.
    pub opening: Manifest,
    /// The tables that are read in chunks, in the order in which their batches follow the first one.
    pub tables: Vec<ChunkedTable>,
}

/// A table that is read in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkedTable {
    /// Its name.
    pub table: String,
    /// The number of the file its rows lie in: in another one they lie elsewhere.
    pub file: u32,
    /// The pages of a chunk; the last one goes on to the table's end, wherever that is by then.
    pub pages: u32,
    /// How many chunks there are.
    pub chunks: u32,
}

/// A chunk's place: its table and its number among the table's chunks, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlace<'a> {
    /// The table.
    pub table: &'a ChunkedTable,
    /// The number of the chunk among the table's.
    pub number: u32,
}

impl ChunkPlace<'_> {
    /// The first page.
    #[must_use]
    pub fn first_page(&self) -> u32 {
        self.number.saturating_mul(self.table.pages)
    }

    /// The page after the last one; none for the last chunk.
    #[must_use]
    pub fn end_page(&self) -> Option<u32> {
        (self.number.saturating_add(1) < self.table.chunks).then(|| self.first_page().saturating_add(self.table.pages))
    }
}

/// How the rows of a table came into a batch of a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillPart {
    /// The backfill.
    pub plan: Attempt,
    /// The number of the chunk; none in the first batch, from which on chunks bring the table anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<u32>,
}

/// A chunk that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// The backfill.
    pub plan: Attempt,
    /// The number of the chunk among all of the backfill, from 0.
    pub number: u32,
    /// The attempt that read it.
    pub attempt: Attempt,
    /// Its table.
    pub table: String,
    /// The columns in the files, in their order.
    pub columns: Vec<Column>,
    /// The rows in the files.
    #[serde(with = "number_text")]
    pub rows: u64,
    /// The files.
    pub files: Vec<FileEntry>,
    /// Rows that could not be decoded. The batch they name is the first one of the backfill.
    pub unreadable: Vec<OpenRows>,
    /// When its snapshot was taken by the source's clock.
    pub taken_at: Micros,
    /// The snapshot's xmax.
    #[serde(with = "number_text")]
    pub xmax: u64,
    /// How many transactions before it were under way.
    #[serde(with = "number_text")]
    pub under_way: u64,
    /// When reading began.
    pub started_at: Micros,
    /// When it had finished.
    pub finished_at: Micros,
}

/// How far a backfill has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkProgress {
    /// How many chunks were read.
    pub read: u32,
    /// When the last of them was recorded, by the clock of S3.
    pub last: Option<Micros>,
}

/// That a backfill is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillEnd {
    /// The backfill.
    pub plan: Attempt,
    /// The attempt that ended it.
    pub attempt: Attempt,
    /// When.
    pub ended_at: Micros,
    /// Why it came to nothing, in words of ours; none when its batches are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl BackfillRecord {
    /// How many chunks there are.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.chunks))
    }

    /// The place of a chunk, if there is one of that number.
    #[must_use]
    pub fn place(&self, chunk: u32) -> Option<ChunkPlace<'_>> {
        let mut number = chunk;
        for table in &self.tables {
            match number.checked_sub(table.chunks) {
                None => return Some(ChunkPlace { table, number }),
                Some(rest) => number = rest,
            }
        }
        None
    }
}

impl Record for BackfillRecord {
    const BUCKET: Bucket = Bucket::ExtractionTimes;

    fn key(&self) -> String {
        format!("{}{}.json", keys::BACKFILLS, keys::inverted(self.number))
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn lake_id(&self) -> Option<&str> {
        Some(&self.opening.lake_id)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.attempt != self.opening.attempt {
            return Err("has a first batch of another attempt");
        }
        if self.tables.is_empty() || self.tables.iter().any(|table| table.chunks == 0 || table.pages == 0) {
            return Err("reads nothing in chunks");
        }
        if self.tables.iter().any(|chunked| !self.opening.tables.contains_key(&chunked.table)) {
            return Err("reads a table that its first batch lacks");
        }
        self.opening.check()
    }
}

impl Record for ChunkRecord {
    const BUCKET: Bucket = Bucket::ExtractionTimes;

    fn key(&self) -> String {
        format!("{}{:010}.json", keys::chunks(&self.plan), self.number)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.unreadable.iter().any(|open| !is_quarantine(&open.file)) {
            return Err("lists a quarantine file that is none");
        }
        check_files(&self.files, &self.table, &keys::chunk_prefix(&self.table, &self.plan), self.rows)
    }
}

impl Record for BackfillEnd {
    const BUCKET: Bucket = Bucket::ExtractionTimes;

    fn key(&self) -> String {
        end_key(&self.plan)
    }

    fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

fn end_key(plan: &Attempt) -> String {
    format!("{}{plan}.json", keys::BACKFILL_ENDS)
}

impl Lake {
    /// Plans a backfill; only one attempt per number succeeds.
    ///
    /// # Errors
    /// When the record contradicts itself or S3 refuses.
    pub async fn commit_backfill(&self, record: &BackfillRecord) -> Result<Committed<BackfillRecord>, LakeError> {
        self.commit(record).await
    }

    /// The backfill that was planned last, if there was any.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn newest_backfill(&self) -> Result<Option<Stored<BackfillRecord>>, LakeError> {
        self.newest(keys::BACKFILLS).await
    }

    /// Every backfill that was ever planned, the newest first.
    ///
    /// # Errors
    /// As for [`Lake::newest_backfill`].
    pub async fn backfills(&self) -> Result<Vec<Stored<BackfillRecord>>, LakeError> {
        let mut found = Vec::new();
        for entry in self.list(BackfillRecord::BUCKET, keys::BACKFILLS, None).await? {
            found.extend(self.find(&entry.key).await?);
        }
        Ok(found)
    }

    /// Records a chunk that was read. Whoever read it first counts.
    ///
    /// # Errors
    /// When the record contradicts itself or S3 refuses.
    pub async fn commit_chunk(&self, record: &ChunkRecord) -> Result<Committed<ChunkRecord>, LakeError> {
        self.commit(record).await
    }

    /// A chunk of a backfill, if it was read.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn chunk(&self, plan: &Attempt, number: u32) -> Result<Option<Stored<ChunkRecord>>, LakeError> {
        self.find(&format!("{}{number:010}.json", keys::chunks(plan))).await
    }

    /// How far a backfill has come.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn chunk_progress(&self, plan: &Attempt) -> Result<ChunkProgress, LakeError> {
        let listed = self.list(ChunkRecord::BUCKET, &keys::chunks(plan), None).await?;
        let last = listed.iter().map(|entry| entry.written_at).max();
        let last = last.map(|seconds| Micros(seconds.saturating_mul(1_000_000)));
        Ok(ChunkProgress { read: u32::try_from(listed.len()).unwrap_or(u32::MAX), last })
    }

    /// Ends a backfill, unless it was ended before.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn commit_backfill_end(&self, record: &BackfillEnd) -> Result<Committed<BackfillEnd>, LakeError> {
        self.commit(record).await
    }

    /// How a backfill ended, if it has.
    ///
    /// # Errors
    /// When the record is damaged or S3 refuses.
    pub async fn backfill_end(&self, plan: &Attempt) -> Result<Option<Stored<BackfillEnd>>, LakeError> {
        self.find(&end_key(plan)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_one_another_table_by_table_and_the_last_is_open() {
        let table = |name: &str, chunks| ChunkedTable { table: name.to_owned(), file: 1, pages: 10, chunks };
        let tables = [table("a", 2), table("b", 1)];
        let place = |table, number| ChunkPlace { table: &tables[table], number };
        for (place, first, end) in [(place(0, 0), 0, Some(10)), (place(0, 1), 10, None), (place(1, 0), 0, None)] {
            assert_eq!((place.first_page(), place.end_page()), (first, end), "{place:?}");
        }
        let last = ChunkedTable { pages: u32::MAX, chunks: 3, ..table("c", 0) };
        assert_eq!(ChunkPlace { table: &last, number: 1 }.end_page(), Some(u32::MAX));
        let record = BackfillRecord {
            number: 1,
            attempt: Attempt::random().unwrap(),
            planned_at: Micros(0),
            opening: Manifest {
                batch: crate::BatchNumber::FIRST,
                lake_id: String::new(),
                attempt: Attempt::random().unwrap(),
                baseline: serde_json::Value::Null,
                taken_at: Micros(0),
                catalog: 1,
                previous: None,
                tables: Default::default(),
                quarantine: Vec::new(),
                gaps: Vec::new(),
                unreadable: Vec::new(),
                replay: None,
            },
            tables: tables.to_vec(),
        };
        assert_eq!(record.chunks(), 3);
        let found = [0, 1, 2, 3].map(|chunk| record.place(chunk).map(|at| (at.table.table.clone(), at.number)));
        assert_eq!(found, [Some(("a".to_owned(), 0)), Some(("a".to_owned(), 1)), Some(("b".to_owned(), 0)), None]);
        assert_eq!(record.check(), Err("has a first batch of another attempt"));
    }
}
