//! The tables of Totesys, and the few rows of those that orders refer to.

use totesys_postgres::{ConnectionSettings, quote_identifier, quote_literal};

use crate::SimulateError;
use crate::order::letters;
use crate::random::Random;
use crate::session::Session;

/// The source's tables, as `import` makes them.
pub const SCHEMA: &str = include_str!("../../../xtask/schema/totesys.sql");

/// The tables in write order: each one after those it refers to.
pub const TABLES: [&str; 11] = [
    "address",
    "currency",
    "department",
    "design",
    "payment_type",
    "counterparty",
    "staff",
    "sales_order",
    "purchase_order",
    "transaction",
    "payment",
];

/// When the real source was set up.
const SET_UP: &str = "2022-11-03 14:20:49.962";

/// How many rows there are of each.
pub(crate) const ADDRESSES: i64 = 30;
pub(crate) const COUNTERPARTIES: i64 = 20;
pub(crate) const CURRENCIES: i64 = 3;
pub(crate) const DESIGNS: i64 = 424;
pub(crate) const STAFF: i64 = 20;
pub(crate) const RECEIPT: i64 = 1;
pub(crate) const PURCHASE_PAYMENT: i64 = 3;
const DEPARTMENTS: i64 = 8;

/// What there is in a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// None of the tables.
    Nothing,
    /// All of the tables, without a row.
    Empty,
    /// Rows in this table, and perhaps in others.
    Rows(&'static str),
}

pub(crate) async fn look(session: &Session, schema: &str) -> Result<Found, SimulateError> {
    let query = format!(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = (
                             SELECT oid FROM pg_namespace WHERE nspname = {})",
        quote_literal(schema)
    );
    let present = session.run("looking for tables", &query).await?;
    let is_there = |table: &str| present.iter().flatten().flatten().any(|name| name == table);
    let there: Vec<&'static str> = TABLES.into_iter().filter(|table| is_there(table)).collect();
    let Some(first) = there.first() else { return Ok(Found::Nothing) };
    if let Some(absent) = TABLES.into_iter().find(|table| !is_there(table)) {
        return Err(SimulateError::PartOfSource {
            schema: schema.to_owned(),
            present: (*first).to_owned(),
            absent: absent.to_owned(),
        });
    }
    for table in TABLES {
        let any = session.number("looking for rows", &format!("SELECT 1 FROM {table} LIMIT 1")).await?;
        if any.is_some() {
            return Ok(Found::Rows(table));
        }
    }
    Ok(Found::Empty)
}

/// Makes the tables in a schema that has none, and fills those that orders refer to if all are empty.
///
/// # Errors
/// When there is no connection, or only a part of the tables.
pub async fn prepare(settings: &ConnectionSettings, schema: &str, seed: u64) -> Result<(), SimulateError> {
    let session = Session::open(settings, schema).await?;
    let tables = match look(&session, schema).await? {
        Found::Rows(_) => return Ok(()),
        Found::Empty => String::new(),
        Found::Nothing => format!("CREATE SCHEMA IF NOT EXISTS {}; {SCHEMA};", quote_identifier(schema)),
    };
    let script = format!("BEGIN; {tables} {}; COMMIT", base(seed));
    session.run("making the tables of Totesys", &script).await?;
    Ok(())
}

