//! Arrow IPC streams in and out.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;

use crate::KitError;

/// Reads the one record batch of a pushed stream, without copying its buffers.
pub(crate) fn read(stream: Vec<u8>) -> Result<RecordBatch, KitError> {
    let mut decoder = StreamDecoder::new();
    let mut buffer = Buffer::from_vec(stream);
    let mut found = None;
    let mut batches = 0;
    while let Some(batch) = decoder.decode(&mut buffer)? {
        batches += 1;
        found = Some(batch);
    }
    decoder.finish()?;
    match (batches, found) {
        (1, Some(batch)) => Ok(batch),
        (batches, _) => Err(KitError::NotOneBatch(batches)),
    }
}

/// Writes one record batch as a stream.
pub(crate) fn write(batch: &RecordBatch) -> Result<Vec<u8>, KitError> {
    let mut writer = StreamWriter::try_new(Vec::with_capacity(batch.get_array_memory_size()), &batch.schema())?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}
