//! The simulated source: its rates, its repeatability, and what it does that no timestamp shows.

use std::collections::BTreeMap;

use tokio_postgres::SimpleQueryMessage;
use totesys_simulate::{Counts, Moment, Rates, SimulateError, Simulator, Start, TABLES, fill, prepare};
use totesys_tests::{Data, TestDatabase, Totesys};

/// A source without tables, with a simulator that begins on a Monday.
async fn fresh(rates: Rates, seed: u64) -> (TestDatabase, Simulator) {
    let source = TestDatabase::create().await;
    let monday = Start::At(Moment::of_date("2024-09-02").unwrap());
    let simulator = Simulator::connect(&source.settings(), "public", rates, seed, monday).await.unwrap();
    (source, simulator)
}

async fn texts(database: &TestDatabase, query: &str) -> Vec<String> {
    let answer = database.connect().await.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let text = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    answer.iter().filter_map(text).collect()
}

async fn number(database: &TestDatabase, query: &str) -> u64 {
    texts(database, query).await[0].parse().unwrap()
}

/// Every row of every table, as text.
async fn content(database: &TestDatabase) -> BTreeMap<&'static str, Vec<String>> {
    let mut content = BTreeMap::new();
    for table in TABLES {
        content.insert(table, texts(database, &format!("SELECT t::text FROM {table} t ORDER BY 1")).await);
    }
    content
}

/// A count of so many independent events is within four standard deviations of its mean 999,937 times in a million;
/// with the seed fixed it always is or never.
fn assert_about(what: &str, count: u64, mean: f64) {
    let tolerance = 4.0 * mean.sqrt();
    assert!((count as f64 - mean).abs() <= tolerance, "{what}: {count}, not {mean} ± {tolerance:.1}");
}

