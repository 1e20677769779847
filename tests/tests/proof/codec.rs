//! The binary codec against the server: every type over its whole range, in both directions.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::Schema;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use star_contract::{Column, ColumnType};
use tokio_postgres::Client;
use totesys_postgres::{BatchLimits, CodecError, CopyDecoder, CopyEncoder, RefusedValue, RowNumber};
use totesys_tests::TestDatabase;

const DECIMALS: [(u8, u8); 5] = [(10, 2), (38, 0), (38, 38), (21, 7), (1, 1)];

fn column(name: &str, column_type: ColumnType) -> Column {
    Column { name: name.to_owned(), column_type, nullable: true, extras: Vec::new() }
}

/// Each column with its type in the database, and the text by which the server shows its value exactly.
fn every_column() -> Vec<(Column, String, String)> {
    let micros = |name| {
        format!(
            "CASE WHEN isfinite({name}) THEN (extract(epoch FROM {name}) * 1000000)::int8::text ELSE {name}::text END"
        )
    };
    let mut columns = vec![
        (column("i2", ColumnType::Int16), "int2".to_owned(), "i2::text".to_owned()),
        (column("i4", ColumnType::Int32), "int4".to_owned(), "i4::text".to_owned()),
        (column("i8", ColumnType::Int64), "int8".to_owned(), "i8::text".to_owned()),
        (column("f8", ColumnType::Float64), "float8".to_owned(), "encode(float8send(f8), 'hex')".to_owned()),
        (column("t", ColumnType::Text), "text".to_owned(), "t".to_owned()),
        (column("b", ColumnType::Bool), "bool".to_owned(), "b::text".to_owned()),
        (
            column("d", ColumnType::Date),
            "date".to_owned(),
            "CASE WHEN isfinite(d) THEN (d - date '1970-01-01')::text ELSE d::text END".to_owned(),
        ),
        (
            column("ti", ColumnType::Time),
            "time".to_owned(),
            "(extract(epoch FROM ti) * 1000000)::int8::text".to_owned(),
        ),
        (column("ts", ColumnType::Timestamp), "timestamp".to_owned(), micros("ts")),
        (column("tz", ColumnType::Timestamptz), "timestamptz".to_owned(), micros("tz")),
        (column("u", ColumnType::Uuid), "uuid".to_owned(), "replace(u::text, '-', '')".to_owned()),
        (column("y", ColumnType::Bytes), "bytea".to_owned(), "encode(y, 'hex')".to_owned()),
        (column("j", ColumnType::Json), "json".to_owned(), "j::text".to_owned()),
    ];
    for (position, (precision, scale)) in DECIMALS.into_iter().enumerate() {
        let name = format!("n{position}");
        let decimal = ColumnType::Decimal { precision, scale };
        columns.push((column(&name, decimal), format!("numeric({precision},{scale})"), format!("{name}::text")));
    }
    columns
}

#[derive(Debug, Clone)]
struct Row {
    numbers: (Option<i16>, Option<i32>, Option<i64>, Option<f64>),
    texts: (Option<String>, Option<bool>, Option<[u8; 16]>),
    bytes: (Option<Vec<u8>>, Option<String>),
    times: (Option<i32>, Option<i64>, Option<i64>, Option<i64>),
    decimals: Vec<Option<i128>>,
}

fn maybe<S: Strategy>(values: S) -> impl Strategy<Value = Option<S::Value>> {
    proptest::option::weighted(0.9, values)
}

fn text() -> impl Strategy<Value = String> {
    let character = any::<char>().prop_map(|character| if character == '\0' { '\'' } else { character });
    let short = proptest::collection::vec(character, 0..12).prop_map(String::from_iter);
    let known = prop::sample::select(vec!["", "O'Keefe", "None", "NULL", "\\N", "a,b", "line\nbreak", "\u{1F9F5}"]);
    prop_oneof![6 => short, 2 => known.prop_map(str::to_owned), 1 => (0_usize..20_000).prop_map(|n| "x".repeat(n))]
}