/// Statements that write what orders refer to, with keys from 1 on.
pub(crate) fn base(seed: u64) -> String {
    let mut random = Random::new(seed ^ 0xba5e);
    let mut statements = Vec::new();
    let mut table = |name: &str, columns: &str, rows: Vec<String>| {
        let values: Vec<String> =
            rows.iter().zip(1..).map(|(row, key)| format!("({key}, '{SET_UP}', '{SET_UP}', {row})")).collect();
        statements.push(format!(
            "INSERT INTO {name} ({name}_id, created_at, last_updated, {columns}) VALUES {};
             SELECT setval(pg_get_serial_sequence('{name}', '{name}_id'), {})",
            values.join(", "),
            rows.len()
        ));
    };
    let rows = |count: i64, random: &mut Random, row: &dyn Fn(i64, &mut Random) -> String| -> Vec<String> {
        (1..=count).map(|key| row(key, random)).collect()
    };
    table(
        "address",
        "address_line_1, address_line_2, district, city, postal_code, country, phone",
        rows(ADDRESSES, &mut random, &|key, random| {
            let line = format!("{} {}", random.between(1, 9999), random.pick(STREETS).unwrap_or(&"Mill Lane"));
            let second = if key % 5 == 0 { format!("'Unit {key}, rear'") } else { "NULL".to_owned() };
            let district = if key % 3 == 0 { "'Avon'" } else { "NULL" };
            let (city, country) = (word(CITIES, random), word(COUNTRIES, random));
            let (code, phone) = (random.between(10_000, 99_999), random.between(0, 9999));
            format!("{}, {second}, {district}, {city}, '{code}', {country}, '1632 96{phone:04}'", quote_literal(&line))
        }),
    );
    table("currency", "currency_code", ["'GBP'", "'USD'", "'EUR'"].map(str::to_owned).to_vec());
    table("department", "department_name, location, manager", DEPARTMENT_ROWS.map(str::to_owned).to_vec());
    table(
        "design",
        "design_name, file_location, file_name",
        rows(DESIGNS, &mut random, &|_, random| {
            let material = word(MATERIALS, random);
            let file = format!("{}-{}.json", random.between(20_200_101, 20_221_031), letters(4, random).to_lowercase());
            format!("{material}, '/usr/designs/{}', '{file}'", random.between(1, 99))
        }),
    );
    let types = ["SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND"];
    table("payment_type", "payment_type_name", types.map(|name| format!("'{name}'")).to_vec());
    table(
        "counterparty",
        "counterparty_legal_name, legal_address_id, commercial_contact, delivery_contact",
        rows(COUNTERPARTIES, &mut random, &|key, random| {
            let (one, other) = (word(NAMES, random), word(NAMES, random));
            let name = match key % 3 {
                0 => format!("{one} || ' and Sons'"),
                1 => format!("{one} || ', ' || {other} || ' & Co'"),
                _ => format!("{one} || ' Group'"),
            };
            let contact = if key % 7 == 0 { "NULL".to_owned() } else { format!("'Ada ' || {other}") };
            format!("{name}, {}, {contact}, 'Ben ' || {one}", random.between(1, ADDRESSES))
        }),
    );
    table(
        "staff",
        "first_name, last_name, department_id, email_address",
        rows(STAFF, &mut random, &|key, random| {
            // Nobody works in the Sales department.
            let department = random.between(2, DEPARTMENTS);
            format!("{}, {}, {department}, 'staff.{key}@totes.example'", word(FIRST, random), word(NAMES, random))
        }),
    );
    statements.join("; ")
}

fn word(words: &[&str], random: &mut Random) -> String {
    quote_literal(random.pick(words).copied().unwrap_or_default())
}

const STREETS: &[&str] =
    &["Herring Row", "Mill Lane", "O'Hara Street", "Dye Works, Yard 3", "Ropewalk", "Tannery & Quay"];
const CITIES: &[&str] = &["Bradmoor", "Hebden Vale", "Port Ashby", "Saint Orrin", "Kirkwell", "Aldmouth"];
const COUNTRIES: &[&str] = &["United Kingdom", "Turkey", "Samoa", "San Marino", "Peru", "Iceland", "Ghana"];
const MATERIALS: &[&str] = &["Wooden", "Steel", "Granite", "Fresh", "Rubber", "Concrete", "Bronze", "Cotton"];
const NAMES: &[&str] = &["O'Keefe", "Armitage", "Pemberton", "Rusk", "Threlkeld", "Vale", "Marchbanks", "Lisle"];
const FIRST: &[&str] = &["Ottilie", "Finbar", "Amos", "Perpetua", "Edith", "Colm", "Ida", "Jerome"];

/// With the source's own typing error, and a department without a place.
const DEPARTMENT_ROWS: [&str; DEPARTMENTS as usize] = [
    "'Sales', 'Manchester', 'Perpetua Lisle'",
    "'Purchasing', 'Manchester', 'Amos Threlkeld'",
    "'Production', 'Leeds', 'Ida Rusk'",
    "'Dispatch', 'Leds', 'Colm Vale'",
    "'Finance', 'Manchester', 'Edith Armitage'",
    "'Facilities', NULL, NULL",
    "'Communications', 'Leeds', 'Jerome Lisle'",
    "'HR', 'Leeds', 'Finbar O''Toole'",
];
