//! Arrow IPC as a component gives it back: batches of exactly the described columns, or an error.

use arrow_schema::Schema;
use star_contract::{Column, ColumnType};
use totesys_sandbox::read_output;

const TYPES: &[ColumnType] = &[
    ColumnType::Int32,
    ColumnType::Text,
    ColumnType::Decimal { precision: 10, scale: 2 },
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Bool,
    ColumnType::Bytes,
    ColumnType::Uuid,
];

/// The first byte says how many columns there are and which may be NULL, the rest is the stream.
pub(super) fn run(data: &[u8]) {
    let Some((shape, stream)) = data.split_first() else { return };
    let column = |(position, column_type): (usize, &ColumnType)| Column {
        name: format!("c{position}"),
        column_type: *column_type,
        nullable: shape >> 4 & 1 == 1,
        extras: Vec::new(),
    };
    let columns = TYPES.iter().take(1 + usize::from(shape & 7)).enumerate().map(column);
    let described = Schema::new(columns.map(|column| column.field()).collect::<Vec<_>>());
    let Ok(batches) = read_output(stream.to_vec(), &described) else { return };
    for batch in batches {
        assert_eq!(batch.num_columns(), described.fields().len());
        for (found, column) in batch.columns().iter().zip(described.fields()) {
            assert_eq!(found.data_type(), column.data_type());
            assert!(column.is_nullable() || found.null_count() == 0);
            // Every value can be looked at.
            for row in 0..batch.num_rows().min(64) {
                let value = found.slice(row, 1);
                assert_eq!(value.len(), 1);
            }
        }
    }
}