fn decimal(precision: u8) -> impl Strategy<Value = i128> {
    let bound = 10_i128.pow(precision.into());
    // Few digits as likely as many.
    let magnitude = (0..=u32::from(precision)).prop_flat_map(|digits| 0..10_i128.pow(digits));
    let magnitude = prop_oneof![8 => magnitude, 1 => Just(bound - 1), 1 => Just(0)];
    (magnitude, any::<bool>()).prop_map(|(magnitude, negative)| if negative { -magnitude } else { magnitude })
}

fn row() -> impl Strategy<Value = Row> {
    const FIRST_DAY: i32 = -2_440_588;
    const LAST_DAY: i32 = 2_145_042_905;
    const FIRST_MICRO: i64 = -210_866_803_200_000_000;
    let int = || prop_oneof![4 => any::<i64>(), 1 => prop::sample::select(vec![0, i64::MIN, i64::MAX, -1])];
    let float = prop_oneof![
        4 => any::<f64>().prop_map(|float| if float.is_nan() { f64::NAN } else { float }),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::MAX]),
    ];
    let date = prop_oneof![
        3 => FIRST_DAY..=LAST_DAY,
        3 => -200_000..=200_000_i32,
        1 => prop::sample::select(vec![i32::MAX, i32::MIN, FIRST_DAY, LAST_DAY, -1, 0, 106_751, 106_752]),
    ];
    let timestamp = || {
        prop_oneof![
            3 => FIRST_MICRO..i64::MAX,
            3 => -9_000_000_000_000_000..=9_000_000_000_000_000_i64,
            1 => prop::sample::select(vec![i64::MAX, i64::MIN, FIRST_MICRO, i64::MAX - 1, -1, 0, 9_223_372_036_854_775]),
        ]
    };
    let time = prop_oneof![4 => 0..=86_400_000_000_i64, 1 => prop::sample::select(vec![0, 86_400_000_000])];
    let json = text().prop_map(|text| serde_json::json!({ "k": text }).to_string());
    (
        (maybe(any::<i16>()), maybe(any::<i32>()), maybe(int()), maybe(float)),
        (maybe(text()), maybe(any::<bool>()), maybe(any::<[u8; 16]>())),
        (maybe(proptest::collection::vec(any::<u8>(), 0..40)), maybe(json)),
        (maybe(date), maybe(time), maybe(timestamp()), maybe(timestamp())),
        DECIMALS.map(|(precision, _)| maybe(decimal(precision)).boxed()).to_vec(),
    )
        .prop_map(|(numbers, texts, bytes, times, decimals)| Row { numbers, texts, bytes, times, decimals })
}

