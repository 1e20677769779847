//! Parquet to record batches. A file is input: whatever is wrong with it is an error.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use star_contract::Column;

use crate::LakeError;

/// The rows of a file in batches of so many at most, with these columns in this order.
///
/// # Errors
/// When the file is damaged, lacks a column or has another type for it.
pub fn read_parquet(
    bytes: Bytes,
    columns: &[Column],
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, LakeError>> + use<>, LakeError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = contained(|| ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options))?
        .map_err(LakeError::reading)?;
    let mut found = Vec::with_capacity(columns.len());
    for column in columns {
        let (index, field) = builder
            .schema()
            .column_with_name(&column.name)
            .ok_or_else(|| LakeError::ColumnMissing { column: column.name.clone() })?;
        if *field.data_type() != column.column_type.arrow() {
            return Err(LakeError::ColumnMismatch {
                column: column.name.clone(),
                expected: column.column_type,
                found: field.data_type().to_string(),
            });
        }
        found.push(index);
    }
    let projection = ProjectionMask::roots(builder.parquet_schema(), found);
    let reader = contained(|| builder.with_projection(projection).with_batch_size(batch_rows.max(1)).build())?
        .map_err(LakeError::reading)?;
    let schema = Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
    Ok(Batches { reader, schema, broken: false })
}

/// The words that a file's writer left beside its rows: names and values.
///
/// # Errors
/// When it is no Parquet.
pub fn parquet_words(bytes: Bytes) -> Result<BTreeMap<String, String>, LakeError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = contained(|| ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options))?
        .map_err(LakeError::reading)?;
    let words = builder.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    Ok(words.filter_map(|word| Some((word.key.clone(), word.value.clone()?))).collect())
}

struct Batches {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    broken: bool,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let batch = match contained(|| self.reader.next()) {
            Ok(None) => return None,
            Ok(Some(batch)) => batch.map_err(LakeError::reading).and_then(|batch| self.arrange(&batch)),
            Err(error) => Err(error),
        };
        self.broken = batch.is_err();
        Some(batch)
    }
}

impl Batches {
    /// Brings a batch's columns, which come in the file's order, into the order asked for.
    fn arrange(&self, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let columns = self.schema.fields().iter().map(|field| {
            let missing = || LakeError::ColumnMissing { column: field.name().clone() };
            batch.column_by_name(field.name()).cloned().ok_or_else(missing)
        });
        RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<Vec<_>, _>>()?).map_err(LakeError::reading)
    }
}

/// The library means to return errors, but some damage trips its assertions.
fn contained<T>(call: impl FnOnce() -> T) -> Result<T, LakeError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| LakeError::reading(Damaged))
}

#[derive(Debug, thiserror::Error)]
#[error("the file's structure is damaged")]
struct Damaged;
