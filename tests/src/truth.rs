//! What a warehouse holds, and SQL over the source that must give the same.

use crate::TestDatabase;

/// Rows per table after the real snapshot.
pub const COUNTS: &[(&str, i64)] = &[
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

/// The facts and their record ids.
const FACTS: &[(&str, &str)] = &[
    ("fact_sales_order", "sales_record_id"),
    ("fact_purchase_order", "purchase_record_id"),
    ("fact_payment", "payment_record_id"),
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

/// Asserts that every value of every column is what SQL over the source gives, and that record ids have no gaps.
///
/// # Panics
/// When anything differs.
pub async fn assert_same(warehouse: &TestDatabase, source: &TestDatabase) {
    for (held, expected) in COMPARISONS {
        compare(warehouse, held, source, expected).await;
    }
    assert_gap_free(warehouse).await;
}

/// The same after rows have changed or gone: of each fact its current version, all dates that ever were left out.
///
/// # Panics
/// When anything differs.
pub async fn assert_current(warehouse: &TestDatabase, source: &TestDatabase) {
    for (held, expected) in COMPARISONS.iter().filter(|(held, _)| !held.contains("dim_date")) {
        let current = FACTS.iter().fold((*held).to_owned(), |query, (fact, _)| {
            query.replace(&format!("FROM {fact} "), &format!("FROM {fact}_current "))
        });
        compare(warehouse, &current, source, expected).await;
    }
    assert_gap_free(warehouse).await;
}

async fn compare(warehouse: &TestDatabase, held: &str, source: &TestDatabase, expected: &str) {
    let (found, expected) = (warehouse.warehouse_rows(held).await, source.rows(expected).await);
    assert_eq!(found.len(), expected.len(), "{held}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{held}");
    }
}

async fn assert_gap_free(warehouse: &TestDatabase) {
    for (fact, id) in FACTS {
        let query = format!("SELECT count(*) FROM {fact} HAVING min({id}) = 1 AND max({id}) = count(*)");
        assert_eq!(warehouse.warehouse_rows(&query).await.len(), 1, "{fact}");
    }
}
