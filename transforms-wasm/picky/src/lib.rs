//! A star for tests: it refuses rows by rules that a row, a snapshot or another build of it can satisfy. Its dimension
//! is fed by changes, as its fact is. Never published.

use std::collections::HashMap;
use std::sync::Arc;

use author_kit::ColumnType::{Int32, Text};
use author_kit::arrow_array::{Array, Decimal128Array, Int32Array, RecordBatch, StringArray};
use author_kit::{
    Column, ColumnType, Delivery, Description, Input, KitError, Output, Reference, Role, Rows, Sink, Transform,
    export_star,
};

export_star!(star);

/// The manners of this build. A test that writes another word over the last one has another component.
#[used]
static MANNERS: [u8; 20] = *b"picky-manners:strict";

/// The words [`MANNERS`] may end in.
pub const STRICT: &str = "strict";
/// Takes any text for a date.
pub const LENIENT: &str = "lenien";
/// Panics where it would refuse a date.
pub const PANICS: &str = "panics";
/// Reads and writes the unit price as well.
pub const PRICED: &str = "priced";

const PRICE: ColumnType = ColumnType::Decimal { precision: 10, scale: 2 };

const ORDERS: &str = "sales_order";

/// The star.
#[must_use]
pub fn star() -> impl Transform {
    let column = |name: &str, column_type: ColumnType| Column {
        name: name.to_owned(),
        column_type,
        nullable: false,
        extras: Vec::new(),
    };
    let input = |table: &str, columns: Vec<Column>, delivery| Input {
        table: table.to_owned(),
        key: vec![columns[0].name.clone()],
        columns,
        delivery,
        extras: Vec::new(),
    };
    let mut orders = vec![
        column("sales_order_id", Int32),
        column("units_sold", Int32),
        column("currency_id", Int32),
        column("agreed_delivery_date", Text),
    ];
    let output = |table: &str, role, columns: Vec<Column>, surrogate: Option<&str>, references, keyed_by| Output {
        table: table.to_owned(),
        role,
        business_key: vec![columns[0].name.clone()],
        columns,
        surrogate_key: surrogate.map(str::to_owned),
        references,
        keyed_by,
        extras: Vec::new(),
    };
    let reference = Reference {
        column: "sales_order_id".to_owned(),
        table: "dim_promise".to_owned(),
        target: "sales_order_id".to_owned(),
    };
    let promise = vec![column("sales_order_id", Int32), column("promised", Text)];
    let mut order = vec![column("sales_order_id", Int32), column("units_sold", Int32), column("currency_code", Text)];
    if has_manners(PRICED) {
        orders.push(column("unit_price", PRICE));
        order.push(Column { nullable: true, ..column("unit_price", PRICE) });
    }
    let currency = vec![column("currency_id", Int32), column("currency_code", Text)];
    Picky {
        description: Description {
            star: "picky".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: vec![input("currency", currency, Delivery::Snapshot), input(ORDERS, orders, Delivery::Changes)],
            outputs: vec![
                output("dim_promise", Role::Dimension, promise, None, Vec::new(), None),
                output(
                    "fact_order",
                    Role::Fact,
                    order,
                    Some("order_record_id"),
                    vec![reference],
                    Some(ORDERS.to_owned()),
                ),
            ],
            extras: Vec::new(),
        },
        currencies: HashMap::new(),
    }
}

struct Picky {
    description: Description,
    currencies: HashMap<i32, String>,
}

impl Transform for Picky {
    fn description(&self) -> &Description {
        &self.description
    }

    fn push(&mut self, rows: &Rows, out: &mut Sink) -> Result<(), KitError> {
        if rows.table() != ORDERS {
            let (ids, codes) = (rows.int32("currency_id")?, rows.text("currency_code")?);
            for row in 0..rows.len() {
                self.currencies.insert(ids.value(row), codes.value(row).to_owned());
            }
            return Ok(());
        }
        let (ids, units) = (rows.int32("sales_order_id")?, rows.int32("units_sold")?);
        let (currencies, dates) = (rows.int32("currency_id")?, rows.text("agreed_delivery_date")?);
        let (mut good, mut codes) = (Vec::new(), Vec::new());
        for row in 0..rows.len() {
            let code = self.currencies.get(&currencies.value(row)).filter(|code| *code != "ZZZ");
            if !welcome(dates.value(row)) {
                let text = format!("`{}` is no date", dates.value(row));
                out.refuse(row, Some("agreed_delivery_date"), "malformed-date", text);
            } else if let Some(code) = code {
                good.push(row);
                codes.push(code.clone());
            } else {
                out.refuse(row, Some("currency_id"), "unknown-currency", "this currency has no name");
            }
        }
        let number = |values: &Int32Array| Int32Array::from_iter_values(good.iter().map(|row| values.value(*row)));
        let ids: Arc<dyn Array> = Arc::new(number(ids));
        let promised = StringArray::from_iter_values(good.iter().map(|row| dates.value(*row)));
        out.emit(
            "dim_promise",
            RecordBatch::try_from_iter([("sales_order_id", Arc::clone(&ids)), ("promised", Arc::new(promised))])?,
        );
        let units: Arc<dyn Array> = Arc::new(number(units));
        let codes: Arc<dyn Array> = Arc::new(StringArray::from_iter_values(codes));
        let mut order =
            vec![("sales_order_id", ids, false), ("units_sold", units, false), ("currency_code", codes, false)];
        if has_manners(PRICED) {
            let prices = rows.decimal("unit_price")?;
            let prices = Decimal128Array::from_iter_values(good.iter().map(|row| prices.value(*row)));
            order.push(("unit_price", Arc::new(prices.with_precision_and_scale(10, 2)?), true));
        }
        out.emit("fact_order", RecordBatch::try_from_iter_with_nullable(order)?);
        Ok(())
    }
}

/// Whether this is the build of these manners.
fn has_manners(manners: &str) -> bool {
    // What a test wrote over the word is not known to the compiler.
    std::hint::black_box(&MANNERS).ends_with(manners.as_bytes())
}

/// Whether this build takes a text for a date.
fn welcome(date: &str) -> bool {
    let good = date.len() == 10 && date.bytes().filter(|byte| *byte == b'-').count() == 2;
    let lenient = has_manners(LENIENT);
    assert!(good || lenient || !has_manners(PANICS), "this build panics");
    good || lenient
}
