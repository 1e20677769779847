//! Which rows are gone from a table: its sums say whether any are, its keys say which.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use star_contract::ColumnType;
use totesys_lake::{KeySet, TableEntry};
use totesys_postgres::RefusedValue;
use totesys_source::{KeySums, KeyTally, Portion, ReadMode, TableRequest};

use super::Context;
use super::ingest::{Ingested, Reading};
use crate::HostError;

/// What a batch found out about the keys of a table.
pub(super) struct Found {
    /// For the next batch to compare with.
    pub(super) sums: Option<KeySums>,
    /// Whether all the keys of the batch before are there, if that can be told.
    pub(super) all_there: Option<bool>,
}

/// The key's column when it is one integer, which can be summed as rows pass.
pub(super) fn single_integer(request: &TableRequest) -> Option<&str> {
    let [key] = request.key.as_slice() else { return None };
    let column = request.columns.iter().find(|column| column.name == *key)?;
    let integer = matches!(column.column_type, ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64);
    integer.then_some(key.as_str())
}

/// The keys of rows that could not be decoded; `None` when one cannot be read either.
pub(super) fn of_refused(refused: &[RefusedValue], key: Option<&str>) -> Option<Vec<i64>> {
    let Some(key) = key else { return Some(Vec::new()) };
    let number = |row: &RefusedValue| {
        let (_, text) = row.fields.iter().find(|(column, _)| column == key)?;
        text.as_ref()?.parse().ok()
    };
    refused.iter().map(number).collect()
}

/// What a table that was read whole says of its keys.
pub(super) fn found_whole(ingested: &Ingested, key: Option<&str>, known: Option<&KeySums>) -> Found {
    if key.is_none() || ingested.keys_unknown {
        return Found { sums: None, all_there: None };
    }
    let KeyTally { mut all, bounded, .. } = ingested.keys;
    all.greatest = all.greatest.max(known.and_then(|known| known.greatest));
    Found { sums: Some(all), all_there: known.map(|known| bounded.same_keys(known)) }
}

impl Context<'_> {
    /// Every key of a table: its own files when they hold all its rows, otherwise files of keys alone.
    pub(super) async fn key_set(
        &self,
        request: &TableRequest,
        entry: &TableEntry,
        parts: Arc<AtomicU32>,
    ) -> Result<KeySet, HostError> {
        let table = &request.table;
        let columns = self.snapshot.key_columns(table).to_vec();
        if entry.whole && entry.refused == 0 {
            return Ok(KeySet { columns, rows: entry.rows, files: entry.files.clone() });
        }
        let portions = self.snapshot.ranges(table).await?.into_iter().map(Portion::Keys).collect();
        let mode = ReadMode::Whole { reason: "keys" };
        let reading = Reading { table, mode: &mode, portions, key: None, tally: KeyTally::default(), parts };
        let keys = self.ingest(reading).await?;
        if !keys.refused.is_empty() {
            return Err(HostError::UnreadableKeys { table: table.clone(), rows: keys.refused_rows() });
        }
        Ok(KeySet { columns, rows: keys.rows, files: keys.files })
    }
}
