//! The binary COPY decoder: whatever comes over the wire, it gives rows, refused rows or an error.

use star_contract::{Column, ColumnType};
use totesys_postgres::{BatchLimits, CopyDecoder, XidWindow};

const TYPES: &[ColumnType] = &[
    ColumnType::Int32,
    ColumnType::Text,
    ColumnType::Decimal { precision: 10, scale: 2 },
    ColumnType::Timestamp,
    ColumnType::Int16,
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::Bool,
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Timestamptz,
    ColumnType::Uuid,
    ColumnType::Bytes,
    ColumnType::Json,
    ColumnType::Decimal { precision: 38, scale: 38 },
    ColumnType::Decimal { precision: 1, scale: 0 },
];

/// The first byte chooses the columns, the second how the stream is cut, the rest is the stream.
pub(super) fn run(data: &[u8]) {
    let Some((&[shape, cut], stream)) = data.split_first_chunk::<2>() else { return };
    let first = usize::from(shape & 0x0F);
    let types = TYPES.iter().cycle().skip(first).take(1 + usize::from(shape >> 4 & 3));
    let column = |(position, column_type): (usize, &ColumnType)| Column {
        name: format!("c{position}"),
        column_type: *column_type,
        nullable: position % 2 == 0,
        extras: Vec::new(),
    };
    let columns: Vec<Column> = types.enumerate().map(column).collect();
    let mut decoder = CopyDecoder::new(&columns, BatchLimits { rows: 3, bytes: 256 });
    if shape & 0x80 != 0 {
        let window = XidWindow { first: 100, end: 200, in_progress: [150].into() };
        decoder = decoder.with_row_xids(window);
    }
    let (mut ready, mut refused) = (Vec::new(), 0);
    for chunk in stream.chunks(usize::from(cut).max(1)) {
        if decoder.push(chunk, &mut ready).is_err() {
            return;
        }
        for row in decoder.take_refused() {
            assert_eq!(row.fields.len(), columns.len(), "a refused row is kept whole");
            refused += 1;
        }
    }
    let Ok(summary) = decoder.finish(&mut ready) else { return };
    assert_eq!(summary.bytes, stream.len() as u64);
    assert_eq!(summary.refused, refused);
    assert_eq!(summary.rows, ready.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    assert!(summary.recent_xids.iter().all(|xid| (100..200).contains(xid) && *xid != 150));
}
