//! A binary COPY stream into record batches.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use star_contract::{Column, MAX_PUSH_BYTES, MAX_PUSH_ROWS};

use super::SIGNATURE;
use super::buffer::{ColumnBuffer, Reject};
use super::error::CodecError;
use super::render::render;
use super::xids::{XidObserver, XidWindow};

/// How large a batch may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Rows.
    pub rows: usize,
    /// Bytes of the columns' buffers; a single larger row makes a batch of its own.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        // The slack is for padding and the stream's own messages.
        Self { rows: MAX_PUSH_ROWS, bytes: MAX_PUSH_BYTES - 256 * 1024 }
    }
}

/// A row with a value its column cannot hold. What the row said is for quarantine only: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct RefusedValue {
    /// The row in the stream, from 0.
    pub row: u64,
    /// The column at fault.
    pub column: String,
    /// Why: lower-case words with hyphens, safe to log and count.
    pub code: &'static str,
    /// Every column with its value as PostgreSQL prints it; a float may end in another digit, but is the same value.
    pub fields: Vec<(String, Option<String>)>,
}

impl fmt::Debug for RefusedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedValue")
            .field("row", &self.row)
            .field("column", &self.column)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// What a whole stream held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecodeSummary {
    /// Rows in batches.
    pub rows: u64,
    /// Rows refused.
    pub refused: u64,
    /// Bytes of the stream.
    pub bytes: u64,
    /// The inserting transactions seen within the window, if one was given.
    pub recent_xids: BTreeSet<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Rows,
    Ended,
}

/// Where a field lies in its row; a negative length is NULL.
#[derive(Clone, Copy)]
struct Field {
    start: usize,
    length: i32,
}

impl Field {
    #[inline]
    fn of(self, row: &[u8]) -> Option<&[u8]> {
        let length = usize::try_from(self.length).ok()?;
        row.get(self.start..self.start + length)
    }
}

enum Found {
    Row(usize),
    Trailer,
    Incomplete,
}

/// Decodes a binary COPY stream, however it is cut into chunks, into record batches.
pub struct CopyDecoder {
    columns: Vec<Column>,
    schema: SchemaRef,
    buffers: Vec<ColumnBuffer>,
    /// The positions of columns whose values have a length of their own.
    variable: Vec<usize>,
    row_width: usize,
    limits: BatchLimits,
    stage: Stage,
    /// The start of a row whose rest has not come yet.
    pending: Vec<u8>,
    /// The fields of the row at hand.
    fields: Vec<Field>,
    rows_buffered: usize,
    rows_read: u64,
    bytes_read: u64,
    refused: Vec<RefusedValue>,
    refused_count: u64,
    xids: Option<XidObserver>,
}

