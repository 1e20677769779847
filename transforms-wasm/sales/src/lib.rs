//! The Sales star.

use author_kit::ColumnType::{Date, Int32, Text, Time};
use author_kit::{Definition, Mapping, copy, date_of, export_star, parsed_date, time_of};
use conformed::MONEY;

export_star!(star);

/// The star: its dimensions and its fact.
#[must_use]
pub fn star() -> Definition {
    Definition::new("sales", env!("CARGO_PKG_VERSION"))
        .output(conformed::staff())
        .output(conformed::location())
        .output(conformed::counterparty())
        .output(conformed::currency())
        .output(design())
        .derive(conformed::Calendar::default())
        .output(sales_order())
}

fn design() -> Mapping {
    Mapping::dimension("dim_design", "design_id")
        .from_snapshot("design", "design_id")
        .column("design_id", Int32, copy("design_id"))
        .column("design_name", Text, copy("design_name"))
        .column("file_location", Text, copy("file_location"))
        .column("file_name", Text, copy("file_name"))
}

fn sales_order() -> Mapping {
    Mapping::fact("fact_sales_order", "sales_record_id", "sales_order_id")
        .from_changes("sales_order", "sales_order_id")
        .created("created_date", "created_time")
        .column("sales_order_id", Int32, copy("sales_order_id"))
        .column("created_date", Date, date_of("created_at"))
        .refers("dim_date", "date_id")
        .column("created_time", Time, time_of("created_at"))
        .column("last_updated_date", Date, date_of("last_updated"))
        .refers("dim_date", "date_id")
        .column("last_updated_time", Time, time_of("last_updated"))
        .column("sales_staff_id", Int32, copy("staff_id"))
        .refers("dim_staff", "staff_id")
        .column("counterparty_id", Int32, copy("counterparty_id"))
        .refers("dim_counterparty", "counterparty_id")
        .column("units_sold", Int32, copy("units_sold"))
        .column("unit_price", MONEY, copy("unit_price"))
        .column("currency_id", Int32, copy("currency_id"))
        .refers("dim_currency", "currency_id")
        .column("design_id", Int32, copy("design_id"))
        .refers("dim_design", "design_id")
        .column("agreed_payment_date", Date, parsed_date("agreed_payment_date"))
        .refers("dim_date", "date_id")
        .column("agreed_delivery_date", Date, parsed_date("agreed_delivery_date"))
        .refers("dim_date", "date_id")
        .column("agreed_delivery_location_id", Int32, copy("agreed_delivery_location_id"))
        .refers("dim_location", "location_id")
}
