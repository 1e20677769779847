//! The rows of one push, with typed columns.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray};

use crate::KitError;

/// The rows of one push.
pub struct Rows {
    table: String,
    batch: RecordBatch,
}

macro_rules! primitive_columns {
    ($($(#[$doc:meta])* $method:ident: $arrow:ty;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// When the input has no such column of that type.
            pub fn $method(&self, column: &str) -> Result<&PrimitiveArray<$arrow>, KitError> {
                self.column(column)?.as_primitive_opt().ok_or_else(|| self.no_column(column))
            }
        )*
    };
}

impl Rows {
    pub(crate) fn new(table: &str, batch: RecordBatch) -> Self {
        Self { table: table.to_owned(), batch }
    }

    /// The input table these rows come from.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column of any type.
    ///
    /// # Errors
    /// When the input has no such column.
    pub fn column(&self, column: &str) -> Result<&ArrayRef, KitError> {
        self.batch.column_by_name(column).ok_or_else(|| self.no_column(column))
    }

    primitive_columns! {
        /// An `Int16` column.
        int16: Int16Type;
        /// An `Int32` column.
        int32: Int32Type;
        /// An `Int64` column.
        int64: Int64Type;
        /// A `Float64` column.
        float64: Float64Type;
        /// A `Decimal` column, as integers to be scaled.
        decimal: Decimal128Type;
        /// A `Date` column, in days since 1970-01-01.
        date: Date32Type;
        /// A `Time` column, in microseconds since midnight.
        time: Time64MicrosecondType;
        /// A `Timestamp` or `Timestamptz` column, in microseconds since 1970-01-01.
        timestamp: TimestampMicrosecondType;
    }

    /// A `Text` or `Json` column.
    ///
    /// # Errors
    /// When the input has no such column of that type.
    pub fn text(&self, column: &str) -> Result<&StringArray, KitError> {
        self.column(column)?.as_string_opt().ok_or_else(|| self.no_column(column))
    }

    /// A `Bool` column.
    ///
    /// # Errors
    /// When the input has no such column of that type.
    pub fn boolean(&self, column: &str) -> Result<&BooleanArray, KitError> {
        self.column(column)?.as_boolean_opt().ok_or_else(|| self.no_column(column))
    }

    fn no_column(&self, column: &str) -> KitError {
        KitError::Column { table: self.table.clone(), column: column.to_owned() }
    }
}

/// Whether any value is NULL.
pub(crate) fn has_nulls(array: &dyn Array) -> bool {
    array.null_count() > 0
}
