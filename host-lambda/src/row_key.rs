//! The keys of rows as text, so that a row is found again among others.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use crate::quarantine;

/// What stands between the parts of a key of several columns: no key has it.
const BETWEEN: char = '\u{1f}';

/// The key columns of some rows.
pub(crate) struct RowKeys<'a> {
    columns: Vec<&'a ArrayRef>,
}

impl<'a> RowKeys<'a> {
    /// `None` when the rows lack a column of the key.
    pub(crate) fn of(rows: &'a RecordBatch, key: &[String]) -> Option<Self> {
        let columns = key.iter().map(|column| rows.column_by_name(column)).collect::<Option<_>>()?;
        Some(Self { columns })
    }

    /// Puts a row's key into `text`, in the words PostgreSQL has for a number, a text or a UUID.
    pub(crate) fn write(&self, row: usize, text: &mut String) {
        text.clear();
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                text.push(BETWEEN);
            }
            part(column, row, text);
        }
    }
}

/// The key of a row that is kept as text; `None` when it lacks a column or the column is NULL.
pub(crate) fn of_texts(row: &serde_json::Map<String, serde_json::Value>, key: &[String]) -> Option<String> {
    let parts: Option<Vec<&str>> = key.iter().map(|column| row.get(column).and_then(|value| value.as_str())).collect();
    Some(parts?.join(&BETWEEN.to_string()))
}

fn part(column: &ArrayRef, row: usize, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match column.data_type() {
        DataType::Int16 => write!(text, "{}", column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(text, "{}", column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(text, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Utf8 => text.write_str(column.as_string::<i32>().value(row)),
        DataType::FixedSizeBinary(16) => uuid(column.as_fixed_size_binary().value(row), text),
        _ => text.write_str(quarantine::cell(column, row).as_str().unwrap_or_default()),
    };
}

fn uuid(bytes: &[u8], text: &mut String) -> std::fmt::Result {
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{FixedSizeBinaryArray, Int32Array, StringArray};

    use super::*;

    #[test]
    fn a_key_reads_as_postgresql_prints_it() {
        let uuids = FixedSizeBinaryArray::try_from_iter([[0x11_u8; 16], [0xab; 16]].into_iter()).unwrap();
        let rows = RecordBatch::try_from_iter([
            ("id", Arc::new(Int32Array::from(vec![-7, 12])) as ArrayRef),
            ("code", Arc::new(StringArray::from(vec!["a", "O'Keefe"]))),
            ("uuid", Arc::new(uuids)),
        ])
        .unwrap();
        let text = |key: &[&str], row| {
            let key: Vec<String> = key.iter().map(|&column| column.to_owned()).collect();
            RowKeys::of(&rows, &key).map(|keys| {
                let mut text = "old".to_owned();
                keys.write(row, &mut text);
                text
            })
        };
        assert_eq!(text(&["id"], 0).unwrap(), "-7");
        assert_eq!(text(&["id", "code"], 1).unwrap(), "12\u{1f}O'Keefe");
        assert_eq!(text(&["uuid"], 1).unwrap(), "abababab-abab-abab-abab-abababababab");
        assert_eq!(text(&["missing"], 0), None);
        let kept = serde_json::json!({ "id": "12", "code": "O'Keefe", "none": null });
        let of = |key: &[&str]| {
            of_texts(kept.as_object().unwrap(), &key.iter().map(|&column| column.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["id", "code"]), text(&["id", "code"], 1));
        assert_eq!((of(&["none"]), of(&["missing"])), (None, None));
    }
}
