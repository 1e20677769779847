//! Rows that cannot be transformed: the others load, these are kept with their reason.

use totesys_lake::Bucket;
use totesys_tests::{Data, Totesys};

/// Everything in quarantine, one JSON line each.
async fn quarantine(totesys: &Totesys, bucket: Bucket) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    let objects = totesys.lake.list(bucket, "quarantine/", None).await.unwrap();
    for object in objects.into_iter().filter(|object| object.key.ends_with(".jsonl")) {
        let text = totesys.lake.get(bucket, &object.key).await.unwrap();
        lines.extend(text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()));
    }
    lines
}

fn reasons(lines: &[serde_json::Value]) -> Vec<(&str, &str, &str)> {
    let text = |line: &'static str, value: &serde_json::Value| value[line].as_str().unwrap_or_default().to_owned();
    let mut reasons: Vec<_> = lines
        .iter()
        .map(|line| (line["table"].as_str().unwrap(), line["code"].as_str().unwrap(), line["column"].as_str().unwrap()))
        .collect();
    assert!(lines.iter().all(|line| !text("code", line).is_empty()));
    reasons.sort_unstable();
    reasons
}

const ORDER: &str =
    "INSERT INTO sales_order (created_at, last_updated, design_id, staff_id, counterparty_id, units_sold,
    unit_price, currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id)
    VALUES ('2025-01-01', '2025-01-01', 1, 1, 1, 10, 1.50, 1, '2025-02-01', '2025-01-15', 1)";

/// An order with one value changed.
fn order_with(usual: &str, unusual: &str) -> String {
    assert!(ORDER.contains(usual), "{usual}");
    ORDER.replacen(usual, unusual, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_dates_are_kept_and_the_rest_loads() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let before = totesys.warehouse_number("SELECT count(*) FROM fact_sales_order").await;
    for date in ["None", "NULL", "", "2025-02-30", "01/02/2025", "2025-2-1", "O'Keefe, & Co"] {
        totesys.source.execute(&order_with("'2025-02-01'", &format!("'{}'", date.replace('\'', "''")))).await;
    }
    totesys.source.execute(ORDER).await;
    let report = totesys.run().await;
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM fact_sales_order").await, before + 1);
    let refused = quarantine(&totesys, Bucket::TransformedData).await;
    assert_eq!(reasons(&refused), [("sales_order", "malformed-date", "agreed_delivery_date"); 7]);
    let kept: Vec<_> = refused.iter().map(|line| line["row"]["agreed_delivery_date"].as_str().unwrap()).collect();
    assert!(kept.contains(&"O'Keefe, & Co") && kept.contains(&"None") && kept.contains(&""), "{kept:?}");
    assert!(refused.iter().all(|line| line["row"]["unit_price"] == "1.50"), "the row is kept whole");
    let counted: u64 = report.transformations.iter().flat_map(|star| star.refused.values()).sum();
    assert_eq!(counted, 7);
    // Mended in the source, the rows are versions like any other.
    let mend = "UPDATE sales_order SET agreed_delivery_date = '2025-02-01'
                WHERE agreed_delivery_date !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' OR agreed_delivery_date = '2025-02-30'";
    totesys.source.execute(mend).await;
    totesys.run().await;
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM fact_sales_order").await, before + 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_the_codec_cannot_hold_are_kept() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.source.execute(&order_with("1.50", "'NaN'")).await;
    totesys.source.execute(&order_with("'2025-01-01', '2025-01-01'", "'2025-01-01', 'infinity'")).await;
    totesys.source.execute(ORDER).await;
    let orders = totesys.source_rows("SELECT count(*) FROM sales_order").await;
    totesys.run().await;
    let loaded = totesys.warehouse_number("SELECT count(*) + 2 FROM fact_sales_order").await;
    assert_eq!(Some(loaded.to_string()), orders[0][0]);
    let unreadable = quarantine(&totesys, Bucket::Ingestion).await;
    assert_eq!(reasons(&unreadable), [("sales_order", "numeric-not-finite", "unit_price")]);
    assert_eq!(unreadable[0]["row"]["unit_price"], "NaN");
    let refused = quarantine(&totesys, Bucket::TransformedData).await;
    assert_eq!(reasons(&refused), [("sales_order", "infinite-timestamp", "last_updated")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_currency_is_refused_and_its_facts_wait_for_it() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.source.execute("INSERT INTO currency VALUES (9, 'ZZZ', now(), now())").await;
    totesys.source.execute(&order_with("1.50, 1,", "1.50, 9,")).await;
    let orders = totesys.source_rows("SELECT count(*) - 1 FROM sales_order").await;
    totesys.run().await;
    let loaded = totesys.warehouse_rows("SELECT count(*) FROM fact_sales_order").await;
    assert_eq!(loaded, orders, "every other order is in");
    let refused = quarantine(&totesys, Bucket::TransformedData).await;
    // Each of the three stars reads the currencies.
    assert_eq!(reasons(&refused), [("currency", "unknown-currency", "currency_code"); 3]);
    let waiting = "SELECT _reason FROM totesys_totesys.fact_sales_order_waiting WHERE _state = 'waiting'";
    assert_eq!(totesys.warehouse_rows(waiting).await, [[Some("missing dim_currency".to_owned())]]);

    totesys.source.execute("UPDATE currency SET currency_code = 'JPY' WHERE currency_id = 9").await;
    totesys.run().await;
    let names = totesys.warehouse_rows("SELECT currency_name FROM dim_currency WHERE currency_id = 9").await;
    assert_eq!(names, [[Some("Yen".to_owned())]]);
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM fact_sales_order WHERE currency_id = 9").await, 1);
    assert!(totesys.warehouse_rows(waiting).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_but_good_values_arrive_as_they_are() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys
        .source
        .execute(
            "UPDATE department SET location = NULL WHERE department_id = 2;
             UPDATE staff SET first_name = 'None', last_name = 'NULL' WHERE staff_id = 1;
             UPDATE staff SET first_name = 'Søren, \"the\" O''Keefe & Sons', last_name = '' WHERE staff_id = 2;
             UPDATE address SET address_line_2 = NULL, district = '' WHERE address_id = 1",
        )
        .await;
    totesys.run().await;
    let unknown = totesys.warehouse_rows("SELECT count(*) FROM dim_staff WHERE location = 'Unknown'").await;
    let expected = "SELECT count(*) FROM staff JOIN department USING (department_id) WHERE location IS NULL";
    assert_eq!(unknown, totesys.source_rows(expected).await);
    let names = totesys
        .warehouse_rows("SELECT first_name, last_name FROM dim_staff WHERE staff_id <= 2 ORDER BY staff_id")
        .await;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(names, [[text("None"), text("NULL")], [text("Søren, \"the\" O'Keefe & Sons"), text("")]]);
    let lines = totesys.warehouse_rows("SELECT address_line_2, district FROM dim_location WHERE location_id = 1").await;
    assert_eq!(lines, [[None, text("")]]);
    assert!(quarantine(&totesys, Bucket::TransformedData).await.is_empty());
}
