//! The dimensions the Totesys stars share, so that each is mapped in one place.

mod calendar;
mod currency;

use author_kit::ColumnType::{self, Int32, Text};
use author_kit::{Mapping, computed, copy, looked_up, via};

pub use calendar::Calendar;

/// Money in the source: `numeric(10,2)`.
pub const MONEY: ColumnType = ColumnType::Decimal { precision: 10, scale: 2 };

/// `dim_staff`: staff joined with department.
#[must_use]
pub fn staff() -> Mapping {
    let department = via("department_id", "department", "department_id");
    Mapping::dimension("dim_staff", "staff_id")
        .from_snapshot("staff", "staff_id")
        .column("staff_id", Int32, copy("staff_id"))
        .column("first_name", Text, copy("first_name"))
        .column("last_name", Text, copy("last_name"))
        .column("department_name", Text, looked_up("department_name", department))
        .column("location", Text, looked_up("location", department).or("Unknown"))
        .column("email_address", Text, copy("email_address"))
}

/// `dim_counterparty`: counterparty joined with its legal address.
#[must_use]
pub fn counterparty() -> Mapping {
    let address = via("legal_address_id", "address", "address_id");
    Mapping::dimension("dim_counterparty", "counterparty_id")
        .from_snapshot("counterparty", "counterparty_id")
        .column("counterparty_id", Int32, copy("counterparty_id"))
        .column("counterparty_legal_name", Text, copy("counterparty_legal_name"))
        .column("counterparty_legal_address_line_1", Text, looked_up("address_line_1", address))
        .column("counterparty_legal_address_line_2", Text, looked_up("address_line_2", address))
        .nullable()
        .column("counterparty_legal_district", Text, looked_up("district", address))
        .nullable()
        .column("counterparty_legal_city", Text, looked_up("city", address))
        .column("counterparty_legal_postal_code", Text, looked_up("postal_code", address))
        .column("counterparty_legal_country", Text, looked_up("country", address))
        .column("counterparty_legal_phone_number", Text, looked_up("phone", address))
}

/// `dim_location`: every address.
#[must_use]
pub fn location() -> Mapping {
    Mapping::dimension("dim_location", "location_id")
        .from_snapshot("address", "address_id")
        .column("location_id", Int32, copy("address_id"))
        .column("address_line_1", Text, copy("address_line_1"))
        .column("address_line_2", Text, copy("address_line_2"))
        .nullable()
        .column("district", Text, copy("district"))
        .nullable()
        .column("city", Text, copy("city"))
        .column("postal_code", Text, copy("postal_code"))
        .column("country", Text, copy("country"))
        .column("phone", Text, copy("phone"))
}

/// `dim_currency`: the code and its ISO 4217 name; an unknown code refuses the row.
#[must_use]
pub fn currency() -> Mapping {
    Mapping::dimension("dim_currency", "currency_id")
        .from_snapshot("currency", "currency_id")
        .column("currency_id", Int32, copy("currency_id"))
        .column("currency_code", Text, copy("currency_code"))
        .column("currency_name", Text, computed("currency_code", currency::name))
}
