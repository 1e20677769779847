//! Arrow IPC to and from a component. What comes back is untrusted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Schema};

/// Writes one record batch as a stream.
pub(crate) fn write(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::with_capacity(batch.get_array_memory_size()), &batch.schema())?;
    writer.write(batch)?;
    writer.into_inner()
}

/// Reads a stream that must have exactly the described columns.
///
/// # Errors
/// What is wrong with it, in constant words.
pub fn read_output(stream: Vec<u8>, described: &Schema) -> Result<Vec<RecordBatch>, &'static str> {
    // The reader validates what it reads; should a crafted length still make it panic, the batch fails, not the host.
    catch_unwind(AssertUnwindSafe(|| decode(stream, described)))
        .unwrap_or(Err("an output is no well-formed Arrow IPC stream"))
}

fn decode(stream: Vec<u8>, described: &Schema) -> Result<Vec<RecordBatch>, &'static str> {
    const NO_STREAM: &str = "an output is no well-formed Arrow IPC stream";
    let mut decoder = StreamDecoder::new();
    let mut buffer = Buffer::from_vec(stream);
    let mut batches = Vec::new();
    let columns = |schema: &Schema| {
        let found = schema.fields().iter().map(|field| (field.name(), field.data_type()));
        match found.eq(described.fields().iter().map(|field| (field.name(), field.data_type()))) {
            true => Ok(()),
            false => Err("an output does not have the described columns"),
        }
    };
    while let Some(batch) = decoder.decode(&mut buffer).map_err(|_| NO_STREAM)? {
        columns(&batch.schema())?;
        let misses =
            |(field, column): (&arrow_schema::FieldRef, &ArrayRef)| !field.is_nullable() && column.null_count() > 0;
        if described.fields().iter().zip(batch.columns()).any(misses) {
            return Err("an output has NULL in a column described as not nullable");
        }
        if batch.columns().iter().any(overflows) {
            return Err("an output has a decimal beyond its described precision");
        }
        batches.push(batch);
    }
    decoder.finish().map_err(|_| NO_STREAM)?;
    // A stream without rows says what it has none of.
    columns(decoder.schema().ok_or(NO_STREAM)?.as_ref())?;
    Ok(batches)
}

/// Whether a decimal has more digits than its type: Arrow lets it carry any 128 bits.
fn overflows(column: &ArrayRef) -> bool {
    let DataType::Decimal128(precision, _) = column.data_type() else { return false };
    let beyond = 10_i128.saturating_pow(u32::from(*precision)).unsigned_abs();
    let decimals = column.as_primitive::<Decimal128Type>();
    // What stands where a value is NULL does not count, and is met rarely enough to look twice.
    decimals.values().iter().any(|value| value.unsigned_abs() >= beyond)
        && decimals.iter().flatten().any(|value| value.unsigned_abs() >= beyond)
}
