//! What this build does outside of pushes, and the lies of its description.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use author_kit::guest::bindings::exports::totesys::star::transform::{
    Column, ColumnType, DecimalType, Delivery, Description, Input, Output, Role,
};

use super::{OUTPUT, PRICED, exhaust};
use crate::{BEHAVIOURS, MISCHIEF_FILL, MISCHIEF_LENGTH, MISCHIEF_MARK};

/// The mischief of this build, after [`MISCHIEF_MARK`]. Nothing else may hold these bytes: tests look for them.
#[used]
static MISCHIEF: [u8; MISCHIEF_MARK.len() + MISCHIEF_LENGTH] = *b"hostile-mischief:none....................";

/// How long a very long name is.
const LONG: usize = 64 << 10;

/// The mischief; `none` in the build that is made from this source.
pub(super) fn word() -> &'static str {
    // What a test wrote over the word is not known to the compiler.
    let word = &black_box(&MISCHIEF)[MISCHIEF_MARK.len()..];
    let end = word.iter().position(|byte| *byte == MISCHIEF_FILL).unwrap_or(word.len());
    std::str::from_utf8(&word[..end]).unwrap_or_default()
}

/// Does not come back from a call that the mischief is about.
pub(super) fn disturb(call: &str) {
    match word().strip_prefix(call) {
        Some("-loop") => exhaust::spin(),
        Some("-trap") => panic!("a guest may panic anywhere"),
        Some("-recurse") => {
            exhaust::recurse();
        }
        Some("-allocate") => exhaust::allocate(),
        _ => {}
    }
}

/// The output that the description of now, by this component's own count, has.
pub(super) fn output() -> &'static str {
    if word() == "changing" { "dim_changed" } else { OUTPUT }
}

fn column(name: &str, of: ColumnType) -> Column {
    Column { name: name.into(), of, nullable: false, extras: vec![] }
}

fn dimension(table: &str, columns: Vec<Column>) -> Output {
    Output {
        table: table.into(),
        is: Role::Dimension,
        columns,
        business_key: vec!["id".into()],
        surrogate_key: None,
        references: vec![],
        keyed_by: None,
        created: vec![],
        extras: vec![],
    }
}

fn truthful() -> Description {
    let id = || column("id", ColumnType::Int32);
    let input = |table: &&str| Input {
        table: (*table).to_owned(),
        columns: vec![id()],
        key: vec!["id".into()],
        delivered: Delivery::Changes,
        extras: vec![],
    };
    let price = DecimalType { precision: 5, scale: 2, unconstrained: false };
    let priced = vec![id(), column("price", ColumnType::Decimal(price)), column("label", ColumnType::Text)];
    Description {
        star: "hostile".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        inputs: BEHAVIOURS.iter().map(input).collect(),
        outputs: vec![dimension(OUTPUT, vec![id()]), dimension(PRICED, priced)],
        extras: vec![],
    }
}

/// The description, true but for the mischief.
pub(super) fn description() -> Description {
    /// How often this instance was asked.
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let again = ASKED.fetch_add(1, Ordering::Relaxed) > 0;
    let mut told = truthful();
    let first = &mut told.outputs[0];
    match word() {
        "describe-flood" => told.extras = vec![(String::new(), String::new()); 200_000],
        "other-star" => told.star = "sales".into(),
        "other-tables" => {
            first.table = "fact_sales_order".into();
            (first.is, first.surrogate_key) = (Role::Fact, Some("sales_record_id".into()));
            told.outputs[1].table = "dim_staff".into();
        }
        "changing" if again => first.table = output().into(),
        "long-star" => told.star = "x".repeat(LONG),
        "long-table" => first.table = "x".repeat(LONG),
        "long-column" => first.columns.push(column(&"x".repeat(LONG), ColumnType::Text)),
        "many-columns" => {
            let more = (0..10_000).map(|number| column(&format!("column_{number}"), ColumnType::Text));
            first.columns.extend(more);
        }
        "no-outputs" => told.outputs.clear(),
        "describe-no-columns" => first.columns.clear(),
        "no-such-key" => first.business_key = vec!["nothing".into()],
        "decimal-39" => {
            let wide = DecimalType { precision: 39, scale: 2, unconstrained: false };
            first.columns.push(column("wide", ColumnType::Decimal(wide)));
        }
        "output-twice" => told.outputs[1].table = OUTPUT.into(),
        "nul-in-name" => first.columns.push(column("a\0b", ColumnType::Text)),
        "shouted-table" => first.table = "DIM_HOSTILE".into(),
        _ => {}
    }
    told
}
