use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::Schema;
use bytes::Bytes;
use star_contract::{Column, ColumnType};
use totesys_lake::{DEFAULT_PART_BYTES, LakeError, ParquetRoller, Part, PartSpec, read_parquet};

fn column(name: &str, column_type: ColumnType, nullable: bool) -> Column {
    Column { name: name.to_owned(), column_type, nullable, extras: Vec::new() }
}

fn batch(columns: &[Column], arrays: Vec<ArrayRef>) -> RecordBatch {
    let schema = Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

fn write(columns: &[Column], spec: PartSpec, batches: &[RecordBatch], target: usize) -> Vec<Part> {
    let mut roller = ParquetRoller::new(columns, spec, target);
    let mut parts: Vec<_> = batches.iter().filter_map(|batch| roller.push(batch).unwrap()).collect();
    parts.extend(roller.finish().unwrap());
    parts
}

fn read(bytes: &Bytes, columns: &[Column], rows: usize) -> Result<Vec<RecordBatch>, LakeError> {
    read_parquet(bytes.clone(), columns, rows)?.collect()
}

/// Every column type, with its extremes, and a NULL where the column has any.
fn every_type() -> (Vec<Column>, RecordBatch) {
    let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
    let micros = |values: Vec<Option<i64>>| TimestampMicrosecondArray::from(values);
    let digits = |precision: u32| 10_i128.pow(precision) - 1;
    let decimals = |precision: u8, scale: u8| -> ArrayRef {
        let most = digits(u32::from(precision));
        let values = Decimal128Array::from(vec![Some(most), Some(-most), None, Some(0)]);
        Arc::new(values.with_precision_and_scale(precision, scale.cast_signed()).unwrap())
    };
    let stamps = vec![Some(i64::MAX), Some(i64::MIN), None, Some(-1)];
    let cells: Vec<(&str, ColumnType, ArrayRef)> = vec![
        ("int16", ColumnType::Int16, Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None, Some(0)]))),
        ("int32", ColumnType::Int32, Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(0)]))),
        ("int64", ColumnType::Int64, Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)]))),
        (
            "float64",
            ColumnType::Float64,
            Arc::new(Float64Array::from(vec![Some(f64::INFINITY), Some(f64::NEG_INFINITY), None, Some(-0.0)])),
        ),
        ("decimal_10_2", decimal(10, 2), decimals(10, 2)),
        ("decimal_5_5", decimal(5, 5), decimals(5, 5)),
        ("decimal_18_0", decimal(18, 0), decimals(18, 0)),
        ("decimal_38_10", decimal(38, 10), decimals(38, 10)),
        (
            "text",
            ColumnType::Text,
            Arc::new(StringArray::from(vec![Some(""), Some("O'Keefe, \u{1F980} & NULL"), None, Some("None")])),
        ),
        ("bool", ColumnType::Bool, Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("date", ColumnType::Date, Arc::new(Date32Array::from(vec![Some(i32::MAX), Some(i32::MIN), None, Some(-1)]))),
        (
            "time",
            ColumnType::Time,
            Arc::new(Time64MicrosecondArray::from(vec![Some(0), Some(86_400_000_000), None, Some(1)])),
        ),
        ("timestamp", ColumnType::Timestamp, Arc::new(micros(stamps.clone()))),
        ("timestamptz", ColumnType::Timestamptz, Arc::new(micros(stamps).with_timezone("UTC"))),
        (
            "uuid",
            ColumnType::Uuid,
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some([0_u8; 16]), Some([255; 16]), None, Some([7; 16])].into_iter(),
                    16,
                )
                .unwrap(),
            ),
        ),
        (
            "bytes",
            ColumnType::Bytes,
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"".as_slice()), Some(&[0, 255]), None, Some(b"x")])),
        ),
        (
            "json",
            ColumnType::Json,
            Arc::new(StringArray::from(vec![Some("{}"), Some("{\"a\":[1]}"), None, Some("null")])),
        ),
    ];
    let columns: Vec<_> = cells.iter().map(|(name, of, _)| column(name, *of, true)).collect();
    let rows = batch(&columns, cells.into_iter().map(|(_, _, array)| array).collect());
    (columns, rows)
}

#[test]
fn every_type_comes_back_as_it_went() {
    let (columns, rows) = every_type();
    let keys: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    // As keys and as plain columns: the encodings differ.
    for spec in [PartSpec::default(), PartSpec { keys, metadata: BTreeMap::new() }] {
        let parts = write(&columns, spec, std::slice::from_ref(&rows), DEFAULT_PART_BYTES);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].rows, 4);
        assert_eq!(read(&parts[0].bytes, &columns, 1024).unwrap(), std::slice::from_ref(&rows));
    }
    // NaN is no equal of itself.
    let nan = [column("x", ColumnType::Float64, false)];
    let parts = write(&nan, PartSpec::default(), &[batch(&nan, vec![Arc::new(Float64Array::from(vec![f64::NAN]))])], 1);
    let back = read(&parts[0].bytes, &nan, 1).unwrap();
    assert!(back[0].column(0).as_any().downcast_ref::<Float64Array>().unwrap().value(0).is_nan());
}