#[tokio::test(flavor = "multi_thread")]
async fn things_happen_as_often_as_the_rates_say() {
    let (source, mut simulator) = fresh(Rates::default(), 3).await;
    // 84 days are twelve weeks.
    let counts = simulator.advance(84.0).await.unwrap();
    simulator.settle().await.unwrap();
    let rates = Rates::default();
    for (what, count, mean) in [
        ("sales", counts.sales, rates.sales * 60.0),
        ("purchases", counts.purchases, rates.purchases * 60.0),
        ("designs", counts.designs, rates.designs * 60.0),
        ("silent sales", counts.silent_sales, 24.0),
        ("silent purchases", counts.silent_purchases, 10.0),
        ("silent designs", counts.silent_designs, 4.0),
        ("there and back", counts.there, 4.0),
        ("late commits", counts.late_commits, 21.0),
        ("addresses", counts.addresses, 3.0),
        ("departments", counts.departments, 2.0),
        ("deletions", counts.deletions(), 6.0),
        ("returns", counts.returned, 3.0),
        // 61 % of the real payments are due on a working day after that of their order; those of 1.4 days of orders
        // are due after the last day.
        ("payments", counts.payments, 31.0 * (60.0 * 0.61 - 1.4)),
    ] {
        assert_about(what, count, mean);
    }
    // Each planned one, and every second late transaction besides.
    assert_about("savepoints", counts.savepoints, 42.0 + 10.5);
    let unpaid = number(&source, "SELECT 100 * count(*) FILTER (WHERE NOT paid) / count(*) FROM payment").await;
    assert!((30..45).contains(&unpaid), "{unpaid} % of the payments are never made, not about a third");
    // What was counted is what is there.
    let kept = number(&source, "SELECT count(*) FROM sales_order").await;
    let gone = counts.orders_deleted + counts.all_deleted;
    assert!(kept <= counts.sales && kept + gone >= counts.sales, "{kept} of {} sales orders", counts.sales);
    let odd = "SELECT count(*) FROM sales_order WHERE extract(isodow FROM created_at) > 5
               OR created_at::time < '08:00' OR created_at::time >= '19:00'";
    assert_eq!(number(&source, odd).await, 0, "orders come in from Monday to Friday, from 08:00 to 19:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_its_transaction_and_its_payment_have_one_timestamp_and_one_database_transaction() {
    let (source, mut simulator) = fresh(Rates::quiet(), 4).await;
    let counts = simulator.advance(0.9).await.unwrap();
    assert!(counts.sales > 0 && counts.purchases > 0 && counts.payments == 0);
    for (table, orders) in [("sales_order", counts.sales), ("purchase_order", counts.purchases)] {
        let same = format!(
            "SELECT count(*) FROM {table} o JOIN transaction t USING ({table}_id) JOIN payment p USING (transaction_id)
             WHERE o.created_at = t.created_at AND o.created_at = p.created_at AND o.created_at = o.last_updated
             AND t.created_at = t.last_updated AND p.created_at = p.last_updated
             AND o.xmin = t.xmin AND o.xmin = p.xmin AND o.agreed_payment_date = p.payment_date"
        );
        assert_eq!(number(&source, &same).await, orders, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
    let busy = || Rates { deletions: 60.0, late_commits: 100.0, there_and_back: 60.0, ..Rates::default() };
    let live = async |seed: u64| {
        let (source, mut simulator) = fresh(busy(), seed).await;
        // In pieces of any size.
        let mut counts = Counts::default();
        for days in [0.4, 2.6, 11.0] {
            counts += simulator.advance(days).await.unwrap();
        }
        simulator.settle().await.unwrap();
        (content(&source).await, counts)
    };
    let (one, same, other) = (live(5).await, live(5).await, live(6).await);
    assert_eq!(one, same);
    assert_ne!(one.0["sales_order"], other.0["sales_order"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_of_a_day_are_made_at_0755_under_one_timestamp() {
    let (source, mut simulator) = fresh(Rates { sales: 60.0, ..Rates::quiet() }, 7).await;
    let counts = simulator.advance(14.0).await.unwrap();
    let paid = "FROM payment WHERE paid";
    assert_eq!(number(&source, &format!("SELECT count(*) {paid}")).await, counts.payments);
    let odd = "AND (to_char(last_updated, 'HH24:MI') <> '07:55' OR extract(isodow FROM last_updated) > 5
               OR last_updated::date::text <> payment_date)";
    assert_eq!(number(&source, &format!("SELECT count(*) {paid} {odd}")).await, 0);
    let ties = format!("SELECT max(c) FROM (SELECT count(*) AS c {paid} GROUP BY last_updated) t");
    assert_eq!(number(&source, &ties).await, counts.largest_tie);
    // With 69 orders a day a day's payments do not fit one timestamp.
    assert_eq!(counts.largest_tie, 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_changes_leave_last_updated_as_it_was() {
    let (source, mut simulator) = fresh(Rates::quiet(), 8).await;
    simulator.advance(5.0).await.unwrap();
    let tables = ["sales_order", "purchase_order", "design"];
    let mut before = Vec::new();
    for table in tables {
        before.push(stamps(&source, table).await);
    }
    let rates = Rates {
        sales: 0.0,
        purchases: 0.0,
        designs: 0.0,
        silent_sales: 2400.0,
        silent_purchases: 1000.0,
        silent_designs: 400.0,
        ..Rates::quiet()
    };
    let mut simulator = Simulator::connect(&source.settings(), "public", rates, 8, Start::AfterNewest).await.unwrap();
    let counts = simulator.advance(2.0).await.unwrap();
    for (before, table) in before.iter().zip(tables) {
        let after = stamps(&source, table).await;
        let changed = before.iter().filter(|(key, (_, row))| after[*key].1 != *row).count();
        assert!(changed > 5, "{table}: {changed} changed");
        let stamped = before.iter().filter(|(key, (stamp, _))| after[*key].0 != *stamp).count();
        assert_eq!(stamped, 0, "{table}");
    }
    assert!(counts.silent_sales > 20 && counts.silent_purchases > 8 && counts.silent_designs > 3);
}

/// last_updated and the whole row, by key.
async fn stamps(source: &TestDatabase, table: &str) -> BTreeMap<String, (String, String)> {
    let query = format!("SELECT concat_ws('|', {table}_id, last_updated, t::text) FROM {table} t");
    let split = |text: String| {
        let mut parts = text.splitn(3, '|').map(str::to_owned);
        let mut next = || parts.next().unwrap();
        (next(), (next(), next()))
    };
    texts(source, &query).await.into_iter().map(split).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_commits_and_savepoints_happen_and_nothing_wrong_stays() {
    let rates = Rates { late_commits: 400.0, savepoints: 800.0, silent_sales: 200.0, ..Rates::quiet() };
    let (source, mut simulator) = fresh(rates, 9).await;
    let counts = simulator.advance(7.0).await.unwrap();
    simulator.settle().await.unwrap();
    assert!(counts.late_commits > 10 && counts.savepoints > 20, "{counts:?}");
    // A row with an older timestamp was written by a later transaction; which one committed later cannot be read.
    assert_eq!(number(&source, "SELECT count(*) FROM sales_order").await, counts.sales);
    assert_eq!(number(&source, "SELECT count(*) FROM payment").await, counts.sales + counts.purchases);
    // What was rolled back ordered nothing, or one.
    for (table, quantity) in [("sales_order", "units_sold"), ("purchase_order", "item_quantity")] {
        let wrong = format!("SELECT count(*) FROM {table} WHERE {quantity} < 2");
        assert_eq!(number(&source, &wrong).await, 0, "{table}");
        // A savepoint's rows have a transaction number of their own, and the one rolled back used up a key.
        let gaps = format!("SELECT max({table}_id) - count(*) FROM {table}");
        assert!(number(&source, &gaps).await > 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_changed_and_changed_back() {
    let rates = Rates { there_and_back: 600.0, ..Rates::quiet() };
    let (_source, mut simulator) = fresh(rates, 10).await;
    let counts = simulator.advance(14.0).await.unwrap();
    assert!(counts.there > 50 && counts.back > 25 && counts.back <= counts.there, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_null_links_and_some_come_back() {
    let (source, mut simulator) = fresh(Rates { deletions: 800.0, ..Rates::quiet() }, 11).await;
    let counts = simulator.advance(14.0).await.unwrap();
    for (what, count) in [
        ("orders", counts.orders_deleted),
        ("payments", counts.payments_deleted),
        ("transactions", counts.transactions_deleted),
        ("all", counts.all_deleted),
        ("links", counts.links_nulled),
        ("returned", counts.returned),
    ] {
        assert!(count > 3, "{what}: {count}");
    }
    let unlinked = "SELECT count(*) FROM transaction WHERE sales_order_id IS NULL AND purchase_order_id IS NULL";
    let unlinked = number(&source, unlinked).await;
    assert!(unlinked > 0 && unlinked <= counts.links_nulled + counts.returned, "{unlinked}");
    // Nothing of that touched last_updated of a transaction.
    assert_eq!(number(&source, "SELECT count(*) FROM transaction WHERE last_updated <> created_at").await, 0);
}

/// Everything that makes a table what it is, besides its rows.
const DEFINITIONS: &str = "
    SELECT concat_ws(' ', c.relname, k.conname, k.convalidated, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type, udt_schema, udt_name,
        numeric_precision, numeric_scale, datetime_precision, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT concat_ws(' ', t.typname, e.enumlabel, e.enumsortorder)
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.typnamespace = 'public'::regnamespace
    ORDER BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_filled_source_is_what_the_application_makes() {
    let (plain, filled) = (TestDatabase::create().await, TestDatabase::create().await);
    prepare(&plain.settings(), "public", 1).await.unwrap();
    let report = fill(&filled.settings(), "public", 2000, 1).await.unwrap();
    assert_eq!((report.sales_orders, report.purchase_orders, report.transactions), (2000, 836, 2836));
    assert_eq!(texts(&filled, DEFINITIONS).await, texts(&plain, DEFINITIONS).await);
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE '%filling'";
    assert_eq!(texts(&filled, schemas).await, [""; 0]);
    for (query, expected) in [
        ("SELECT count(*) FROM sales_order", 2000),
        ("SELECT count(*) FROM purchase_order", 836),
        ("SELECT count(*) FROM transaction WHERE transaction_type = 'SALE' AND purchase_order_id IS NULL", 2000),
        ("SELECT count(DISTINCT sales_order_id) + count(DISTINCT purchase_order_id) FROM transaction", 2836),
        ("SELECT count(DISTINCT transaction_id) FROM payment", 2836),
        // Every order agrees with its payment, and comes in in working hours.
        (
            "SELECT count(*) FROM sales_order o JOIN transaction t USING (sales_order_id)
             JOIN payment p USING (transaction_id)
             WHERE payment_amount = units_sold * unit_price AND p.counterparty_id = o.counterparty_id
             AND p.currency_id = o.currency_id AND p.payment_date = o.agreed_payment_date
             AND p.created_at = o.created_at AND t.created_at = o.created_at
             AND extract(isodow FROM o.created_at) < 6 AND o.created_at::time >= '08:00' AND o.created_at::time < '19:00'",
            2000,
        ),
        (
            "SELECT count(*) FROM purchase_order o JOIN transaction t USING (purchase_order_id)
             JOIN payment p USING (transaction_id)
             WHERE payment_amount = item_quantity * item_unit_price AND p.payment_date = o.agreed_payment_date
             AND p.created_at = o.created_at AND length(item_code) = 7",
            836,
        ),
        (
            "SELECT count(*) FROM payment WHERE paid AND (to_char(last_updated, 'HH24:MI') <> '07:55'
             OR last_updated::date::text <> payment_date OR extract(isodow FROM last_updated) > 5)",
            0,
        ),
    ] {
        assert_eq!(number(&filled, query).await, expected, "{query}");
    }
    let unpaid = number(&filled, "SELECT 100 * count(*) FILTER (WHERE NOT paid) / count(*) FROM payment").await;
    assert!((30..45).contains(&unpaid), "{unpaid} % unpaid");
    // What comes next gets the next keys, and life goes on.
    let mut simulator =
        Simulator::connect(&filled.settings(), "public", Rates::default(), 1, Start::AfterNewest).await.unwrap();
    let counts = simulator.advance(7.0).await.unwrap();
    assert!(counts.sales > 50 && counts.payments > 50, "{counts:?}");
    let newest = number(&filled, "SELECT max(sales_order_id) FROM sales_order").await;
    assert!(newest > 2000 + counts.sales / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_source_is_filled_and_a_broken_off_fill_is_no_hindrance() {
    let source = TestDatabase::create().await;
    source.execute("CREATE SCHEMA public_filling; CREATE TABLE public_filling.sales_order (a int)").await;
    fill(&source.settings(), "public", 10, 1).await.unwrap();
    let before = content(&source).await;
    let refused = fill(&source.settings(), "public", 10, 2).await;
    assert!(matches!(&refused, Err(SimulateError::NotEmpty { table, .. }) if table == "address"), "{refused:?}");
    assert_eq!(content(&source).await, before);
    assert!(matches!(fill(&source.settings(), "other", 0, 1).await, Err(SimulateError::BadOrders { .. })));
    // Tables that are there and empty are as good as none.
    let empty = TestDatabase::create().await;
    prepare(&empty.settings(), "public", 1).await.unwrap();
    empty.execute(&format!("TRUNCATE {}", TABLES.join(", "))).await;
    fill(&empty.settings(), "public", 10, 1).await.unwrap();
    assert_eq!(content(&empty).await, before);
    // Some other database is left alone.
    let other = TestDatabase::create().await;
    other.execute("CREATE TABLE payment (a int)").await;
    let refused = prepare(&other.settings(), "public", 1).await;
    assert!(
        matches!(&refused, Err(SimulateError::PartOfSource { present, .. }) if present == "payment"),
        "{refused:?}"
    );
}

/// Batches run while the source lives; what is current in the warehouse is then what the source holds.
#[tokio::test(flavor = "multi_thread")]
async fn the_warehouse_follows_a_source_that_lives() {
    let totesys = Totesys::start(Data::Sample).await;
    let rates = Rates {
        silent_sales: 240.0,
        silent_purchases: 120.0,
        silent_designs: 40.0,
        there_and_back: 120.0,
        late_commits: 150.0,
        savepoints: 150.0,
        addresses: 40.0,
        departments: 40.0,
        deletions: 0.0,
        ..Rates::default()
    };
    let mut simulator =
        Simulator::connect(&totesys.source.settings(), "public", rates, 12, Start::AfterNewest).await.unwrap();
    let mut counts = Counts::default();
    for days in [0.5, 1.0, 1.7, 4.1, 0.02, 2.3, 7.0] {
        // A transaction that is open now commits in a later stretch, or in none.
        totesys.run().await;
        counts += simulator.advance(days).await.unwrap();
    }
    assert!(counts.late_commits > 3 && counts.silent_sales > 10 && counts.back > 3, "{counts:?}");
    simulator.settle().await.unwrap();
    totesys.run().await;
    for (table, fact, columns) in [
        ("sales_order", "fact_sales_order", "units_sold, unit_price, design_id, agreed_delivery_location_id"),
        ("purchase_order", "fact_purchase_order", "staff_id, item_code, item_quantity, item_unit_price"),
        ("payment", "fact_payment", "transaction_id, payment_amount, paid"),
    ] {
        let date = if table == "payment" { "payment_date" } else { "agreed_delivery_date" };
        let source = format!(
            "SELECT {table}_id, {columns}, {date}::date, created_at::date, created_at::time, last_updated::time
             FROM {table} ORDER BY 1"
        );
        let warehouse = format!(
            "SELECT {table}_id, {columns}, {date}, created_date, created_time, last_updated_time
             FROM {fact}_current ORDER BY 1"
        );
        let expected = totesys.source_rows(&source).await;
        assert!(expected.len() > 100, "{table}: {}", expected.len());
        assert_eq!(totesys.warehouse_rows(&warehouse).await, expected, "{fact}");
    }
    let cities = "SELECT address_line_1, phone FROM";
    assert_eq!(
        totesys.warehouse_rows(&format!("{cities} dim_location ORDER BY location_id")).await,
        totesys.source_rows(&format!("{cities} address ORDER BY address_id")).await
    );
}
