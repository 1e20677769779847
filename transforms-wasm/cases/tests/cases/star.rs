//! Stars to write cases for.

use author_kit::ColumnType::{
    Bool, Bytes, Date, Float64, Int16, Int32, Int64, Json, Text, Time, Timestamp, Timestamptz,
};
use author_kit::{ColumnType, Definition, Description, Mapping, Session, Transform, copy, parsed_date};
use star_cases::{Answer, Case};

pub(crate) const MONEY: ColumnType = ColumnType::Decimal { precision: 10, scale: 2 };
pub(crate) const WIDE: ColumnType = ColumnType::Decimal { precision: 38, scale: 0 };

/// The section of a page that expects that no row is refused, and else nothing.
pub(crate) const REFUSED: &str = "\n## Refused\n| table | row | column | code |\n|---|---|---|---|\n";

/// Every type of the contract under its name.
pub(crate) const TYPES: [(&str, ColumnType); 15] = [
    ("int16", Int16),
    ("int32", Int32),
    ("int64", Int64),
    ("float64", Float64),
    ("money", MONEY),
    ("wide", WIDE),
    ("text", Text),
    ("bool", Bool),
    ("date", Date),
    ("time", Time),
    ("timestamp", Timestamp),
    ("timestamptz", Timestamptz),
    ("uuid", ColumnType::Uuid),
    ("bytes", Bytes),
    ("json", Json),
];

/// A table of every type, NULL allowed in all of them.
pub(crate) fn everything() -> Definition {
    let mapping = Mapping::dimension("everything", "id").from_changes("all_types", "id");
    let mapping = mapping.column("id", Int32, copy("id"));
    let add =
        |mapping: Mapping, (name, of): (&'static str, ColumnType)| mapping.column(name, of, copy(name)).nullable();
    Definition::new("everything", "1").output(TYPES.into_iter().fold(mapping, add))
}

/// The same table with all columns required.
pub(crate) fn required() -> Definition {
    let mapping = Mapping::dimension("everything", "id").from_changes("all_types", "id");
    let mapping = mapping.column("id", Int32, copy("id"));
    let add = |mapping: Mapping, (name, of): (&'static str, ColumnType)| mapping.column(name, of, copy(name));
    Definition::new("required", "1").output(TYPES.into_iter().fold(mapping, add))
}

/// Orders with a date in text, and colours.
pub(crate) fn orders() -> Definition {
    let order = Mapping::fact("fact_order", "record_id", "order_id")
        .from_changes("order", "order_id")
        .column("order_id", Int32, copy("order_id"))
        .column("price", MONEY, copy("price"))
        .column("due", Date, parsed_date("due"))
        .column("note", Text, copy("note"))
        .nullable()
        .column("colour_id", Int32, copy("colour_id"));
    let colour = Mapping::dimension("dim_colour", "colour_id")
        .from_snapshot("colour", "colour_id")
        .column("colour_id", Int32, copy("colour_id"))
        .column("colour_name", Text, copy("colour_name"));
    // The fact first, so that changes are described before the snapshot.
    Definition::new("orders", "1").output(order).output(colour)
}

pub(crate) fn described(star: &impl Transform) -> Description {
    star.description().clone()
}

/// Reads a page that has no mistakes.
pub(crate) fn case(text: &str, star: &impl Transform) -> Case {
    Case::parse("page", text, star.description()).unwrap_or_else(|error| panic!("{error}: {:?}", error.hint()))
}

/// What a star makes of a case.
pub(crate) fn answer(case: &Case, star: impl Transform + 'static) -> Answer {
    case.run(&mut Session::new(Box::new(star))).unwrap()
}
