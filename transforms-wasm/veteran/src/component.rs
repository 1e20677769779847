//! Contract 0.1 implemented by hand. What 0.2 has fields for, it says in extras.

use bindings::exports::totesys::star::transform::{
    Column, ColumnType, DecimalType, Delivery, Description, Guest, GuestTransformer, Input, Outcome, Output,
    OutputBatch, Role,
};

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod bindings {
    use super::Veteran;

    wit_bindgen::generate!({
        path: "../contract/released/0.1.0",
        world: "star",
    });

    export!(Veteran);
}

const ORDERS: &str = "sales_order";
const KEY: &str = "sales_order_id";
const CREATED: &str = "created_at";
const PRICES: &str = "fact_price";

struct Veteran;
struct Transformer;

impl Guest for Veteran {
    type Transformer = Transformer;

    fn describe() -> Description {
        Description {
            star: "veteran".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            inputs: vec![Input {
                table: ORDERS.into(),
                columns: columns(vec![]),
                key: vec![KEY.into()],
                delivered: Delivery::Changes,
                extras: vec![],
            }],
            outputs: vec![Output {
                table: PRICES.into(),
                is: Role::Fact,
                columns: columns(vec![("numeric".into(), "unconstrained".into())]),
                business_key: vec![KEY.into()],
                surrogate_key: Some("price_record_id".into()),
                references: vec![],
                keyed_by: Some(ORDERS.into()),
                extras: vec![("created".into(), CREATED.into())],
            }],
            extras: vec![],
        }
    }
}

/// The columns it reads, which are those it writes; `of_price` is said of the price besides.
fn columns(of_price: Vec<(String, String)>) -> Vec<Column> {
    let price = ColumnType::Decimal(DecimalType { precision: 10, scale: 2 });
    let column = |name: &str, of, extras| Column { name: name.into(), of, nullable: false, extras };
    vec![
        column(KEY, ColumnType::Int32, vec![]),
        column(CREATED, ColumnType::Timestamp, vec![]),
        column("unit_price", price, of_price),
    ]
}

impl GuestTransformer for Transformer {
    fn new() -> Self {
        Self
    }

    fn push(&self, _table: String, arrow_ipc: Vec<u8>) -> Result<Outcome, String> {
        let rows = OutputBatch { table: PRICES.into(), arrow_ipc };
        Ok(Outcome { outputs: vec![rows], refused: vec![], extras: vec![] })
    }

    fn finish(&self) -> Result<Outcome, String> {
        Ok(Outcome { outputs: vec![], refused: vec![], extras: vec![] })
    }
}
