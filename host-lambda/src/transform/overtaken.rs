//! Which open rows newer versions of their keys have overtaken. Whether a fact's version still counts is for the
//! warehouse to say; a dimension has no versions, so there an overtaken row must not go over what is there.

use std::collections::{BTreeSet, HashMap};

use star_contract::{Column, Delivery, Input};
use tokio::runtime::Handle;
use totesys_lake::{BatchNumber, Bucket, OpenRow, OpenRows, TableEntry};

use super::flow::Flow;
use super::refusals::RefusedChange;
use crate::HostError;
use crate::open_file::{key_columns, wanted_rows};
use crate::row_key::RowKeys;

/// Rows read from a file at a time: only keys.
const ROWS: usize = 64 * 1024;

/// Keys whose newer versions were taken, by table: the newest batch that observed one.
pub(super) type Taken = HashMap<String, HashMap<String, BatchNumber>>;

/// Marks the rows of earlier batches that a newer version has overtaken: one of this batch that was not refused, or
/// one that was released now.
pub(super) fn mark(
    flow: &Flow,
    runtime: &Handle,
    tables: &[TableEntry],
    refused: &[RefusedChange],
    taken: &Taken,
    open: Vec<OpenRows>,
) -> Result<Vec<OpenRows>, HostError> {
    let mut marked = BTreeSet::new();
    for (index, input) in flow.description.inputs.iter().enumerate() {
        let (table, taken) = (&tables[index], taken.get(&input.table));
        let concerned = open.iter().any(|entry| entry.table == input.table);
        if input.delivery != Delivery::Changes || !concerned || (table.files.is_empty() && taken.is_none()) {
            continue;
        }
        let mut keys = OpenKeys::read(flow, runtime, input, &open)?;
        for (key, batch) in taken.into_iter().flatten() {
            let older = keys.rows.get(key).into_iter().flatten();
            marked.extend(older.filter(|(entry, _)| open[*entry].batch < *batch).copied());
        }
        for (number, file) in table.files.iter().enumerate() {
            let refused = refused.iter().filter(|row| (row.input, row.file) == (index, number)).map(|row| row.row);
            let refused: BTreeSet<u64> = refused.collect();
            let mut first = 0;
            for rows in runtime.block_on(flow.lake.read_rows(Bucket::Ingestion, file, &keys.columns, ROWS))? {
                let rows = rows?;
                let Some(of) = RowKeys::of(&rows, &input.key) else { break };
                for row in (0..rows.num_rows()).filter(|row| !refused.contains(&(first + *row as u64))) {
                    of.write(row, &mut keys.text);
                    marked.extend(keys.rows.get(&keys.text).into_iter().flatten().copied());
                }
                first += rows.num_rows() as u64;
            }
        }
    }
    let mark = |(index, entry): (usize, OpenRows)| {
        if marked.range((index, 0)..=(index, u32::MAX)).next().is_none() {
            return Some(entry);
        }
        let overtaken = |row: &OpenRow| row.overtaken || marked.contains(&(index, row.row));
        entry.with(entry.rows().map(|row| OpenRow { overtaken: overtaken(&row), ..row }))
    };
    Ok(open.into_iter().enumerate().filter_map(mark).collect())
}

/// The open rows of one table by key.
struct OpenKeys {
    columns: Vec<Column>,
    /// The entry and the row in its file.
    rows: HashMap<String, Vec<(usize, u32)>>,
    text: String,
}

impl OpenKeys {
    fn read(flow: &Flow, runtime: &Handle, input: &Input, open: &[OpenRows]) -> Result<Self, HostError> {
        let columns = key_columns(input);
        let (mut found, mut text) = (HashMap::<String, Vec<(usize, u32)>>::new(), String::new());
        for (index, entry) in open.iter().enumerate().filter(|(_, entry)| entry.table == input.table) {
            let bytes = runtime.block_on(flow.lake.read_file(Bucket::TransformedData, &entry.file))?;
            let wanted = |row| entry.row(row).is_some_and(|row| !row.overtaken);
            // Rows whose key is of another type by now have nothing to be compared with.
            for (places, rows) in wanted_rows(&entry.table, bytes, &columns, wanted).unwrap_or_default() {
                let Some(keys) = RowKeys::of(&rows, &input.key) else { break };
                for (at, place) in places.into_iter().enumerate() {
                    keys.write(at, &mut text);
                    found.entry(text.clone()).or_default().push((index, place));
                }
            }
        }
        Ok(Self { columns, rows: found, text })
    }
}