fn batch_of(rows: &[Row]) -> RecordBatch {
    fn array<A: FromIterator<T> + Array + 'static, T>(values: impl Iterator<Item = T>) -> ArrayRef {
        Arc::new(values.collect::<A>())
    }
    let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows.iter().map(|row| row.texts.2), 16).unwrap();
    let timestamptz = TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.times.3)).with_timezone("UTC");
    let mut arrays: Vec<ArrayRef> = vec![
        array::<Int16Array, _>(rows.iter().map(|row| row.numbers.0)),
        array::<Int32Array, _>(rows.iter().map(|row| row.numbers.1)),
        array::<Int64Array, _>(rows.iter().map(|row| row.numbers.2)),
        array::<Float64Array, _>(rows.iter().map(|row| row.numbers.3)),
        array::<StringArray, _>(rows.iter().map(|row| row.texts.0.clone())),
        array::<BooleanArray, _>(rows.iter().map(|row| row.texts.1)),
        array::<Date32Array, _>(rows.iter().map(|row| row.times.0)),
        array::<Time64MicrosecondArray, _>(rows.iter().map(|row| row.times.1)),
        array::<TimestampMicrosecondArray, _>(rows.iter().map(|row| row.times.2)),
        Arc::new(timestamptz),
        Arc::new(uuids),
        array::<BinaryArray, _>(rows.iter().map(|row| row.bytes.0.clone())),
        array::<StringArray, _>(rows.iter().map(|row| row.bytes.1.clone())),
    ];
    for (position, (precision, scale)) in DECIMALS.into_iter().enumerate() {
        let values = Decimal128Array::from_iter(rows.iter().map(|row| row.decimals[position]));
        arrays.push(Arc::new(values.with_precision_and_scale(precision, scale.cast_signed()).unwrap()));
    }
    let fields: Vec<_> = every_column().iter().map(|(column, ..)| column.field()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// A row as the server's expressions of `every_column` must show it, written without the codec.
fn shown(row: &Row) -> Vec<Option<String>> {
    let finite = |value: i64| match value {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        value => value.to_string(),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut shown = vec![
        row.numbers.0.map(|value| value.to_string()),
        row.numbers.1.map(|value| value.to_string()),
        row.numbers.2.map(|value| value.to_string()),
        row.numbers.3.map(|value| hex(&value.to_be_bytes())),
        row.texts.0.clone(),
        row.texts.1.map(|value| value.to_string()),
        row.times.0.map(|days| match days {
            i32::MAX => "infinity".to_owned(),
            i32::MIN => "-infinity".to_owned(),
            days => days.to_string(),
        }),
        row.times.1.map(|value| value.to_string()),
        row.times.2.map(finite),
        row.times.3.map(finite),
        row.texts.2.map(|bytes| hex(&bytes)),
        row.bytes.0.as_deref().map(hex),
        row.bytes.1.clone(),
    ];
    shown.extend(row.decimals.iter().zip(DECIMALS).map(|(value, (_, scale))| {
        value.map(|value| {
            let digits = format!("{:0>width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if value < 0 { "-" } else { "" };
            if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
        })
    }));
    shown
}

fn encoded(columns: &[Column], batch: &RecordBatch, prefix: RowNumber) -> Bytes {
    let mut encoder = CopyEncoder::new(columns);
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    encoder.encode(batch, prefix, &mut out).unwrap();
    encoder.end(&mut out);
    out.freeze()
}

async fn copy_in(client: &Client, statement: &str, stream: Bytes) -> Result<u64, tokio_postgres::Error> {
    let mut sink = std::pin::pin!(client.copy_in::<_, Bytes>(statement).await?);
    sink.send(stream).await?;
    sink.finish().await
}

async fn copy_out(client: &Client, query: &str) -> Vec<Bytes> {
    let stream = client.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await.unwrap();
    stream.map(Result::unwrap).collect().await
}

type Decoded = (Vec<RecordBatch>, Vec<RefusedValue>);

fn decode<'a>(
    columns: &[Column],
    limits: BatchLimits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Decoded, CodecError> {
    let mut decoder = CopyDecoder::new(columns, limits);
    let mut ready = Vec::new();
    for chunk in chunks {
        decoder.push(chunk, &mut ready)?;
    }
    let refused = decoder.take_refused();
    let summary = decoder.finish(&mut ready)?;
    assert_eq!(summary.rows, ready.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    assert_eq!(summary.refused, refused.len() as u64);
    Ok((ready, refused))
}

fn whole(columns: &[Column], chunks: &[Bytes]) -> Decoded {
    decode(columns, BatchLimits::default(), chunks.iter().map(AsRef::as_ref)).unwrap()
}

/// What the server shows for the rows, in order.
async fn server_shows(client: &Client, expressions: &[String], order: &str) -> Vec<Vec<Option<String>>> {
    let rows = client.query(&format!("SELECT {} FROM everything ORDER BY {order}", expressions.join(", ")), &[]).await;
    let rows = rows.unwrap();
    rows.iter().map(|row| (0..expressions.len()).map(|position| row.get(position)).collect()).collect()
}

/// The rows with floats by value: PostgreSQL's text of a float does not always end in the digit the shortest one has.
fn float_values(names: &[String], mut rows: Vec<Vec<Option<String>>>) -> Vec<Vec<Option<String>>> {
    let position = names.iter().position(|name| name == "f8").unwrap();
    for float in rows.iter_mut().filter_map(|row| row[position].as_mut()) {
        *float = format!("{:016x}", float.parse::<f64>().unwrap().to_bits());
    }
    rows
}

/// Cell by cell, because a whole table says nothing when it differs.
fn assert_same(names: &[String], left: &[Vec<Option<String>>], right: &[Vec<Option<String>>]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(right) {
        for (name, (left, right)) in names.iter().zip(left.iter().zip(right)) {
            assert_eq!(left, right, "column {name}");
        }
    }
}

#[test]
fn every_type_over_its_whole_range_in_both_directions() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(TestDatabase::create());
    let client = runtime.block_on(database.connect());
    let every = every_column();
    let columns: Vec<_> = every.iter().map(|(column, ..)| column.clone()).collect();
    let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    let definitions: Vec<_> = every.iter().map(|(column, sql, _)| format!("{} {sql}", column.name)).collect();
    let expressions: Vec<_> = every.iter().map(|(.., expression)| expression.clone()).collect();
    let setup = format!("SET TimeZone = 'UTC'; CREATE TABLE everything (id int8, {})", definitions.join(", "));
    runtime.block_on(client.batch_execute(&setup)).unwrap();

    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let strategy = proptest::collection::vec(row(), 0..60);
    let outcome = runner.run(&strategy, |rows| {
        let batch = batch_of(&rows);
        runtime.block_on(async {
            client.batch_execute("TRUNCATE everything").await.unwrap();
            let stream = encoded(&columns, &batch, RowNumber::Int64 { first: 1 });
            let copied = copy_in(&client, "COPY everything FROM STDIN (FORMAT binary)", stream).await;
            let copied = copied.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(copied, rows.len() as u64);

            // What the server understood.
            let expected: Vec<_> = rows.iter().map(shown).collect();
            assert_same(&names, &server_shows(&client, &expressions, "id").await, &expected);

            // What it says in turn.
            let list = names.join(", ");
            let chunks = copy_out(&client, &format!("SELECT {list} FROM everything ORDER BY id")).await;
            let (batches, refused) = whole(&columns, &chunks);
            assert!(refused.is_empty());
            let expected = if rows.is_empty() { vec![] } else { vec![batch.clone()] };
            assert_eq!(batches, expected);

            // What quarantine would keep: a last column that must not be NULL but is refuses every row.
            let mut refusing = columns.clone();
            refusing.push(Column { nullable: false, ..column("never", ColumnType::Int32) });
            let chunks = copy_out(&client, &format!("SELECT {list}, NULL::int4 FROM everything ORDER BY id")).await;
            let (batches, refused) = whole(&refusing, &chunks);
            assert!(batches.is_empty());
            let printed = names.iter().map(|name| {
                format!(
                    "CASE WHEN pg_typeof({name}) = 'boolean'::regtype THEN left({name}::text, 1) ELSE {name}::text END"
                )
            });
            let printed = server_shows(&client, &printed.collect::<Vec<_>>(), "id").await;
            let kept: Vec<Vec<_>> = refused
                .iter()
                .map(|row| row.fields[..names.len()].iter().map(|(_, value)| value.clone()).collect())
                .collect();
            assert_same(&names, &float_values(&names, kept), &float_values(&names, printed));
            assert!(refused.iter().all(|row| row.code == "null-value" && row.column == "never"));
        });
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_and_leave_no_trace() {
    let database = TestDatabase::create().await;
    let client = database.connect().await;
    let decimal = ColumnType::Decimal { precision: 10, scale: 2 };
    let columns = [column("t", ColumnType::Text), column("n", decimal), column("ts", ColumnType::Timestamp)];
    let columns = columns.map(|column| Column { nullable: column.name == "ts", ..column });
    let query = "SELECT t, n, ts FROM (VALUES
        (0, 'good', 1.50, '2024-01-01'::timestamp),
        (1, 'nan', 'NaN'::numeric, NULL),
        (2, 'infinite', 'Infinity'::numeric, NULL),
        (3, 'wide', 100000000, NULL),
        (4, 'fine', 0.001, NULL),
        (5, 'far', 1, '294276-12-31 23:59:59'),
        (6, NULL, 1, NULL),
        (7, 'zeros beyond the scale', 2.5000, 'infinity')) AS v (id, t, n, ts) ORDER BY id";
    let (batches, refused) = whole(&columns, &copy_out(&client, query).await);

    let what: Vec<_> = refused.iter().map(|row| (row.row, row.column.as_str(), row.code)).collect();
    assert_eq!(
        what,
        [
            (1, "n", "numeric-not-finite"),
            (2, "n", "numeric-not-finite"),
            (3, "n", "numeric-out-of-range"),
            (4, "n", "numeric-out-of-range"),
            (5, "ts", "timestamp-out-of-range"),
            (6, "t", "null-value"),
        ]
    );
    let texts: Vec<_> = refused.iter().map(|row| row.fields[1].1.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(texts, ["NaN", "Infinity", "100000000", "0.001", "1", "1"]);
    assert_eq!(refused[4].fields[2], ("ts".to_owned(), Some("294276-12-31 23:59:59".to_owned())));
    assert!(!format!("{refused:?}").contains("294276"));

    let [batch] = &batches[..] else { panic!("one batch is expected") };
    let texts: &StringArray = batch.column(0).as_any().downcast_ref().unwrap();
    assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["good", "zeros beyond the scale"]);
    let decimals: &Decimal128Array = batch.column(1).as_any().downcast_ref().unwrap();
    assert_eq!(decimals.values()[..], [150, 250]);
    let times: &TimestampMicrosecondArray = batch.column(2).as_any().downcast_ref().unwrap();
    assert_eq!(times.value(1), i64::MAX);
}

#[tokio::test]
async fn narrower_integers_widen_and_enums_are_text() {
    let database = TestDatabase::create().await;
    database.execute(r#"CREATE TYPE "TransactionType" AS ENUM ('SALE', 'PURCHASE')"#).await;
    let client = database.connect().await;
    let columns = [column("a", ColumnType::Int64), column("b", ColumnType::Int32), column("c", ColumnType::Text)];
    let query = r#"SELECT -5::int4, 7::int2, 'SALE'::"TransactionType"::text"#;
    let (batches, _) = whole(&columns, &copy_out(&client, query).await);
    assert_eq!(batches[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0), -5);
    assert_eq!(batches[0].column(1).as_any().downcast_ref::<Int32Array>().unwrap().value(0), 7);
    assert_eq!(batches[0].column(2).as_any().downcast_ref::<StringArray>().unwrap().value(0), "SALE");
}

/// Some rows of every type, without a database.
fn sample() -> (Vec<Column>, RecordBatch, Bytes) {
    let columns: Vec<_> = every_column().into_iter().map(|(column, ..)| column).collect();
    let mut runner = TestRunner::deterministic();
    let rows = proptest::collection::vec(row(), 6).new_tree(&mut runner).unwrap().current();
    let rows: Vec<_> =
        rows.into_iter().filter(|row| row.texts.0.as_ref().is_none_or(|text| text.len() < 100)).collect();
    let batch = batch_of(&rows);
    let stream = encoded(&columns, &batch, RowNumber::None);
    (columns, batch, stream)
}

#[test]
fn chunks_may_be_cut_anywhere() {
    let (columns, batch, stream) = sample();
    for size in 1..stream.len() {
        let (batches, _) = decode(&columns, BatchLimits::default(), stream.chunks(size)).unwrap();
        assert_eq!(batches, std::slice::from_ref(&batch), "chunks of {size}");
    }
}

#[test]
fn a_stream_that_ends_early_is_an_error_wherever_it_ends() {
    let (columns, _, stream) = sample();
    for length in 0..stream.len() {
        let error = decode(&columns, BatchLimits::default(), [&stream[..length]]).unwrap_err();
        assert!(matches!(error, CodecError::Truncated { .. }), "cut at {length}: {error}");
    }
    let mut longer = stream.to_vec();
    longer.push(0);
    assert!(matches!(decode(&columns, BatchLimits::default(), [&longer[..]]), Err(CodecError::AfterEnd)));
}

#[test]
fn a_damaged_stream_never_panics() {
    let (columns, _, stream) = sample();
    for position in 0..stream.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut damaged = stream.to_vec();
            damaged[position] = value;
            let _ = decode(&columns, BatchLimits::default(), damaged.chunks(64));
        }
    }
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let garbage = proptest::collection::vec(any::<u8>(), 0..300);
    let outcome = runner.run(&garbage, |garbage| {
        let _ = decode(&columns, BatchLimits::default(), [&garbage[..]]);
        let _ = decode(&columns, BatchLimits::default(), [&stream[..19], &garbage[..]]);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn malformed_fields_are_named() {
    let stream = |field: &[u8]| {
        let mut stream =
            encoded(&[], &RecordBatch::new_empty(Arc::new(Schema::empty())), RowNumber::None)[..19].to_vec();
        stream.extend_from_slice(&1_i16.to_be_bytes());
        stream.extend_from_slice(&(field.len() as i32).to_be_bytes());
        stream.extend_from_slice(field);
        stream.extend_from_slice(&(-1_i16).to_be_bytes());
        stream
    };
    for (column_type, field, expected) in [
        (ColumnType::Int32, &[0; 3][..], "row 0, column `a`: a field of 3 bytes is no int32"),
        (ColumnType::Int16, &[0; 5], "row 0, column `a`: a field of 5 bytes is no int16"),
        (ColumnType::Bool, &[2], "row 0, column `a`: neither true nor false"),
        (ColumnType::Uuid, &[0; 15], "row 0, column `a`: a field of 15 bytes is no uuid"),
        (ColumnType::Time, &[0xFF; 8], "row 0, column `a`: no time of a day"),
        (ColumnType::Text, &[0xC3, 0x28], "column `a` holds bytes that are no UTF-8"),
        (ColumnType::Decimal { precision: 5, scale: 2 }, &[0, 9, 0, 0, 0, 0, 0, 0], "row 0, column `a`: no numeric"),
    ] {
        let error = decode(&[column("a", column_type)], BatchLimits::default(), [&stream(field)[..]]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let columns = [column("a", ColumnType::Int32), column("b", ColumnType::Int32)];
    let error = decode(&columns, BatchLimits::default(), [&stream(&[0; 4])[..]]).unwrap_err();
    assert_eq!(error.to_string(), "row 0 has 1 fields instead of 2");
}

#[test]
fn batches_keep_their_limits() {
    let columns = [column("t", ColumnType::Text)];
    let lengths = [10, 900, 900, 5_000, 10, 10, 10, 10];
    let texts = StringArray::from_iter_values(lengths.map(|length| "x".repeat(length)));
    let schema = Arc::new(Schema::new(vec![columns[0].field()]));
    let stream = encoded(&columns, &RecordBatch::try_new(schema, vec![Arc::new(texts)]).unwrap(), RowNumber::None);
    let limits = BatchLimits { rows: 3, bytes: 1_000 };
    let (batches, _) = decode(&columns, limits, [&stream[..]]).unwrap();
    let rows: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [2, 1, 1, 3, 1]);
}

#[test]
fn batches_that_are_not_as_described_are_refused() {
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let batch = RecordBatch::try_from_iter([("a", ids)]).unwrap();
    let attempt = |column: Column, prefix| {
        let mut out = BytesMut::from(&b"before"[..]);
        let error = CopyEncoder::new(&[column]).encode(&batch, prefix, &mut out).unwrap_err();
        assert_eq!(&out[..], b"before");
        error.to_string()
    };
    let fitting = || column("a", ColumnType::Int32);
    assert_eq!(
        attempt(column("a", ColumnType::Int64), RowNumber::None),
        "column 0 of the batch is `a` (Int32) instead of `a` (Int64)"
    );
    assert_eq!(
        attempt(column("b", ColumnType::Int32), RowNumber::None),
        "column 0 of the batch is `a` (Int32) instead of `b` (Int32)"
    );
    assert_eq!(
        attempt(Column { nullable: false, ..fitting() }, RowNumber::None),
        "column `a` holds a NULL and is not nullable"
    );
    assert_eq!(
        attempt(fitting(), RowNumber::Int32 { first: i32::MAX }),
        "the row numbers from 2147483647 on do not fit their integer type"
    );
}
