//! Which rows something happens to.

use crate::SimulateError;
use crate::random::Random;
use crate::session::Session;

/// The keys that new rows refer to.
#[derive(Debug)]
pub(crate) struct References {
    pub(crate) addresses: Vec<i32>,
    pub(crate) counterparties: Vec<i32>,
    pub(crate) currencies: Vec<i32>,
    pub(crate) departments: Vec<i32>,
    pub(crate) designs: Vec<i32>,
    pub(crate) staff: Vec<i32>,
    pub(crate) receipt: i32,
    pub(crate) purchase_payment: i32,
}

impl References {
    pub(crate) async fn read(session: &Session) -> Result<Self, SimulateError> {
        Ok(Self {
            addresses: keys(session, "address").await?,
            counterparties: keys(session, "counterparty").await?,
            currencies: keys(session, "currency").await?,
            departments: keys(session, "department").await?,
            designs: keys(session, "design").await?,
            staff: keys(session, "staff").await?,
            receipt: payment_type(session, "SALES_RECEIPT").await?,
            purchase_payment: payment_type(session, "PURCHASE_PAYMENT").await?,
        })
    }
}

async fn keys(session: &Session, table: &'static str) -> Result<Vec<i32>, SimulateError> {
    let keys =
        session.numbers("reading what orders refer to", &format!("SELECT {table}_id FROM {table} ORDER BY 1")).await?;
    if keys.is_empty() { Err(SimulateError::NothingToReferTo { table }) } else { Ok(keys) }
}

async fn payment_type(session: &Session, name: &str) -> Result<i32, SimulateError> {
    let query =
        format!("SELECT payment_type_id FROM payment_type WHERE payment_type_name = '{name}' ORDER BY 1 LIMIT 1");
    let found = session.numbers("reading what payments refer to", &query).await?;
    found.first().copied().ok_or(SimulateError::NothingToReferTo { table: "payment_type" })
}

/// One of the keys; the lists are never empty.
pub(crate) fn one_of(keys: &[i32], random: &mut Random) -> i32 {
    random.pick(keys).copied().unwrap_or_default()
}

/// A row of a table, every one about as likely as the others: the first at or after a key drawn by lot. Rows in
/// `held` are passed over.
pub(crate) async fn existing(
    session: &Session,
    table: &str,
    held: &[i32],
    random: &mut Random,
) -> Result<Option<i32>, SimulateError> {
    let doing = "choosing a row";
    let newest = session.number(doing, &format!("SELECT max({table}_id) FROM {table}")).await?.unwrap_or(0);
    let lot = random.between(1, newest.max(1));
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    let first = |condition: &str| {
        format!(
            "SELECT {table}_id FROM {table} WHERE {condition} AND {table}_id <> ALL ('{{{}}}') ORDER BY 1 LIMIT 1",
            held.join(",")
        )
    };
    let key = session.numbers(doing, &first(&format!("{table}_id >= {lot}"))).await?;
    match key.first() {
        Some(key) => Ok(Some(*key)),
        None => Ok(session.numbers(doing, &first("true")).await?.first().copied()),
    }
}