#[test]
fn columns_are_chosen_by_name_and_come_in_the_order_asked_for() {
    let (columns, rows) = every_type();
    let part = write(&columns, PartSpec::default(), std::slice::from_ref(&rows), 1).remove(0);
    let wanted = [columns[14].clone(), columns[0].clone(), columns[8].clone()];
    let back = read(&part.bytes, &wanted, 3).unwrap();
    assert_eq!(back.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(back[0], rows.project(&[14, 0, 8]).unwrap().slice(0, 3));

    let missing = [column("nobody", ColumnType::Int16, true)];
    assert!(matches!(read(&part.bytes, &missing, 3), Err(LakeError::ColumnMissing { column }) if column == "nobody"));
    let other = [column("int16", ColumnType::Int64, true)];
    assert!(matches!(read(&part.bytes, &other, 3), Err(LakeError::ColumnMismatch { column, .. }) if column == "int16"));
    let never_null = [column("int16", ColumnType::Int16, false)];
    assert!(matches!(read(&part.bytes, &never_null, 3), Err(LakeError::Parquet { action: "read", .. })));
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let columns = [column("a", ColumnType::Int32, false)];
    let mut roller = ParquetRoller::new(&columns, PartSpec::default(), 1);
    let other_name = [column("b", ColumnType::Int32, false)];
    let other_type = [column("a", ColumnType::Int64, false)];
    let with_null = [column("a", ColumnType::Int32, true)];
    let push =
        |roller: &mut ParquetRoller, columns: &[Column], array: ArrayRef| roller.push(&batch(columns, vec![array]));
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    assert!(matches!(push(&mut roller, &other_name, ints.clone()), Err(LakeError::ColumnMissing { .. })));
    assert!(matches!(
        push(&mut roller, &other_type, Arc::new(Int64Array::from(vec![1]))),
        Err(LakeError::ColumnMismatch { .. })
    ));
    assert!(matches!(
        push(&mut roller, &with_null, Arc::new(Int32Array::from(vec![None::<i32>]))),
        Err(LakeError::Parquet { action: "written", .. })
    ));
    // Nullable by type but without NULLs is fine.
    assert_eq!(push(&mut roller, &with_null, ints).unwrap().unwrap().rows, 1);
    assert_eq!(roller.finish().unwrap(), None);
    assert_eq!(ParquetRoller::new(&columns, PartSpec::default(), 1).finish().unwrap(), None);
}

/// Something like sales orders: rising keys and times, few foreign keys, money.
fn orders(from: i64, rows: i64) -> (Vec<Column>, RecordBatch) {
    let columns = vec![
        column("sales_order_id", ColumnType::Int32, false),
        column("created_at", ColumnType::Timestamp, false),
        column("design_id", ColumnType::Int32, false),
        column("unit_price", ColumnType::Decimal { precision: 10, scale: 2 }, false),
        column("agreed_delivery_date", ColumnType::Text, false),
    ];
    let ids = || from..from + rows;
    let mixed = |id: i64, of: i64| (id.wrapping_mul(6_364_136_223_846_793_005) >> 33).rem_euclid(of);
    let dates = StringArray::from_iter_values(
        ids().map(|id| format!("202{}-{:02}-{:02}", mixed(id, 3), 1 + mixed(id + 1, 12), 1 + mixed(id + 2, 28))),
    );
    let prices = Decimal128Array::from_iter_values(ids().map(|id| i128::from(200 + mixed(id, 200))));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(ids().map(|id| i32::try_from(id).unwrap()))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            ids().map(|id| 1_667_000_000_000_000 + id * 90_000_000_000 + mixed(id, 90_000) * 1000),
        )),
        Arc::new(Int32Array::from_iter_values(ids().map(|id| i32::try_from(mixed(id, 424)).unwrap()))),
        Arc::new(prices.with_precision_and_scale(10, 2).unwrap()),
        Arc::new(dates),
    ];
    (columns.clone(), batch(&columns, arrays))
}

#[test]
fn the_same_batches_give_the_same_bytes_and_parts_of_bounded_size() {
    let spec = || PartSpec {
        keys: vec!["sales_order_id".to_owned()],
        metadata: BTreeMap::from([("batch".to_owned(), "7".to_owned()), ("star".to_owned(), "sales".to_owned())]),
    };
    let batches: Vec<_> = (0..20).map(|number| orders(number * 10_000, 10_000).1).collect();
    let columns = orders(0, 1).0;
    let target = 128 * 1024;
    let parts = write(&columns, spec(), &batches, target);
    assert_eq!(parts, write(&columns, spec(), &batches, target));
    assert!(parts.len() > 3, "{}", parts.len());
    assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 200_000);
    for part in &parts {
        assert!(part.bytes.len() < 3 * target, "{}", part.bytes.len());
    }
    // An uncompressed row is 4 + 8 + 4 + 16 + 10 bytes.
    let bytes: usize = parts.iter().map(|part| part.bytes.len()).sum();
    assert!(bytes < 200_000 * 12, "{} bytes a row", bytes / 200_000);

    let mut from = 0;
    for part in &parts {
        for back in read(&part.bytes, &columns, 4096).unwrap() {
            let rows = i64::try_from(back.num_rows()).unwrap();
            assert_eq!(back, orders(from, rows).1);
            from += rows;
        }
    }
}

#[test]
fn damage_is_an_error_or_visible_and_never_a_panic() {
    let (columns, rows) = orders(0, 3000);
    let part = write(&columns, PartSpec::default(), &[rows], 1).remove(0);
    let whole = part.bytes.to_vec();
    assert!(read(&Bytes::new(), &columns, 100).is_err());
    assert!(read(&Bytes::from_static(b"PAR1 this is not Parquet PAR1"), &columns, 100).is_err());
    for length in (0..whole.len()).step_by(whole.len() / 50) {
        assert!(read(&Bytes::from(whole[..length].to_vec()), &columns, 100).is_err(), "{length}");
    }
    // Every byte of the footer, and some of the data.
    let footer = whole.len() - 1500;
    for position in (0..footer).step_by(footer / 200).chain(footer..whole.len()) {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] ^= flip;
            // What it reads, if it does, is the checksum's affair.
            let _ = read(&Bytes::from(damaged), &columns, 100);
        }
    }
}
