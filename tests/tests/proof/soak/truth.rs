//! What the warehouse has to say: the distinct successive states of every key at the snapshots of the batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;
use totesys_postgres::Connection;
use totesys_tests::TestDatabase;

/// A fact with its source table and its columns, as the source and the warehouse select them.
pub(super) struct Fact {
    pub(super) name: &'static str,
    key: &'static str,
    record: &'static str,
    table: &'static str,
    source: &'static str,
    columns: &'static str,
}

/// No column of these can be NULL, so a row is its values with bars between them.
pub(super) const FACTS: &[Fact] = &[
    Fact {
        name: "fact_sales_order",
        key: "sales_order_id",
        record: "sales_record_id",
        table: "sales_order",
        source: "created_at::date, created_at::time, last_updated::date, last_updated::time, staff_id, counterparty_id, \
                 units_sold, unit_price, currency_id, design_id, agreed_payment_date::date, \
                 agreed_delivery_date::date, agreed_delivery_location_id",
        columns: "created_date, created_time, last_updated_date, last_updated_time, sales_staff_id, counterparty_id, \
                  units_sold, unit_price, currency_id, design_id, agreed_payment_date, agreed_delivery_date, \
                  agreed_delivery_location_id",
    },
    Fact {
        name: "fact_purchase_order",
        key: "purchase_order_id",
        record: "purchase_record_id",
        table: "purchase_order",
        source: "created_at::date, created_at::time, last_updated::date, last_updated::time, staff_id, counterparty_id, \
                 item_code, item_quantity, item_unit_price, currency_id, agreed_delivery_date::date, \
                 agreed_payment_date::date, agreed_delivery_location_id",
        columns: "created_date, created_time, last_updated_date, last_updated_time, staff_id, counterparty_id, \
                  item_code, item_quantity, item_unit_price, currency_id, agreed_delivery_date, agreed_payment_date, \
                  agreed_delivery_location_id",
    },
    Fact {
        name: "fact_payment",
        key: "payment_id",
        record: "payment_record_id",
        table: "payment",
        source: "created_at::date, created_at::time, last_updated::date, last_updated::time, transaction_id, \
                 counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date::date",
        columns: "created_date, created_time, last_updated_date, last_updated_time, transaction_id, counterparty_id, \
                  payment_amount, currency_id, payment_type_id, paid, payment_date",
    },
];

/// Dimensions, as the source and the warehouse select them, that hold what the source holds; a key that was deleted
/// stays in the dimension, so only keys of the source are compared.
const DIMENSIONS: &[(&str, &str)] = &[
    (
        "SELECT transaction_id, transaction_type::text, sales_order_id, purchase_order_id FROM transaction",
        "SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id FROM dim_transaction",
    ),
    (
        "SELECT address_id, address_line_1, address_line_2, district, city, postal_code, country, phone FROM address",
        "SELECT location_id, address_line_1, address_line_2, district, city, postal_code, country, phone FROM dim_location",
    ),
    (
        "SELECT design_id, design_name, file_location, file_name FROM design",
        "SELECT design_id, design_name, file_location, file_name FROM dim_design",
    ),
    (
        "SELECT staff_id, first_name, last_name, department_name, coalesce(location, 'Unknown'), email_address
         FROM staff JOIN department USING (department_id)",
        "SELECT staff_id, first_name, last_name, department_name, location, email_address FROM dim_staff",
    ),
];

/// The rows of a table by their keys.
type Keyed = BTreeMap<i32, Arc<str>>;

/// The source as one snapshot shows it.
pub(super) struct Capture {
    /// The snapshot, as `xmin:xmax:…`.
    pub(super) snapshot: String,
    facts: Vec<Keyed>,
}

impl Capture {
    /// Copies the tables under every snapshot that is exported from this database and not among `known`.
    pub(super) async fn take_all(source: &TestDatabase, known: &[String]) -> Vec<(String, Self)> {
        let session = source.connect().await;
        let mut captures = Vec::new();
        for id in column(&session, "SELECT pg_ls_dir('pg_snapshots')").await {
            if known.contains(&id) {
                continue;
            }
            // Other databases export snapshots too, and a snapshot may end under our eyes: those cannot be imported.
            let begin = format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'",
                id.replace('\'', "''")
            );
            if session.batch_execute(&begin).await.is_ok() {
                let mut facts = Vec::new();
                for fact in FACTS {
                    let query = format!("SELECT {}, concat_ws('|', {}) FROM {}", fact.key, fact.source, fact.table);
                    facts.push(keyed(&session, &query).await);
                }
                let snapshot = column(&session, "SELECT pg_current_snapshot()").await.remove(0);
                captures.push((id, Self { snapshot, facts }));
            }
            session.batch_execute("ROLLBACK").await.expect("a transaction can be ended");
        }
        captures
    }

    /// Whether this is the snapshot of a batch with such a baseline.
    pub(super) fn is_of(&self, baseline: &serde_json::Value) -> bool {
        let number = |name: &str| baseline[name].as_str().expect("numbers are texts").to_owned();
        self.snapshot.starts_with(&format!("{}:{}:", number("xmin"), number("xmax")))
    }

    /// Whether another capture shows the same rows.
    pub(super) fn shows_the_same_as(&self, other: &Self) -> bool {
        self.facts == other.facts
    }
}

