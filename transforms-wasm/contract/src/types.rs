//! Column types and their Arrow representation.

use std::fmt;

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

/// The type of a column, of an input or an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 64-bit IEEE float.
    Float64,
    /// Exact decimal.
    Decimal {
        /// Total digits, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// UTF-8 text.
    Text,
    /// True or false.
    Bool,
    /// Days since 1970-01-01; `i32::MAX` and `i32::MIN` stand for PostgreSQL's infinities.
    Date,
    /// Microseconds since midnight; 24:00:00 is a value.
    Time,
    /// Microseconds since 1970-01-01, no zone; `i64::MAX` and `i64::MIN` stand for the infinities.
    Timestamp,
    /// Microseconds since 1970-01-01 UTC; infinities as for `Timestamp`.
    Timestamptz,
    /// 16 bytes.
    Uuid,
    /// Raw bytes.
    Bytes,
    /// JSON as UTF-8 text.
    Json,
}

impl ColumnType {
    /// The Arrow type that carries values of this type, in IPC and in Parquet.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
            Self::Text | Self::Json => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Bytes => DataType::Binary,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            other => write!(f, "{}", format!("{other:?}").to_lowercase()),
        }
    }
}
