//! Record batches into a binary COPY stream.

use std::ops::Range;

use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::NullBuffer;
use bytes::{BufMut as _, BytesMut};
use star_contract::{Column, ColumnType};

use super::error::CodecError;
use super::{DAY_MICROS, EPOCH_DAYS, EPOCH_MICROS, SIGNATURE, numeric};

/// An integer field before a batch's own columns, counting up row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowNumber {
    /// No such field.
    None,
    /// An `integer`.
    Int32 {
        /// The first row's number.
        first: i32,
    },
    /// A `bigint`.
    Int64 {
        /// The first row's number.
        first: i64,
    },
}

/// Encodes record batches as one binary COPY stream.
pub struct CopyEncoder {
    columns: Vec<Column>,
}

impl CopyEncoder {
    /// An encoder of batches with these columns, in this order.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec() }
    }

    /// Writes what a stream starts with.
    pub fn begin(&mut self, out: &mut BytesMut) {
        out.put_slice(&SIGNATURE);
        // No flags, no extension.
        out.put_u64(0);
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// When the batch is not of these columns, or holds something PostgreSQL cannot; `out` is as before then.
    pub fn encode(&mut self, batch: &RecordBatch, prefix: RowNumber, out: &mut BytesMut) -> Result<(), CodecError> {
        let start = out.len();
        let encoded = self.rows(batch, prefix, out);
        if encoded.is_err() {
            out.truncate(start);
        }
        encoded
    }

    /// Writes what a stream ends with.
    pub fn end(&mut self, out: &mut BytesMut) {
        out.put_i16(-1);
    }

    fn rows(&self, batch: &RecordBatch, prefix: RowNumber, out: &mut BytesMut) -> Result<(), CodecError> {
        let cells = self.cells(batch)?;
        let rows = batch.num_rows();
        let numbers = numbers(prefix, rows)?;
        let fields = cells.len() + usize::from(prefix != RowNumber::None);
        let fields = i16::try_from(fields).map_err(|_| CodecError::TooManyColumns { columns: fields })?;
        // Never too little for fixed widths; text grows it at most a few times.
        out.reserve(rows * (2 + 12 * usize::from(fields.cast_unsigned())) + batch.get_array_memory_size());
        for row in 0..rows {
            out.put_i16(fields);
            match prefix {
                RowNumber::None => {}
                RowNumber::Int32 { .. } => put_4(out, (numbers.start + row as i64) as i32),
                RowNumber::Int64 { .. } => put_8(out, numbers.start + row as i64),
            }
            for (cell, column) in cells.iter().zip(&self.columns) {
                if let Err(problem) = cell.put(row, out) {
                    return Err(CodecError::Malformed { row: row as u64, column: column.name.clone(), problem });
                }
            }
        }
        Ok(())
    }

    /// The batch's columns as what they are, checked.
    fn cells<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<Cells<'a>>, CodecError> {
        if batch.num_columns() != self.columns.len() {
            return Err(CodecError::ColumnCount { expected: self.columns.len(), found: batch.num_columns() });
        }
        let schema = batch.schema_ref();
        let mut cells = Vec::with_capacity(self.columns.len());
        for (position, (column, array)) in self.columns.iter().zip(batch.columns()).enumerate() {
            let field = schema.field(position);
            let values = (*field.name() == column.name && *array.data_type() == column.column_type.arrow())
                .then(|| Values::of(column.column_type, array.as_ref()))
                .flatten()
                .ok_or_else(|| CodecError::ColumnType {
                    position,
                    column: column.name.clone(),
                    expected: column.column_type.arrow(),
                    found_name: field.name().clone(),
                    found: array.data_type().clone(),
                })?;
            let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
            if nulls.is_some() && !column.nullable {
                return Err(CodecError::UnexpectedNull { column: column.name.clone() });
            }
            cells.push(Cells { nulls, values });
        }
        Ok(cells)
    }
}

/// The numbers of the rows of a batch; the end is known to fit.
fn numbers(prefix: RowNumber, rows: usize) -> Result<Range<i64>, CodecError> {
    let (first, largest) = match prefix {
        RowNumber::None => return Ok(0..0),
        RowNumber::Int32 { first } => (i64::from(first), i64::from(i32::MAX)),
        RowNumber::Int64 { first } => (first, i64::MAX),
    };
    let last = i64::try_from(rows).ok().and_then(|rows| first.checked_add((rows - 1).max(0)));
    match last {
        Some(last) if last <= largest => Ok(first..last),
        _ => Err(CodecError::RowNumbers { first }),
    }
}

struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float64(&'a [f64]),
    Decimal { values: &'a [i128], scale: u8 },
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Bool(&'a BooleanArray),
    Date(&'a [i32]),
    Time(&'a [i64]),
    Timestamp(&'a [i64]),
    Uuid(&'a FixedSizeBinaryArray),
}

impl<'a> Values<'a> {
    fn of(column_type: ColumnType, array: &'a dyn Array) -> Option<Self> {
        let array = array.as_any();
        Some(match column_type {
            ColumnType::Int16 => Self::Int16(array.downcast_ref::<Int16Array>()?.values()),
            ColumnType::Int32 => Self::Int32(array.downcast_ref::<Int32Array>()?.values()),
            ColumnType::Int64 => Self::Int64(array.downcast_ref::<Int64Array>()?.values()),
            ColumnType::Float64 => Self::Float64(array.downcast_ref::<Float64Array>()?.values()),
            ColumnType::Decimal { scale, .. } => {
                Self::Decimal { values: array.downcast_ref::<Decimal128Array>()?.values(), scale }
            }
            ColumnType::Text | ColumnType::Json => Self::Text(array.downcast_ref()?),
            ColumnType::Bytes => Self::Binary(array.downcast_ref()?),
            ColumnType::Bool => Self::Bool(array.downcast_ref()?),
            ColumnType::Date => Self::Date(array.downcast_ref::<Date32Array>()?.values()),
            ColumnType::Time => Self::Time(array.downcast_ref::<Time64MicrosecondArray>()?.values()),
            ColumnType::Timestamp | ColumnType::Timestamptz => {
                Self::Timestamp(array.downcast_ref::<TimestampMicrosecondArray>()?.values())
            }
            ColumnType::Uuid => Self::Uuid(array.downcast_ref()?),
        })
    }
}

impl Cells<'_> {
    #[inline]
    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), &'static str> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.put_i32(-1);
            return Ok(());
        }
        match &self.values {
            Values::Int16(values) => {
                let [a, b] = values[row].to_be_bytes();
                out.put_slice(&[0, 0, 0, 2, a, b]);
            }
            Values::Int32(values) => put_4(out, values[row]),
            Values::Int64(values) => put_8(out, values[row]),
            Values::Float64(values) => put_8(out, values[row].to_bits().cast_signed()),
            Values::Decimal { values, scale } => numeric::put(values[row], *scale, out),
            Values::Text(values) => put_bytes(out, values.value(row).as_bytes())?,
            Values::Binary(values) => put_bytes(out, values.value(row))?,
            Values::Bool(values) => out.put_slice(&[0, 0, 0, 1, u8::from(values.value(row))]),
            Values::Date(values) => put_4(
                out,
                match values[row] {
                    infinity @ (i32::MAX | i32::MIN) => infinity,
                    days => days
                        .checked_sub(EPOCH_DAYS)
                        .filter(|days| *days != i32::MIN)
                        .ok_or("the date is out of PostgreSQL's range")?,
                },
            ),
            Values::Time(values) => match values[row] {
                time @ 0..=DAY_MICROS => put_8(out, time),
                _ => return Err("the time is out of PostgreSQL's range"),
            },
            Values::Timestamp(values) => put_8(
                out,
                match values[row] {
                    infinity @ (i64::MAX | i64::MIN) => infinity,
                    micros => micros
                        .checked_sub(EPOCH_MICROS)
                        .filter(|micros| *micros != i64::MIN)
                        .ok_or("the timestamp is out of PostgreSQL's range")?,
                },
            ),
            Values::Uuid(values) => put_bytes(out, values.value(row))?,
        }
        Ok(())
    }
}

#[inline]
fn put_4(out: &mut BytesMut, value: i32) {
    let [a, b, c, d] = value.to_be_bytes();
    out.put_slice(&[0, 0, 0, 4, a, b, c, d]);
}

#[inline]
fn put_8(out: &mut BytesMut, value: i64) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    out.put_slice(&[0, 0, 0, 8, a, b, c, d, e, f, g, h]);
}

#[inline]
fn put_bytes(out: &mut BytesMut, bytes: &[u8]) -> Result<(), &'static str> {
    out.put_i32(i32::try_from(bytes.len()).map_err(|_| "the value is longer than 2 GiB")?);
    out.put_slice(bytes);
    Ok(())
}
