//! Record batches to Parquet, in parts, so that memory stays bounded whatever the table's size.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use star_contract::Column;

use crate::{LakeError, parquet_encoding, sha256_hex};

/// The encoded size at which a part is closed, unless the caller has a reason for another.
pub const DEFAULT_PART_BYTES: usize = 32 * 1024 * 1024;

/// A row group is held in memory until it is full, so it must not be large.
const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;
const ROW_GROUP_ROWS: usize = 1024 * 1024;

/// Beyond this a dictionary saves nothing: the column's values hardly repeat.
const DICTIONARY_BYTES: usize = 256 * 1024;

/// Measured on 492,250 real orders: levels 2 and 3 are smaller by 0.1 %, the encodings do the work.
const ZSTD_LEVEL: i32 = 1;

/// Fixed, so that the same rows give the same bytes whatever version of the library wrote them.
const CREATED_BY: &str = "totesys";

/// What is known of a file besides its columns.
#[derive(Debug, Clone, Default)]
pub struct PartSpec {
    /// Columns whose values hardly repeat, such as keys: no dictionary is tried.
    pub keys: Vec<String>,
    /// Written into each file's metadata.
    pub metadata: BTreeMap<String, String>,
}

/// A finished file, its rows counted in its own footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file.
    pub bytes: Bytes,
    /// Its rows.
    pub rows: u64,
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
}

/// Writes record batches into parts of about the same size. The same batches give the same bytes.
pub struct ParquetRoller {
    columns: Vec<Column>,
    schema: SchemaRef,
    spec: PartSpec,
    target_bytes: usize,
    open: Option<OpenPart>,
}

struct OpenPart {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
}

impl ParquetRoller {
    /// A roller for batches of these columns, in this order.
    #[must_use]
    pub fn new(columns: &[Column], spec: PartSpec, target_bytes: usize) -> Self {
        let schema = Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
        Self { columns: columns.to_vec(), schema, spec, target_bytes, open: None }
    }

    /// Adds rows; returns a part when that filled one.
    ///
    /// # Errors
    /// When the batch has other columns, or NULLs where there are none.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Option<Part>, LakeError> {
        self.check(batch)?;
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let properties = properties(&self.columns, &self.spec, batch).map_err(LakeError::writing)?;
                // The types say it all; without Arrow's own copy of the schema files are smaller.
                let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
                let writer = ArrowWriter::try_new_with_options(Vec::new(), self.schema.clone(), options)
                    .map_err(LakeError::writing)?;
                none.insert(OpenPart { writer, rows: 0 })
            }
        };
        // A batch may allow NULLs in its type and hold none.
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec()).map_err(LakeError::writing)?;
        open.writer.write(&batch).map_err(LakeError::writing)?;
        open.rows += batch.num_rows() as u64;
        if open.writer.bytes_written() + open.writer.in_progress_size() >= self.target_bytes {
            return self.open.take().map(close).transpose();
        }
        Ok(None)
    }

    /// The last part, if rows are left.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn finish(self) -> Result<Option<Part>, LakeError> {
        self.open.map(close).transpose()
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), LakeError> {
        let schema = batch.schema_ref();
        for (index, column) in self.columns.iter().enumerate() {
            let field = schema
                .fields()
                .get(index)
                .filter(|field| *field.name() == column.name)
                .ok_or_else(|| LakeError::ColumnMissing { column: column.name.clone() })?;
            if *field.data_type() != column.column_type.arrow() {
                return Err(LakeError::ColumnMismatch {
                    column: column.name.clone(),
                    expected: column.column_type,
                    found: field.data_type().to_string(),
                });
            }
        }
        Ok(())
    }
}

fn close(part: OpenPart) -> Result<Part, LakeError> {
    let bytes = Bytes::from(part.writer.into_inner().map_err(LakeError::writing)?);
    let footer = ParquetMetaDataReader::new().parse_and_finish(&bytes).map_err(LakeError::reading)?;
    let found = u64::try_from(footer.file_metadata().num_rows()).unwrap_or_default();
    if found != part.rows {
        return Err(LakeError::RowsLost { expected: part.rows, found });
    }
    Ok(Part { sha256: sha256_hex(&bytes), rows: found, bytes })
}

fn properties(columns: &[Column], spec: &PartSpec, rows: &RecordBatch) -> Result<WriterProperties, ParquetError> {
    let metadata = spec.metadata.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())).collect();
    let builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_key_value_metadata(Some(metadata));
    Ok(parquet_encoding::set(builder, columns, &spec.keys, rows).build())
}