/// One version of a row: what it says, the batch that first saw it, and the one that noticed its deletion.
type Version = (Arc<str>, u64, Option<u64>);

/// Every version of every key, in order.
#[derive(Default)]
pub(super) struct Truth {
    batches: u64,
    facts: Vec<BTreeMap<i32, Vec<Version>>>,
}

impl Truth {
    /// How many batches it knows.
    pub(super) fn batches(&self) -> u64 {
        self.batches
    }

    /// Takes in what the next batch saw.
    pub(super) fn fold(&mut self, capture: Capture) {
        self.batches += 1;
        self.facts.resize_with(FACTS.len(), BTreeMap::new);
        for (known, seen) in self.facts.iter_mut().zip(capture.facts) {
            for (key, versions) in known.iter_mut().filter(|(key, _)| !seen.contains_key(key)) {
                let (_, _, deleted_in) = versions.last_mut().unwrap_or_else(|| panic!("{key} has a version"));
                deleted_in.get_or_insert(self.batches);
            }
            for (key, row) in seen {
                let versions = known.entry(key).or_default();
                if versions.last().is_none_or(|(last, _, deleted_in)| *last != row || deleted_in.is_some()) {
                    versions.push((row, self.batches, None));
                }
            }
        }
    }

    /// Compares with the warehouse; gives the numbers of versions and of deletions.
    pub(super) async fn compare(&self, warehouse: &TestDatabase, seed: u64) -> (usize, usize) {
        let session = warehouse.connect().await;
        session.batch_execute("SET search_path = totesys").await.expect("the path can be set");
        let (mut versions, mut deletions) = (0, 0);
        for (fact, truth) in FACTS.iter().zip(&self.facts) {
            let mut said: BTreeMap<i32, Vec<Version>> = BTreeMap::new();
            let query = format!(
                "SELECT {key}, batch, deleted_in, concat_ws('|', {columns}) FROM {name}_history
                 ORDER BY {key}, {record} NULLS FIRST",
                key = fact.key,
                columns = fact.columns,
                name = fact.name,
                record = fact.record,
            );
            for row in rows(&session, &query).await {
                let number = |at: usize| row[at].as_deref().map(|text| text.parse().expect("a number"));
                let text = Arc::from(row[3].as_deref().expect("a row"));
                let batch = number(1).expect("a batch");
                let key = i32::try_from(number(0).expect("a key")).expect("keys have four bytes");
                said.entry(key).or_default().push((text, batch, number(2)));
            }
            for (key, expected) in truth {
                let found = said.get(key).map(Vec::as_slice).unwrap_or_default();
                assert_eq!(found, expected, "seed {seed}: {} {key} (found, then the truth)", fact.name);
            }
            let invented: Vec<_> = said.keys().filter(|key| !truth.contains_key(key)).collect();
            assert!(invented.is_empty(), "seed {seed}: {} has keys that never were: {invented:?}", fact.name);
            versions += truth.values().map(Vec::len).sum::<usize>();
            deletions += truth.values().flatten().filter(|(_, _, deleted_in)| deleted_in.is_some()).count();
        }
        (versions, deletions)
    }
}

/// What is current in the warehouse is what the source holds.
pub(super) async fn compare_current(source: &TestDatabase, warehouse: &TestDatabase, seed: u64) {
    let (source, warehouse) = (source.connect().await, warehouse.connect().await);
    warehouse.batch_execute("SET search_path = totesys").await.expect("the path can be set");
    for fact in FACTS {
        let there = format!("SELECT {}, concat_ws('|', {}) FROM {}", fact.key, fact.source, fact.table);
        let here = format!("SELECT {}, concat_ws('|', {}) FROM {}_current", fact.key, fact.columns, fact.name);
        let (there, here) = (keyed(&source, &there).await, keyed(&warehouse, &here).await);
        assert!(there == here, "seed {seed}: {}_current is not what the source holds", fact.name);
    }
    for (there, here) in DIMENSIONS {
        let by_key = |rows: Vec<Vec<Option<String>>>| -> BTreeMap<Option<String>, Vec<Option<String>>> {
            rows.into_iter().map(|row| (row[0].clone(), row)).collect()
        };
        let (expected, found) = (by_key(rows(&source, there).await), by_key(rows(&warehouse, here).await));
        for (key, row) in &expected {
            assert_eq!(found.get(key), Some(row), "seed {seed}: {here}");
        }
    }
}

async fn keyed(session: &Connection, query: &str) -> Keyed {
    let pair = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter().flatten();
        let (key, text) = (cells.next().expect("a key"), cells.next().expect("a row"));
        (key.parse().expect("keys are numbers"), Arc::from(text))
    };
    rows(session, query).await.into_iter().map(pair).collect()
}

async fn column(session: &Connection, query: &str) -> Vec<String> {
    rows(session, query).await.into_iter().flatten().flatten().collect()
}

async fn rows(session: &Connection, query: &str) -> Vec<Vec<Option<String>>> {
    let messages = session.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let cells = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.iter().filter_map(cells).collect()
}
