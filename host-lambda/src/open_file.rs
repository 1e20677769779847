//! Rows of a file by their places in it: what is open of a file of refused rows.

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;
use star_contract::{Column, Input};
use totesys_lake::read_parquet;

use crate::HostError;

/// Rows read from a file at a time; as many as a push may have.
const ROWS: usize = star_contract::MAX_PUSH_ROWS;

/// The wanted rows of a file, batch by batch, with their places in it.
///
/// # Errors
/// When the file has not these columns.
pub(crate) fn wanted_rows(
    table: &str,
    file: Bytes,
    columns: &[Column],
    wanted: impl Fn(u32) -> bool,
) -> Result<Vec<(Vec<u32>, RecordBatch)>, HostError> {
    let (mut first, mut found) = (0_u32, Vec::new());
    for rows in read_parquet(file, columns, ROWS)? {
        let rows = rows?;
        let next = first.saturating_add(u32::try_from(rows.num_rows()).unwrap_or(u32::MAX));
        let places: Vec<u32> = (first..next).filter(|row| wanted(*row)).collect();
        if !places.is_empty() {
            let chosen = (first..next).map(&wanted).collect();
            found.push((places, select(table, &rows, chosen)?));
        }
        first = next;
    }
    Ok(found)
}

/// The chosen ones of some rows.
pub(crate) fn select(table: &str, rows: &RecordBatch, chosen: Vec<bool>) -> Result<RecordBatch, HostError> {
    filter_record_batch(rows, &BooleanArray::from(chosen))
        .map_err(|source| HostError::Rows { table: table.to_owned(), source })
}

/// The key columns of an input, in the key's order.
pub(crate) fn key_columns(input: &Input) -> Vec<Column> {
    input.key.iter().filter_map(|key| input.columns.iter().find(|column| column.name == *key)).cloned().collect()
}