impl CopyDecoder {
    /// A decoder of streams with these columns, in this order.
    #[must_use]
    pub fn new(columns: &[Column], limits: BatchLimits) -> Self {
        let buffers: Vec<_> = columns.iter().map(ColumnBuffer::new).collect();
        let variable = (0..buffers.len()).filter(|position| buffers[*position].is_variable()).collect();
        // One more bit per value for NULLs.
        let row_width = buffers.iter().map(ColumnBuffer::width).sum::<usize>() + columns.len().div_ceil(8);
        // Offsets are 32 bits wide, and a value has at most 1 GB.
        let limits = BatchLimits { rows: limits.rows.max(1), bytes: limits.bytes.min(1 << 30) };
        Self {
            schema: Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>())),
            columns: columns.to_vec(),
            buffers,
            variable,
            row_width,
            limits,
            stage: Stage::Header,
            pending: Vec::new(),
            fields: Vec::with_capacity(columns.len() + 1),
            rows_buffered: 0,
            rows_read: 0,
            bytes_read: 0,
            refused: Vec::new(),
            refused_count: 0,
            xids: None,
        }
    }

    /// Each row of the stream ends with one more field, its inserting transaction: observed, not stored.
    #[must_use]
    pub fn with_row_xids(mut self, window: XidWindow) -> Self {
        self.xids = Some(XidObserver::new(window));
        self
    }

    /// Feeds one chunk; batches that became full are added to `ready`.
    ///
    /// # Errors
    /// When the stream is not what it should be; the decoder is of no further use then.
    pub fn push(&mut self, chunk: &[u8], ready: &mut Vec<RecordBatch>) -> Result<(), CodecError> {
        self.bytes_read += chunk.len() as u64;
        if self.pending.is_empty() {
            let used = self.consume(chunk, ready)?;
            self.pending.extend_from_slice(&chunk[used..]);
        } else {
            let mut input = std::mem::take(&mut self.pending);
            input.extend_from_slice(chunk);
            let used = self.consume(&input, ready)?;
            input.drain(..used);
            self.pending = input;
        }
        Ok(())
    }

    /// Ends the stream; what is left is added to `ready`.
    ///
    /// # Errors
    /// When the trailer has not come, or a row is cut.
    pub fn finish(mut self, ready: &mut Vec<RecordBatch>) -> Result<DecodeSummary, CodecError> {
        if self.stage != Stage::Ended {
            return Err(CodecError::Truncated { rows: self.rows_read });
        }
        self.flush(ready)?;
        Ok(DecodeSummary {
            rows: self.rows_read - self.refused_count,
            refused: self.refused_count,
            bytes: self.bytes_read,
            recent_xids: self.xids.map(XidObserver::into_seen).unwrap_or_default(),
        })
    }

    /// The rows refused since this was last asked.
    pub fn take_refused(&mut self) -> Vec<RefusedValue> {
        std::mem::take(&mut self.refused)
    }

    fn consume(&mut self, input: &[u8], ready: &mut Vec<RecordBatch>) -> Result<usize, CodecError> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match self.stage {
                Stage::Header => match header_length(rest)? {
                    Some(length) => {
                        used += length;
                        self.stage = Stage::Rows;
                    }
                    None => return Ok(used),
                },
                Stage::Rows => match self.locate(rest)? {
                    Found::Row(length) => {
                        self.append(&rest[..length], ready)?;
                        used += length;
                    }
                    Found::Trailer => {
                        used += 2;
                        self.stage = Stage::Ended;
                    }
                    Found::Incomplete => return Ok(used),
                },
                Stage::Ended if rest.is_empty() => return Ok(used),
                Stage::Ended => return Err(CodecError::AfterEnd),
            }
        }
    }

    /// Finds the fields of the row at the start of `input`.
    #[inline]
    fn locate(&mut self, input: &[u8]) -> Result<Found, CodecError> {
        let Some((count, _)) = input.split_first_chunk::<2>() else { return Ok(Found::Incomplete) };
        let count = i16::from_be_bytes(*count);
        if count == -1 {
            return Ok(Found::Trailer);
        }
        let expected = self.columns.len() + usize::from(self.xids.is_some());
        if usize::try_from(count) != Ok(expected) {
            return Err(CodecError::FieldCount { row: self.rows_read, expected, found: count });
        }
        self.fields.clear();
        let mut at = 2;
        for position in 0..expected {
            let Some(length) = input.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
                return Ok(Found::Incomplete);
            };
            let length = i32::from_be_bytes(*length);
            at += 4;
            self.fields.push(Field { start: at, length });
            match length {
                0.. => at += length.cast_unsigned() as usize,
                -1 => {}
                _ => return Err(self.bad_length(position, length.into())),
            }
        }
        Ok(if at <= input.len() { Found::Row(at) } else { Found::Incomplete })
    }

    #[inline]
    fn append(&mut self, row: &[u8], ready: &mut Vec<RecordBatch>) -> Result<(), CodecError> {
        if self.rows_buffered > 0 && self.bytes_buffered() + self.row_width + row.len() > self.limits.bytes {
            self.flush(ready)?;
        }
        if let Some(xids) = &mut self.xids {
            let xid = self.fields.last().and_then(|field| field.of(row)).and_then(|bytes| bytes.try_into().ok());
            match xid {
                Some(bytes) => xids.observe(u32::from_be_bytes(bytes)),
                None => return Err(self.bad_length(self.columns.len(), -1)),
            }
        }
        for position in 0..self.buffers.len() {
            let field = self.fields[position].of(row);
            if let Err(reject) = self.buffers[position].append(field) {
                return self.reject(row, position, reject);
            }
        }
        self.rows_read += 1;
        self.rows_buffered += 1;
        if self.rows_buffered == self.limits.rows { self.flush(ready) } else { Ok(()) }
    }

    #[cold]
    fn reject(&mut self, row: &[u8], position: usize, reject: Reject) -> Result<(), CodecError> {
        let code = match reject {
            Reject::Refused(code) => code,
            Reject::Length => return Err(self.bad_length(position, self.fields[position].length.into())),
            Reject::Malformed(problem) => {
                let column = self.columns[position].name.clone();
                return Err(CodecError::Malformed { row: self.rows_read, column, problem });
            }
        };
        for buffer in &mut self.buffers[..position] {
            buffer.truncate(self.rows_buffered);
        }
        let fields =
            self.columns.iter().zip(&self.fields).map(|(column, field)| {
                (column.name.clone(), field.of(row).map(|bytes| render(column.column_type, bytes)))
            });
        self.refused.push(RefusedValue {
            row: self.rows_read,
            column: self.columns[position].name.clone(),
            code,
            fields: fields.collect(),
        });
        self.refused_count += 1;
        self.rows_read += 1;
        Ok(())
    }

    #[inline]
    fn bytes_buffered(&self) -> usize {
        let variable: usize = self.variable.iter().map(|position| self.buffers[*position].variable_bytes()).sum();
        self.rows_buffered * self.row_width + variable
    }

    fn flush(&mut self, ready: &mut Vec<RecordBatch>) -> Result<(), CodecError> {
        if self.rows_buffered == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows_buffered);
        let arrays = self.buffers.iter_mut().zip(&self.columns).map(|(buffer, column)| buffer.finish(column, rows));
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.collect::<Result<_, _>>()?;
        ready.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?);
        Ok(())
    }

    #[cold]
    fn bad_length(&self, position: usize, length: i64) -> CodecError {
        let (column, expected) = match self.columns.get(position) {
            Some(column) => (column.name.clone(), column.column_type.to_string()),
            None => ("xmin".to_owned(), "transaction id".to_owned()),
        };
        CodecError::FieldLength { row: self.rows_read, column, length, expected }
    }
}

/// The header's length, once all of it is there.
fn header_length(input: &[u8]) -> Result<Option<usize>, CodecError> {
    let known = input.len().min(SIGNATURE.len());
    if input[..known] != SIGNATURE[..known] {
        return Err(CodecError::Signature);
    }
    let Some((flags, rest)) = input[known..].split_first_chunk::<4>() else { return Ok(None) };
    let flags = u32::from_be_bytes(*flags);
    // The upper half changes the format; the lower half may be ignored.
    if flags >> 16 != 0 {
        return Err(CodecError::Flags { flags });
    }
    let Some((extension, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let extension = u32::from_be_bytes(*extension) as usize;
    Ok((extension <= rest.len()).then_some(SIGNATURE.len() + 8 + extension))
}
