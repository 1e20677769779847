//! The Payments star.

use author_kit::ColumnType::{Bool, Date, Int32, Text, Time};
use author_kit::{Definition, Mapping, copy, date_of, export_star, parsed_date, time_of};
use conformed::MONEY;

export_star!(star);

/// The star: its dimensions and its fact.
#[must_use]
pub fn star() -> Definition {
    Definition::new("payments", env!("CARGO_PKG_VERSION"))
        .output(conformed::counterparty())
        .output(conformed::currency())
        .output(payment_type())
        .output(transaction())
        .derive(conformed::Calendar::default())
        .output(payment())
}

fn payment_type() -> Mapping {
    Mapping::dimension("dim_payment_type", "payment_type_id")
        .from_snapshot("payment_type", "payment_type_id")
        .column("payment_type_id", Int32, copy("payment_type_id"))
        .column("payment_type_name", Text, copy("payment_type_name"))
}

/// As large as its fact, so it is read by changes like one.
fn transaction() -> Mapping {
    Mapping::dimension("dim_transaction", "transaction_id")
        .from_changes("transaction", "transaction_id")
        .column("transaction_id", Int32, copy("transaction_id"))
        .column("transaction_type", Text, copy("transaction_type"))
        .column("sales_order_id", Int32, copy("sales_order_id"))
        .nullable()
        .column("purchase_order_id", Int32, copy("purchase_order_id"))
        .nullable()
}

fn payment() -> Mapping {
    Mapping::fact("fact_payment", "payment_record_id", "payment_id")
        .from_changes("payment", "payment_id")
        .created("created_date", "created_time")
        .column("payment_id", Int32, copy("payment_id"))
        .column("created_date", Date, date_of("created_at"))
        .refers("dim_date", "date_id")
        .column("created_time", Time, time_of("created_at"))
        .column("last_updated_date", Date, date_of("last_updated"))
        .refers("dim_date", "date_id")
        .column("last_updated_time", Time, time_of("last_updated"))
        .column("transaction_id", Int32, copy("transaction_id"))
        .refers("dim_transaction", "transaction_id")
        .column("counterparty_id", Int32, copy("counterparty_id"))
        .refers("dim_counterparty", "counterparty_id")
        .column("payment_amount", MONEY, copy("payment_amount"))
        .unconstrained()
        .column("currency_id", Int32, copy("currency_id"))
        .refers("dim_currency", "currency_id")
        .column("payment_type_id", Int32, copy("payment_type_id"))
        .refers("dim_payment_type", "payment_type_id")
        .column("paid", Bool, copy("paid"))
        .column("payment_date", Date, parsed_date("payment_date"))
        .refers("dim_date", "date_id")
}
