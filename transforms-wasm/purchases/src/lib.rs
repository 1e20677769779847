//! The Purchases star.

use author_kit::ColumnType::{Date, Int32, Text, Time};
use author_kit::{Definition, Mapping, copy, date_of, export_star, parsed_date, time_of};
use conformed::MONEY;

export_star!(star);

/// The star: its dimensions and its fact.
#[must_use]
pub fn star() -> Definition {
    Definition::new("purchases", env!("CARGO_PKG_VERSION"))
        .output(conformed::staff())
        .output(conformed::location())
        .output(conformed::counterparty())
        .output(conformed::currency())
        .derive(conformed::Calendar::default())
        .output(purchase_order())
}

fn purchase_order() -> Mapping {
    Mapping::fact("fact_purchase_order", "purchase_record_id", "purchase_order_id")
        .from_changes("purchase_order", "purchase_order_id")
        .created("created_date", "created_time")
        .column("purchase_order_id", Int32, copy("purchase_order_id"))
        .column("created_date", Date, date_of("created_at"))
        .refers("dim_date", "date_id")
        .column("created_time", Time, time_of("created_at"))
        .column("last_updated_date", Date, date_of("last_updated"))
        .refers("dim_date", "date_id")
        .column("last_updated_time", Time, time_of("last_updated"))
        .column("staff_id", Int32, copy("staff_id"))
        .refers("dim_staff", "staff_id")
        .column("counterparty_id", Int32, copy("counterparty_id"))
        .refers("dim_counterparty", "counterparty_id")
        .column("item_code", Text, copy("item_code"))
        .column("item_quantity", Int32, copy("item_quantity"))
        .column("item_unit_price", MONEY, copy("item_unit_price"))
        .unconstrained()
        .column("currency_id", Int32, copy("currency_id"))
        .refers("dim_currency", "currency_id")
        .column("agreed_delivery_date", Date, parsed_date("agreed_delivery_date"))
        .refers("dim_date", "date_id")
        .column("agreed_payment_date", Date, parsed_date("agreed_payment_date"))
        .refers("dim_date", "date_id")
        .column("agreed_delivery_location_id", Int32, copy("agreed_delivery_location_id"))
        .refers("dim_location", "location_id")
}
