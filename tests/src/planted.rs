//! Values that must not be printed: planted in every place a pipeline reads, and looked for in what it prints.

/// Text columns of the source and what every row of them says.
pub const COLUMNS: &[(&str, &str, &str)] = &[
    ("address", "address_line_1", "plant-line-one"),
    ("address", "address_line_2", "plant-line-two"),
    ("address", "district", "plant-district"),
    ("address", "city", "plant-city"),
    ("address", "postal_code", "plant-postcode"),
    ("address", "country", "plant-country"),
    ("address", "phone", "plant-phone"),
    ("counterparty", "counterparty_legal_name", "plant-legal-name"),
    ("counterparty", "commercial_contact", "plant-commercial"),
    ("counterparty", "delivery_contact", "plant-delivery"),
    ("department", "department_name", "plant-department"),
    ("department", "location", "plant-location"),
    ("department", "manager", "plant-manager"),
    ("design", "design_name", "plant-design"),
    ("design", "file_location", "plant-folder"),
    ("design", "file_name", "plant-file"),
    ("staff", "first_name", "plant-first-name"),
    ("staff", "last_name", "plant-last-name"),
    ("staff", "email_address", "plant-email"),
    ("purchase_order", "item_code", "plant-item"),
    ("payment", "company_ac_number", "271828182"),
    ("payment", "counterparty_ac_number", "141421356"),
    ("payment", "payment_amount", "16180339.88"),
];

/// In a row that a component refuses.
pub const REFUSED_DATE: &str = "plant-refused-date";
/// In a row that the codec refuses.
pub const BESIDE_NAN: &str = "plant-beside-nan";
/// In a row that breaks a constraint of the warehouse.
pub const BREAKS_CHECK: &str = "plant-breaks-check";
/// In a row that a trigger of the warehouse quotes.
pub const QUOTED_BY_TRIGGER: &str = "plant-quoted-by-trigger";
/// In the password of a URL.
pub const URL_PASSWORD: &str = "plant-url-password";
/// In `PGPASSWORD`.
pub const ENV_PASSWORD: &str = "plant-env-password";
/// In the secret key of the lake.
pub const SECRET_KEY: &str = "plant-secret-key";
/// In a file that replaces one of the lake.
pub const IN_FILE: &str = "plant-in-file";

/// Every planted value.
#[must_use]
pub fn all() -> Vec<&'static str> {
    let elsewhere =
        [REFUSED_DATE, BESIDE_NAN, BREAKS_CHECK, QUOTED_BY_TRIGGER, URL_PASSWORD, ENV_PASSWORD, SECRET_KEY, IN_FILE];
    COLUMNS.iter().map(|(.., value)| *value).chain(elsewhere).collect()
}
