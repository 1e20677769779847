//! The three components: what they import, and that the sandbox changes nothing of what they compute.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use author_kit::{Session, Transform};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use star_contract::{Column, ColumnType, Delivery, Description, Input};
use totesys_sandbox::{Limits, Sandbox};
use totesys_tests::{STARS, component, trusted};
use wasmparser::{Parser, Payload};

fn native(star: &str) -> Box<dyn Transform> {
    match star {
        "sales" => Box::new(sales::star()),
        "purchases" => Box::new(purchases::star()),
        _ => Box::new(payments::star()),
    }
}

#[test]
fn components_import_nothing_but_the_contracts_log() {
    for name in STARS.iter().chain(&["hostile", "picky", "veteran"]) {
        let bytes = component(name);
        let mut depth = 0;
        let mut imports = Vec::new();
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.unwrap() {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
                }
                _ => {}
            }
        }
        // The stars of Totesys never log, so the import is not even there.
        let expected: &[&str] = if *name == "hostile" { &["totesys:star/log@0.2.0"] } else { &[] };
        assert_eq!(imports, expected, "{name}");
    }
}

#[test]
fn a_component_describes_itself_as_its_source_does() {
    let sandbox = Sandbox::new(Limits::default()).unwrap();
    for star in STARS {
        let described = sandbox.load(&trusted(star, star)).unwrap().describe().unwrap();
        assert_eq!(described, *native(star).description());
    }
}

/// Some of these break a rule of a mapping, so that refusals are compared as well.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1990..2040_i32, 1..14_u8, 1..33_u8).prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}")),
        2 => prop::sample::select(vec!["GBP", "USD", "EUR", "XXX", "None", "NULL", "", "O'Keefe, & Co"]).prop_map(str::to_owned),
        1 => ".{0,40}",
    ]
}

fn column(column: &Column, rows: usize) -> BoxedStrategy<ArrayRef> {
    fn values<S: Strategy>(value: S, nullable: bool, rows: usize) -> impl Strategy<Value = Vec<Option<S::Value>>>
    where
        S::Value: Clone,
    {
        prop::collection::vec(
            (value, 0..10_u8).prop_map(move |(value, die)| (!nullable || die > 2).then_some(value)),
            rows,
        )
    }
    macro_rules! primitive {
        ($kind:ty, $value:expr) => {
            values($value, column.nullable, rows)
                .prop_map(|values| Arc::new(PrimitiveArray::<$kind>::from(values)) as ArrayRef)
                .boxed()
        };
    }
    match column.column_type {
        ColumnType::Int16 => primitive!(Int16Type, any::<i16>()),
        // Small, so that lookups find something.
        ColumnType::Int32 => primitive!(Int32Type, prop_oneof![9 => 0..50_i32, 1 => any::<i32>()]),
        ColumnType::Int64 => primitive!(Int64Type, any::<i64>()),
        ColumnType::Float64 => primitive!(Float64Type, any::<f64>()),
        ColumnType::Date => primitive!(Date32Type, any::<i32>()),
        ColumnType::Time => primitive!(Time64MicrosecondType, 0..=86_400_000_000_i64),
        ColumnType::Timestamp | ColumnType::Timestamptz => {
            let instants = prop_oneof![
                8 => 0..2_000_000_000_000_000_i64,
                2 => -200_000_000_000_000_000_i64..9_000_000_000_000_000_000,
                1 => Just(i64::MAX),
                1 => Just(i64::MIN),
            ];
            primitive!(TimestampMicrosecondType, instants)
        }
        ColumnType::Decimal { precision, scale } => values(-9_999_999_999_i128..=9_999_999_999, column.nullable, rows)
            .prop_map(move |values| {
                let numbers = PrimitiveArray::<Decimal128Type>::from(values);
                Arc::new(numbers.with_precision_and_scale(precision, scale.cast_signed()).unwrap()) as ArrayRef
            })
            .boxed(),
        ColumnType::Bool => values(any::<bool>(), column.nullable, rows)
            .prop_map(|values| Arc::new(BooleanArray::from(values)) as ArrayRef)
            .boxed(),
        ColumnType::Text | ColumnType::Json => values(texts(), column.nullable, rows)
            .prop_map(|values| Arc::new(StringArray::from(values)) as ArrayRef)
            .boxed(),
        ColumnType::Uuid | ColumnType::Bytes => values(prop::collection::vec(any::<u8>(), 16), column.nullable, rows)
            .prop_map(|values| Arc::new(values.into_iter().collect::<BinaryArray>()) as ArrayRef)
            .boxed(),
    }
}

fn batch(input: &Input) -> impl Strategy<Value = RecordBatch> + use<> {
    let (columns, schema) = (input.columns.clone(), input.schema());
    (0..60_usize).prop_flat_map(move |rows| {
        let schema = schema.clone();
        let columns: Vec<_> = columns.iter().map(|c| column(c, rows)).collect();
        columns.prop_map(move |arrays| RecordBatch::try_new(schema.clone(), arrays).unwrap())
    })
}

/// Snapshots in described order, then changes, as the host pushes them.
fn pushes(description: &Description) -> impl Strategy<Value = Vec<(String, RecordBatch)>> + use<> {
    let of = |delivery| description.inputs.iter().filter(move |input| input.delivery == delivery);
    let pushes: Vec<_> = of(Delivery::Snapshot)
        .chain(of(Delivery::Changes))
        .chain(of(Delivery::Changes))
        .map(|input| (Just(input.table.clone()), batch(input)))
        .collect();
    pushes
}

fn stream(rows: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn the_sandbox_gives_the_same_bytes_as_native_code() {
    let sandbox = Sandbox::new(Limits::default()).unwrap();
    for star in STARS {
        let component = sandbox.load(&trusted(star, star)).unwrap();
        let description = Arc::new(component.describe().unwrap());
        let (mut outputs, mut refused) = (0, 0);
        let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
        let same = runner.run(&pushes(&description), |pushes| {
            let mut guest = component.begin(1, Arc::clone(&description)).unwrap();
            let mut session = Session::new(native(star));
            for (table, rows) in pushes {
                let stream = stream(&rows);
                let sandboxed = guest.exchange(&table, &stream, rows.num_rows()).unwrap();
                let natively = session.push(&table, stream).unwrap();
                prop_assert_eq!(&sandboxed, &natively);
            }
            prop_assert_eq!(guest.conclude().unwrap(), session.finish().unwrap());
            Ok(())
        });
        same.unwrap_or_else(|failure| panic!("{star}: {failure}"));
        // The inputs must have met both what is mapped and what is refused.
        let mut session = Session::new(native(star));
        let mut runner = TestRunner::deterministic();
        for (table, rows) in pushes(&description).new_tree(&mut runner).unwrap().current() {
            let outcome = session.push(&table, stream(&rows)).unwrap();
            outputs += outcome.outputs.len();
            refused += outcome.refused.len();
        }
        assert!(outputs > 3 && refused > 3, "{star}: {outputs} outputs, {refused} refused rows");
    }
}
