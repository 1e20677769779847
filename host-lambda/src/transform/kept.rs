//! Refused changes, kept whole: a later component may want columns that this one does not read.

use std::collections::{BTreeMap, HashMap};
use std::iter::Peekable;
use std::slice::Iter;

use arrow_array::RecordBatch;
use star_contract::{Column, Input};
use totesys_failpoint as failpoint;
use totesys_lake::{
    Bucket, DEFAULT_PART_BYTES, OpenRow, OpenRows, ParquetRoller, Part, PartSpec, TableEntry, keys, runs, sha256_hex,
};

use super::flow::Flow;
use super::refusals::{Refused, RefusedChange};
use crate::HostError;
use crate::open_file::{select, wanted_rows};
use crate::quarantine::cell;
use crate::row_key::RowKeys;

/// Rows read from an ingested file at a time.
const ROWS: usize = 16 * 1024;

/// Copies the refused changes of a batch, with every column of the ingested files, into files of their own. A version
/// that is open already, and is only delivered again, is left out.
pub(super) async fn keep(
    flow: &Flow,
    tables: &[TableEntry],
    open: &[OpenRows],
    refused: &Refused,
) -> Result<Vec<OpenRows>, HostError> {
    let mut kept = Vec::new();
    for of_table in refused.changes.chunk_by(|a, b| a.input == b.input) {
        let Some(first) = of_table.first() else { continue };
        let input = &flow.description.inputs[first.input];
        let table = &tables[first.input];
        let metadata = BTreeMap::from([("batch".to_owned(), flow.batch.0.to_string())]);
        let spec = PartSpec { keys: input.key.clone(), metadata };
        let mut roller = ParquetRoller::new(&table.columns, spec, DEFAULT_PART_BYTES);
        let known = Known::read(flow, input, &table.columns, open).await?;
        let mut keeper = Keeper { flow, input, known, rows: Vec::new(), kept: Vec::new() };
        for of_file in of_table.chunk_by(|a, b| a.file == b.file) {
            let Some(file) = of_file.first().and_then(|row| table.files.get(row.file)) else { continue };
            let (mut first, mut wanted) = (0, of_file.iter().peekable());
            for rows in flow.lake.read_rows(Bucket::Ingestion, file, &table.columns, ROWS).await? {
                let rows = rows?;
                let chosen = keeper.choose(&rows, first, &mut wanted, &refused.codes)?;
                first += rows.num_rows() as u64;
                if let Some(part) = chosen.map(|chosen| roller.push(&chosen)).transpose()?.flatten() {
                    keeper.store(part).await?;
                }
            }
        }
        if let Some(part) = roller.finish()? {
            keeper.store(part).await?;
        }
        kept.extend(keeper.kept);
    }
    Ok(kept)
}

/// Refused rows of one table on their way into files.
struct Keeper<'a> {
    flow: &'a Flow,
    input: &'a Input,
    known: Known,
    /// The rows of the open part.
    rows: Vec<OpenRow>,
    kept: Vec<OpenRows>,
}

impl Keeper<'_> {
    /// The wanted ones of rows that begin at `first` in their file, if there are any.
    fn choose(
        &mut self,
        rows: &RecordBatch,
        first: u64,
        wanted: &mut Peekable<Iter<'_, RefusedChange>>,
        codes: &[String],
    ) -> Result<Option<RecordBatch>, HostError> {
        let mut chosen = vec![false; rows.num_rows()];
        let before = self.rows.len();
        while let Some(refused) = wanted.next_if(|refused| refused.row < first + rows.num_rows() as u64) {
            let at = refused.row.checked_sub(first).and_then(|at| usize::try_from(at).ok());
            let Some(place) = at.and_then(|at| Some((at, chosen.get_mut(at)?))) else { continue };
            if self.known.has(rows, place.0, self.input) {
                continue;
            }
            *place.1 = true;
            let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            let code = codes.get(refused.code).cloned().unwrap_or_default();
            self.rows.push(OpenRow { row, code, overtaken: false });
        }
        if self.rows.len() > before { select(&self.input.table, rows, chosen).map(Some) } else { Ok(None) }
    }

    /// The rows chosen since the last part are this one.
    async fn store(&mut self, part: Part) -> Result<(), HostError> {
        let flow = self.flow;
        let number = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        let star = &flow.description.star;
        let table = &self.input.table;
        let key = keys::refused(star, flow.batch, flow.attempt.as_str(), table, number);
        let file = flow.lake.put_part(Bucket::TransformedData, key, table, part).await?;
        failpoint::pass("transform:refused-kept");
        self.kept.push(OpenRows {
            batch: flow.batch,
            observed_at: flow.taken_at,
            table: table.clone(),
            from: self.kept.iter().map(|before| before.file.rows).sum(),
            file,
            runs: runs(std::mem::take(&mut self.rows)),
        });
        Ok(())
    }
}

/// The newest open versions of a table's keys: a table that is read whole delivers them once more.
struct Known {
    /// By key, a digest of the whole row.
    versions: HashMap<String, String>,
}

impl Known {
    async fn read(flow: &Flow, input: &Input, columns: &[Column], open: &[OpenRows]) -> Result<Self, HostError> {
        let mut versions = HashMap::new();
        // In the order observed, so that the newest of a key stays.
        for entry in open.iter().filter(|entry| entry.table == input.table) {
            let bytes = flow.lake.read_file(Bucket::TransformedData, &entry.file).await?;
            // A version with other columns is another version.
            let rows = wanted_rows(&entry.table, bytes, columns, |row| entry.has(row)).unwrap_or_default();
            for (places, rows) in rows {
                for (at, place) in places.into_iter().enumerate() {
                    let overtaken = entry.row(place).is_some_and(|row| row.overtaken);
                    let Some(key) = key_of(&rows, at, input) else { continue };
                    if overtaken {
                        versions.remove(&key);
                    } else {
                        versions.insert(key, version_of(&rows, at));
                    }
                }
            }
        }
        Ok(Self { versions })
    }

    fn has(&self, rows: &RecordBatch, at: usize, input: &Input) -> bool {
        if self.versions.is_empty() {
            return false;
        }
        let known = key_of(rows, at, input).and_then(|key| self.versions.get(&key));
        known.is_some_and(|known| *known == version_of(rows, at))
    }
}

fn key_of(rows: &RecordBatch, at: usize, input: &Input) -> Option<String> {
    let mut key = String::new();
    RowKeys::of(rows, &input.key)?.write(at, &mut key);
    Some(key)
}

fn version_of(rows: &RecordBatch, at: usize) -> String {
    let row: Vec<_> = rows.columns().iter().map(|column| cell(column, at)).collect();
    sha256_hex(serde_json::Value::Array(row).to_string().as_bytes())
}
