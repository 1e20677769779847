//! Refused rows, as JSON lines: the one place in the lake, besides the data, where row values stand.

mod list;
mod row_id;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use star_contract::RefusedRow;
use totesys_failpoint as failpoint;
use totesys_lake::{Attempt, BatchNumber, Bucket, FileEntry, Lake, Micros, keys};
use totesys_postgres::RefusedValue;

use crate::HostError;

pub use list::{Held, QuarantineEntry, QuarantinedRow};

/// A row the codec could not hold.
pub(crate) fn unreadable(table: &str, row: &RefusedValue) -> Value {
    let fields: Map<String, Value> = row.fields.iter().map(|(column, value)| (column.clone(), json!(value))).collect();
    json!({ "table": table, "code": row.code, "column": row.column, "row": fields })
}

/// A row a component refused, taken from the batch it was pushed in.
pub(crate) fn refused(refusal: &RefusedRow, pushed: &RecordBatch) -> Value {
    let schema = pushed.schema();
    let columns = schema.fields().iter().zip(pushed.columns());
    let row: Map<String, Value> =
        columns.map(|(field, column)| (field.name().clone(), cell(column, refusal.row as usize))).collect();
    json!({
        "table": refusal.table,
        "code": refusal.code,
        "column": refusal.column,
        "text": refusal.text,
        "row": row,
    })
}

/// The lines of a file of refused rows. A line that is none reads as NULL, so that the others keep their numbers.
pub(crate) fn lines(file: Bytes) -> impl Iterator<Item = Value> {
    let lines: Vec<Value> = file
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap_or_default())
        .collect();
    lines.into_iter()
}

/// About how large a file of refused rows gets.
pub(crate) const FILE_BYTES: usize = 4 << 20;

/// Writes the rows a star refuses in files of bounded size, so that memory stays bounded however many there are.
pub(crate) struct Quarantine {
    lake: Arc<Lake>,
    star: String,
    batch: BatchNumber,
    attempt: Attempt,
    lines: String,
    files: Vec<FileEntry>,
}

impl Quarantine {
    pub(crate) fn new(lake: &Arc<Lake>, star: &str, batch: BatchNumber, attempt: &Attempt) -> Self {
        Self {
            lake: Arc::clone(lake),
            star: star.to_owned(),
            batch,
            attempt: attempt.clone(),
            lines: String::new(),
            files: Vec::new(),
        }
    }

    pub(crate) async fn add(&mut self, row: &Value) -> Result<(), HostError> {
        self.lines += &format!("{row}\n");
        if self.lines.len() >= FILE_BYTES { self.flush().await } else { Ok(()) }
    }

    /// The files so far.
    pub(crate) fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Stores what is not in a file yet.
    pub(crate) async fn flush(&mut self) -> Result<(), HostError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let part = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let key = keys::quarantine(&self.star, self.batch, self.attempt.as_str(), part);
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        self.files.push(self.lake.put_lines(Bucket::TransformedData, key, &self.star, lines).await?);
        failpoint::pass("transform:quarantine-stored");
        Ok(())
    }
}

/// One value: numbers, dates and the like as text, so that nothing is rounded.
pub(crate) fn cell(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::Boolean => json!(column.as_boolean().value(row)),
        DataType::Int16 => json!(column.as_primitive::<Int16Type>().value(row).to_string()),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(row).to_string()),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(row).to_string()),
        DataType::Decimal128(_, _) => json!(column.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Date32 => json!(day(column.as_primitive::<Date32Type>().value(row))),
        DataType::Time64(_) => json!(clock(column.as_primitive::<Time64MicrosecondType>().value(row))),
        DataType::Timestamp(_, _) => {
            json!(Micros(column.as_primitive::<TimestampMicrosecondType>().value(row)).to_string())
        }
        DataType::FixedSizeBinary(_) => json!(hex(column.as_fixed_size_binary().value(row))),
        _ => column.as_binary_opt::<i32>().map_or(Value::Null, |bytes| json!(hex(bytes.value(row)))),
    }
}

fn day(days: i32) -> String {
    Micros(i64::from(days) * 86_400_000_000).day().unwrap_or_else(|| format!("day {days} from 1970-01-01"))
}

fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
