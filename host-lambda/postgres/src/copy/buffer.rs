//! One column under construction.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int16Array,
    Int32Array, Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use star_contract::{Column, ColumnType};

use super::error::CodecError;
use super::numeric::{NotDecimal, Numeric};
use super::{DAY_MICROS, EPOCH_DAYS, EPOCH_MICROS};

/// Rows to make room for before the first batch says how many there are.
const FIRST_CAPACITY: usize = 1024;

/// Why a field did not become a value.
#[derive(Debug)]
pub(super) enum Reject {
    /// A value the column's type cannot hold: its row is refused.
    Refused(&'static str),
    /// The field's length does not suit the type: the stream is not what it should be.
    Length,
    /// The bytes are no value of the type.
    Malformed(&'static str),
}

enum Values {
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Decimal { values: Vec<i128>, precision: u8, scale: u8 },
    Text { offsets: Vec<i32>, bytes: Vec<u8> },
    Binary { offsets: Vec<i32>, bytes: Vec<u8> },
    Bool(BooleanBufferBuilder),
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp { values: Vec<i64>, utc: bool },
    Uuid(Vec<u8>),
}

/// One column under construction: appends, takes back, becomes an array.
pub(super) struct ColumnBuffer {
    nullable: bool,
    values: Values,
    nulls: NullBufferBuilder,
}

impl ColumnBuffer {
    pub(super) fn new(column: &Column) -> Self {
        Self {
            nullable: column.nullable,
            values: Values::new(column.column_type, FIRST_CAPACITY),
            nulls: NullBufferBuilder::new(FIRST_CAPACITY),
        }
    }

    /// Bytes a value takes whatever it is, its share of offsets included.
    pub(super) fn width(&self) -> usize {
        match &self.values {
            Values::Int16(_) => 2,
            Values::Int32(_) | Values::Date(_) | Values::Text { .. } | Values::Binary { .. } => 4,
            Values::Int64(_) | Values::Float64(_) | Values::Time(_) | Values::Timestamp { .. } => 8,
            Values::Decimal { .. } | Values::Uuid(_) => 16,
            Values::Bool(_) => 1,
        }
    }

    /// Whether values have a length of their own.
    pub(super) fn is_variable(&self) -> bool {
        matches!(self.values, Values::Text { .. } | Values::Binary { .. })
    }

    /// Bytes of values that have a length of their own.
    pub(super) fn variable_bytes(&self) -> usize {
        match &self.values {
            Values::Text { bytes, .. } | Values::Binary { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    /// Appends a field, or leaves the column as it was.
    #[inline]
    pub(super) fn append(&mut self, field: Option<&[u8]>) -> Result<(), Reject> {
        let Some(field) = field else { return self.append_null() };
        match &mut self.values {
            Values::Int16(values) => values.push(match field.len() {
                4 | 8 => narrower(field)?,
                _ => i16::from_be_bytes(exactly(field)?),
            }),
            Values::Int32(values) => values.push(match field.len() {
                2 => i16::from_be_bytes(exactly(field)?).into(),
                8 => narrower(field)?,
                _ => i32::from_be_bytes(exactly(field)?),
            }),
            Values::Int64(values) => values.push(match field.len() {
                2 => i16::from_be_bytes(exactly(field)?).into(),
                4 => i32::from_be_bytes(exactly(field)?).into(),
                _ => i64::from_be_bytes(exactly(field)?),
            }),
            Values::Float64(values) => values.push(f64::from_be_bytes(exactly(field)?)),
            Values::Decimal { values, precision, scale } => values.push(decimal(field, *precision, *scale)?),
            Values::Text { offsets, bytes } | Values::Binary { offsets, bytes } => {
                let end = i32::try_from(bytes.len() + field.len()).map_err(|_| Reject::Length)?;
                bytes.extend_from_slice(field);
                offsets.push(end);
            }
            Values::Bool(values) => match *field {
                [value @ (0 | 1)] => values.append(value == 1),
                [_] => return Err(Reject::Malformed("neither true nor false")),
                _ => return Err(Reject::Length),
            },
            Values::Date(values) => values.push(date(i32::from_be_bytes(exactly(field)?))?),
            Values::Time(values) => match i64::from_be_bytes(exactly(field)?) {
                time @ 0..=DAY_MICROS => values.push(time),
                _ => return Err(Reject::Malformed("no time of a day")),
            },
            Values::Timestamp { values, .. } => values.push(timestamp(i64::from_be_bytes(exactly(field)?))?),
            Values::Uuid(values) => values.extend_from_slice(&exactly::<16>(field)?),
        }
        self.nulls.append_non_null();
        Ok(())
    }

    fn append_null(&mut self) -> Result<(), Reject> {
        if !self.nullable {
            return Err(Reject::Refused("null-value"));
        }
        match &mut self.values {
            Values::Int16(values) => values.push(0),
            Values::Int32(values) | Values::Date(values) => values.push(0),
            Values::Int64(values) | Values::Time(values) | Values::Timestamp { values, .. } => values.push(0),
            Values::Float64(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text { offsets, .. } | Values::Binary { offsets, .. } => {
                offsets.push(offsets.last().copied().unwrap_or_default());
            }
            Values::Bool(values) => values.append(false),
            Values::Uuid(values) => values.extend_from_slice(&[0; 16]),
        }
        self.nulls.append_null();
        Ok(())
    }

    /// Takes back what goes beyond `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.nulls.truncate(rows);
        match &mut self.values {
            Values::Int16(values) => values.truncate(rows),
            Values::Int32(values) | Values::Date(values) => values.truncate(rows),
            Values::Int64(values) | Values::Time(values) | Values::Timestamp { values, .. } => values.truncate(rows),
            Values::Float64(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::Text { offsets, bytes } | Values::Binary { offsets, bytes } => {
                offsets.truncate(rows + 1);
                bytes.truncate(offsets.last().map_or(0, |end| end.cast_unsigned() as usize));
            }
            Values::Bool(values) => values.truncate(rows),
            Values::Uuid(values) => values.truncate(rows * 16),
        }
    }

    /// The column so far; the buffer starts anew, with room for as much again.
    pub(super) fn finish(&mut self, column: &Column, rows: usize) -> Result<ArrayRef, CodecError> {
        let nulls = self.nulls.finish();
        let values = std::mem::replace(&mut self.values, Values::new(column.column_type, rows));
        Ok(match values {
            Values::Int16(values) => Arc::new(Int16Array::try_new(values.into(), nulls)?),
            Values::Int32(values) => Arc::new(Int32Array::try_new(values.into(), nulls)?),
            Values::Int64(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Values::Float64(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Values::Decimal { values, precision, scale } => Arc::new(
                Decimal128Array::try_new(values.into(), nulls)?
                    .with_precision_and_scale(precision, scale.cast_signed())?,
            ),
            Values::Text { offsets, bytes } => {
                // The whole column is checked at once: much cheaper than value by value.
                let text = StringArray::try_new(offset_buffer(offsets), Buffer::from_vec(bytes), nulls);
                Arc::new(text.map_err(|source| CodecError::NotUtf8 { column: column.name.clone(), source })?)
            }
            Values::Binary { offsets, bytes } => {
                Arc::new(BinaryArray::try_new(offset_buffer(offsets), Buffer::from_vec(bytes), nulls)?)
            }
            Values::Bool(values) => Arc::new(BooleanArray::new(values.build(), nulls)),
            Values::Date(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Values::Time(values) => Arc::new(Time64MicrosecondArray::try_new(values.into(), nulls)?),
            Values::Timestamp { values, utc } => Arc::new(
                TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone_opt(utc.then_some("UTC")),
            ),
            Values::Uuid(values) => Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(values), nulls)?),
        })
    }
}

impl Values {
    fn new(column_type: ColumnType, rows: usize) -> Self {
        let offsets = || {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            offsets
        };
        match column_type {
            ColumnType::Int16 => Self::Int16(Vec::with_capacity(rows)),
            ColumnType::Int32 => Self::Int32(Vec::with_capacity(rows)),
            ColumnType::Int64 => Self::Int64(Vec::with_capacity(rows)),
            ColumnType::Float64 => Self::Float64(Vec::with_capacity(rows)),
            ColumnType::Decimal { precision, scale } => {
                Self::Decimal { values: Vec::with_capacity(rows), precision, scale }
            }
            ColumnType::Text | ColumnType::Json => Self::Text { offsets: offsets(), bytes: Vec::new() },
            ColumnType::Bytes => Self::Binary { offsets: offsets(), bytes: Vec::new() },
            ColumnType::Bool => Self::Bool(BooleanBufferBuilder::new(rows)),
            ColumnType::Date => Self::Date(Vec::with_capacity(rows)),
            ColumnType::Time => Self::Time(Vec::with_capacity(rows)),
            ColumnType::Timestamp => Self::Timestamp { values: Vec::with_capacity(rows), utc: false },
            ColumnType::Timestamptz => Self::Timestamp { values: Vec::with_capacity(rows), utc: true },
            ColumnType::Uuid => Self::Uuid(Vec::with_capacity(rows * 16)),
        }
    }
}

#[inline]
fn exactly<const N: usize>(field: &[u8]) -> Result<[u8; N], Reject> {
    field.try_into().map_err(|_| Reject::Length)
}

/// An integer of a wider type than the column's: it was widened in the source since the column was described.
#[cold]
fn narrower<N: TryFrom<i64>>(field: &[u8]) -> Result<N, Reject> {
    let wide = match field.len() {
        4 => i32::from_be_bytes(exactly(field)?).into(),
        _ => i64::from_be_bytes(exactly(field)?),
    };
    N::try_from(wide).map_err(|_| Reject::Refused("integer-out-of-range"))
}

#[inline]
fn decimal(field: &[u8], precision: u8, scale: u8) -> Result<i128, Reject> {
    let numeric = Numeric::parse(field).ok_or(Reject::Malformed("no numeric"))?;
    numeric.to_decimal(precision, scale).map_err(|problem| match problem {
        NotDecimal::NotFinite => Reject::Refused("numeric-not-finite"),
        NotDecimal::OutOfRange => Reject::Refused("numeric-out-of-range"),
        NotDecimal::Malformed => Reject::Malformed("no numeric"),
    })
}

#[inline]
fn date(days: i32) -> Result<i32, Reject> {
    match days {
        i32::MAX | i32::MIN => Ok(days),
        // The infinities' numbers must not be taken by finite dates.
        _ => days.checked_add(EPOCH_DAYS).filter(|days| *days != i32::MAX).ok_or(Reject::Refused("date-out-of-range")),
    }
}

#[inline]
fn timestamp(micros: i64) -> Result<i64, Reject> {
    match micros {
        i64::MAX | i64::MIN => Ok(micros),
        _ => micros
            .checked_add(EPOCH_MICROS)
            .filter(|micros| *micros != i64::MAX)
            .ok_or(Reject::Refused("timestamp-out-of-range")),
    }
}

fn offset_buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}
