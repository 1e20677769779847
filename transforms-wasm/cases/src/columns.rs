//! Arrow columns from values, and values from Arrow columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow_schema::ArrowError;
use star_contract::{Column, ColumnType, Input};

use crate::CaseError;
use crate::value::Value;

/// The values of a column; `None` if the array is of another type.
pub(crate) fn values(array: &dyn Array, of: ColumnType) -> Option<Vec<Value>> {
    if *array.data_type() != of.arrow() {
        return None;
    }
    let value = |row| match of {
        ColumnType::Int16 => Value::Whole(array.as_primitive::<Int16Type>().value(row).into()),
        ColumnType::Int32 => Value::Whole(array.as_primitive::<Int32Type>().value(row).into()),
        ColumnType::Int64 => Value::Whole(array.as_primitive::<Int64Type>().value(row)),
        ColumnType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        ColumnType::Decimal { .. } => Value::Decimal(array.as_primitive::<Decimal128Type>().value(row)),
        ColumnType::Text | ColumnType::Json => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        ColumnType::Bool => Value::Bool(array.as_boolean().value(row)),
        ColumnType::Date => Value::Whole(array.as_primitive::<Date32Type>().value(row).into()),
        ColumnType::Time => Value::Whole(array.as_primitive::<Time64MicrosecondType>().value(row)),
        ColumnType::Timestamp | ColumnType::Timestamptz => {
            Value::Whole(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        ColumnType::Uuid => Value::Bytes(array.as_fixed_size_binary().value(row).to_owned()),
        ColumnType::Bytes => Value::Bytes(array.as_binary::<i32>().value(row).to_owned()),
    };
    Some((0..array.len()).map(|row| if array.is_null(row) { Value::Null } else { value(row) }).collect())
}

/// The Arrow column of some values of its type.
pub(crate) fn array(values: &[Value], of: ColumnType) -> Result<ArrayRef, ArrowError> {
    let texts = || values.iter().map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None });
    let bytes =
        || values.iter().map(|value| if let Value::Bytes(bytes) = value { Some(bytes.as_slice()) } else { None });
    Ok(match of {
        ColumnType::Int16 => Arc::new(whole::<Int16Type>(values)),
        ColumnType::Int32 => Arc::new(whole::<Int32Type>(values)),
        ColumnType::Int64 => Arc::new(whole::<Int64Type>(values)),
        ColumnType::Date => Arc::new(whole::<Date32Type>(values)),
        ColumnType::Time => Arc::new(whole::<Time64MicrosecondType>(values)),
        ColumnType::Timestamp => Arc::new(whole::<TimestampMicrosecondType>(values)),
        ColumnType::Timestamptz => Arc::new(whole::<TimestampMicrosecondType>(values).with_data_type(of.arrow())),
        ColumnType::Float64 => {
            let number = |value: &Value| if let Value::Float(number) = value { Some(*number) } else { None };
            Arc::new(values.iter().map(number).collect::<PrimitiveArray<Float64Type>>())
        }
        ColumnType::Decimal { .. } => {
            let digits = |value: &Value| if let Value::Decimal(digits) = value { Some(*digits) } else { None };
            let decimals = values.iter().map(digits).collect::<PrimitiveArray<Decimal128Type>>();
            Arc::new(decimals.with_data_type(of.arrow()))
        }
        ColumnType::Bool => {
            let is = |value: &Value| if let Value::Bool(is) = value { Some(*is) } else { None };
            Arc::new(values.iter().map(is).collect::<BooleanArray>())
        }
        ColumnType::Text | ColumnType::Json => Arc::new(texts().collect::<StringArray>()),
        ColumnType::Bytes => Arc::new(bytes().collect::<BinaryArray>()),
        ColumnType::Uuid => Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes(), 16)?),
    })
}

fn whole<T: ArrowPrimitiveType>(values: &[Value]) -> PrimitiveArray<T>
where
    T::Native: TryFrom<i64>,
{
    let number = |value: &Value| if let Value::Whole(number) = value { (*number).try_into().ok() } else { None };
    values.iter().map(number).collect()
}

/// The values of a described column of a batch.
pub(crate) fn described(batch: &RecordBatch, table: &str, column: &Column) -> Result<Vec<Value>, CaseError> {
    let problem = |problem| CaseError::Rows { table: table.to_owned(), problem };
    let array = batch.column_by_name(&column.name).ok_or_else(|| problem("a column is missing"))?;
    values(array, column.column_type).ok_or_else(|| problem("a column is of another type"))
}

/// The described columns of a batch that may have more, each changed by `change`.
pub(crate) fn taken(
    batch: &RecordBatch,
    input: &Input,
    mut change: impl FnMut(&Column, Value) -> Value,
) -> Result<RecordBatch, CaseError> {
    let mut arrays = Vec::with_capacity(input.columns.len());
    for column in &input.columns {
        let values: Vec<Value> =
            described(batch, &input.table, column)?.into_iter().map(|value| change(column, value)).collect();
        if !column.nullable && values.contains(&Value::Null) {
            let problem = "a column that takes no NULL has one";
            return Err(CaseError::Rows { table: input.table.clone(), problem });
        }
        arrays.push(array(&values, column.column_type)?);
    }
    Ok(RecordBatch::try_new(input.schema(), arrays)?)
}
