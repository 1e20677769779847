//! The real snapshot in, and every value of every column compared with SQL over the source.

use totesys_tests::{Data, Totesys, snapshot_folder};

const COUNTS: &[(&str, i64)] = &[
    ("fact_sales_order", 9_845),
    ("fact_purchase_order", 4_114),
    ("fact_payment", 13_959),
    ("dim_transaction", 13_959),
    ("dim_design", 424),
    ("dim_location", 30),
    ("dim_counterparty", 20),
    ("dim_staff", 20),
    ("dim_currency", 3),
    ("dim_payment_type", 4),
];

/// A warehouse query, and what it must give as SQL over the source: written from the domain's rules, not the code.
const COMPARISONS: &[(&str, &str)] = &[
    (
        "SELECT sales_order_id, created_date, created_time, last_updated_date, last_updated_time, sales_staff_id,
                counterparty_id, units_sold, unit_price, currency_id, design_id, agreed_payment_date,
                agreed_delivery_date, agreed_delivery_location_id FROM fact_sales_order ORDER BY 1",
        "SELECT sales_order_id, created_at::date, created_at::time, last_updated::date, last_updated::time, staff_id,
                counterparty_id, units_sold, unit_price, currency_id, design_id, agreed_payment_date::date,
                agreed_delivery_date::date, agreed_delivery_location_id FROM sales_order ORDER BY 1",
    ),
    (
        "SELECT purchase_order_id, created_date, created_time, last_updated_date, last_updated_time, staff_id,
                counterparty_id, item_code, item_quantity, item_unit_price, currency_id, agreed_delivery_date,
                agreed_payment_date, agreed_delivery_location_id FROM fact_purchase_order ORDER BY 1",
        "SELECT purchase_order_id, created_at::date, created_at::time, last_updated::date, last_updated::time,
                staff_id, counterparty_id, item_code, item_quantity, item_unit_price, currency_id,
                agreed_delivery_date::date, agreed_payment_date::date, agreed_delivery_location_id
         FROM purchase_order ORDER BY 1",
    ),
    (
        "SELECT payment_id, created_date, created_time, last_updated_date, last_updated_time, transaction_id,
                counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date
         FROM fact_payment ORDER BY 1",
        "SELECT payment_id, created_at::date, created_at::time, last_updated::date, last_updated::time,
                transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid,
                payment_date::date FROM payment ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_transaction ORDER BY 1",
        "SELECT transaction_id, transaction_type::text, sales_order_id, purchase_order_id FROM transaction ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_design ORDER BY 1",
        "SELECT design_id, design_name, file_location, file_name FROM design ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_location ORDER BY 1",
        "SELECT address_id, address_line_1, address_line_2, district, city, postal_code, country, phone
         FROM address ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_counterparty ORDER BY 1",
        "SELECT counterparty_id, counterparty_legal_name, address_line_1, address_line_2, district, city,
                postal_code, country, phone
         FROM counterparty JOIN address ON address_id = legal_address_id ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_staff ORDER BY 1",
        "SELECT staff_id, first_name, last_name, department_name, coalesce(location, 'Unknown'), email_address
         FROM staff JOIN department USING (department_id) ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_currency ORDER BY 1",
        "SELECT currency_id, currency_code, name FROM currency
         JOIN (VALUES ('GBP', 'Pound Sterling'), ('USD', 'US Dollar'), ('EUR', 'Euro')) iso (code, name)
         ON code = currency_code ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_payment_type ORDER BY 1",
        "SELECT payment_type_id, payment_type_name::text FROM payment_type ORDER BY 1",
    ),
    (
        "SELECT * FROM dim_date ORDER BY 1",
        "SELECT day, extract(year FROM day), extract(month FROM day), extract(day FROM day),
                extract(isodow FROM day), trim(to_char(day, 'Day')), trim(to_char(day, 'Month')),
                extract(quarter FROM day)
         FROM (SELECT created_at::date FROM sales_order UNION SELECT last_updated::date FROM sales_order
               UNION SELECT agreed_payment_date::date FROM sales_order
               UNION SELECT agreed_delivery_date::date FROM sales_order
               UNION SELECT created_at::date FROM purchase_order UNION SELECT last_updated::date FROM purchase_order
               UNION SELECT agreed_payment_date::date FROM purchase_order
               UNION SELECT agreed_delivery_date::date FROM purchase_order
               UNION SELECT created_at::date FROM payment UNION SELECT last_updated::date FROM payment
               UNION SELECT payment_date::date FROM payment) days (day) ORDER BY 1",
    ),
];

async fn compare(totesys: &Totesys) {
    for (warehouse, source) in COMPARISONS {
        let (found, expected) = (totesys.warehouse_rows(warehouse).await, totesys.source_rows(source).await);
        assert_eq!(found.len(), expected.len(), "{warehouse}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{warehouse}");
        }
    }
}

async fn record_ids_are_gap_free(totesys: &Totesys) {
    for (fact, id) in [
        ("fact_sales_order", "sales_record_id"),
        ("fact_purchase_order", "purchase_record_id"),
        ("fact_payment", "payment_record_id"),
    ] {
        let query = format!("SELECT count(*) FROM {fact} HAVING min({id}) = 1 AND max({id}) = count(*)");
        assert_eq!(totesys.warehouse_rows(&query).await.len(), 1, "{fact}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_snapshot_arrives_whole() {
    // `cargo xtask test` fails without the snapshot unless it is told `--no-snapshot`.
    if snapshot_folder().is_none() {
        return;
    }
    let totesys = Totesys::start(Data::Snapshot).await;
    totesys.run().await;
    for (table, rows) in COUNTS {
        assert_eq!(totesys.warehouse_number(&format!("SELECT count(*) FROM {table}")).await, *rows, "{table}");
    }
    compare(&totesys).await;
    record_ids_are_gap_free(&totesys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_arrives_whole() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    compare(&totesys).await;
    record_ids_are_gap_free(&totesys).await;
}

/// The columns of the eleven tables: name, type, and whether it may be NULL.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_exactly_those_of_the_domain() {
    let totesys = Totesys::start(Data::Empty).await;
    totesys.run().await;
    let query = "SELECT c.table_name || ' ' || string_agg(c.column_name || ':' || c.data_type
                     || CASE WHEN numeric_precision_radix = 10 AND numeric_precision IS NOT NULL
                             THEN format('(%s,%s)', numeric_precision, numeric_scale) ELSE '' END
                     || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END, ' ' ORDER BY ordinal_position)
                 FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
                 WHERE table_schema = 'totesys' AND table_type = 'BASE TABLE' GROUP BY c.table_name ORDER BY 1";
    let tables: Vec<String> = totesys.warehouse_rows(query).await.into_iter().flatten().flatten().collect();
    insta::assert_snapshot!(tables.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_tables_make_an_empty_warehouse() {
    let totesys = Totesys::start(Data::Empty).await;
    totesys.run().await;
    let query = "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema = 'totesys' AND table_type = 'BASE TABLE'";
    assert_eq!(totesys.warehouse_number(query).await, 11);
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM dim_date").await, 0);
    totesys.run().await;
}
