//! Refused rows are kept, offered again and released where they belong; nothing waits for them.

use host_lambda::settings::QuarantineSettings;
use host_lambda::{Extraction, Held, HostError, QuarantinedRow, RunReport, StarTransformation};
use picky::{LENIENT, PANICS, STRICT};
use totesys_sandbox::Limits;
use totesys_tests::{Data, STARS, Totesys, component, picky, test_publisher};

async fn publish(totesys: &Totesys, components: &[Vec<u8>]) {
    totesys.publish(components, "test").await;
}

/// The sample's orders under the picky star alone.
async fn picky_totesys() -> Totesys {
    Totesys::start_with(Data::Sample, &[picky(STRICT)]).await
}

async fn replay(totesys: &Totesys, star: Option<&str>) -> RunReport {
    let report = Box::pin(totesys.pipeline.replay(star)).await.unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    report
}

/// Refused, open, offered and released rows of the only star's only batch.
fn counts(report: &RunReport) -> [u64; 4] {
    let [StarTransformation { refused, open, offered, released, .. }] = report.transformations.as_slice() else {
        panic!("one star, one batch: {:?}", report.transformations)
    };
    [refused.values().sum(), *open, *offered, *released]
}

async fn text(totesys: &Totesys, query: &str) -> Vec<String> {
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
    let rows = totesys.warehouse_rows(query).await.into_iter();
    rows.map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join(" | ")).collect()
}

async fn quarantined(totesys: &Totesys) -> Vec<QuarantinedRow> {
    let mut rows = Vec::new();
    let take = |row| {
        rows.push(row);
        Ok::<(), HostError>(())
    };
    Box::pin(totesys.pipeline.quarantined_rows(None, take)).await.unwrap();
    rows
}

const VERSIONS: &str =
    "SELECT units_sold, currency_code FROM fact_order WHERE sales_order_id = 5 ORDER BY order_record_id";
const HISTORY: &str = "SELECT order_record_id IS NOT NULL, batch, units_sold, is_current
                       FROM fact_order_history WHERE sales_order_id = 5 ORDER BY batch, units_sold";
const PROMISE: &str = "SELECT promised FROM dim_promise WHERE sales_order_id = 5";

/// Changes order 5.
async fn order_5(totesys: &Totesys, date: &str, units: u32) {
    let change = format!(
        "UPDATE sales_order SET agreed_delivery_date = '{date}', units_sold = {units} WHERE sales_order_id = 5"
    );
    totesys.source.execute(&change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_released_when_what_it_lacked_is_there() {
    let totesys = picky_totesys().await;
    totesys.source.execute("INSERT INTO currency VALUES (9, 'ZZZ', now(), now())").await;
    totesys.source.execute("UPDATE sales_order SET currency_id = 9, units_sold = 77 WHERE sales_order_id = 5").await;
    let orders = totesys.source_rows("SELECT count(*) FROM sales_order").await;
    assert_eq!(counts(&totesys.run().await), [1, 1, 0, 0]);
    let rest = totesys.warehouse_rows("SELECT count(*) + 1 FROM fact_order").await;
    assert_eq!(rest, orders, "one bad row holds up no other");

    // The same component with the same snapshots would say the same, so it is not asked.
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 6").await;
    assert_eq!(counts(&totesys.run().await), [0, 1, 0, 0]);
    totesys.source.execute("INSERT INTO currency VALUES (10, 'JPY', now(), now())").await;
    assert_eq!(counts(&totesys.run().await), [0, 1, 1, 0]);

    totesys.source.execute("UPDATE currency SET currency_code = 'CHF' WHERE currency_id = 9").await;
    assert_eq!(counts(&totesys.run().await), [0, 0, 1, 1]);
    assert_eq!(text(&totesys, VERSIONS).await, ["77 | CHF"]);
    assert_eq!(text(&totesys, HISTORY).await, ["t | 1 | 77 | t"], "it is of the batch that observed it");
    assert_eq!(text(&totesys, "SELECT count(*) FROM fact_order_current").await, [orders[0][0].clone().unwrap()]);
    assert!(totesys.pipeline.quarantine(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_released_in_the_order_observed_without_any_change_in_the_source() {
    let totesys = picky_totesys().await;
    totesys.run().await;
    for (date, units) in [("soon", 11), ("later", 12)] {
        order_5(&totesys, date, units).await;
        totesys.run().await;
    }
    assert_eq!(counts(&replay(&totesys, Some("picky")).await), [0, 2, 2, 0], "the same component says the same");
    publish(&totesys, &[picky(LENIENT)]).await;
    let report = replay(&totesys, None).await;
    assert!(matches!(report.extraction, Extraction::Batch { batch: 5, ref tables, .. } if tables.is_empty()));
    assert_eq!(counts(&report), [0, 0, 2, 2]);
    let versions = text(&totesys, VERSIONS).await;
    assert_eq!(versions.iter().map(|row| &row[..2]).collect::<Vec<_>>()[1..], ["11", "12"]);
    assert_eq!(text(&totesys, HISTORY).await[1..], ["t | 2 | 11 | f", "t | 3 | 12 | t"]);
    assert_eq!(text(&totesys, PROMISE).await, ["later"]);
    // What is loaded is loaded once.
    let contents = totesys.warehouse_contents().await;
    totesys.pipeline.transform("picky").await.unwrap();
    totesys.pipeline.load("picky").await.unwrap();
    assert_eq!(totesys.warehouse_contents().await, contents);

    let error = totesys.pipeline.replay(Some("nobody")).await.unwrap_err();
    assert!(matches!(error, HostError::UnknownStar(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_version_that_is_delivered_again_is_open_once() {
    let totesys = picky_totesys().await;
    order_5(&totesys, "soon", 11).await;
    totesys.run().await;
    order_5(&totesys, "soon", 11).await;
    assert_eq!(counts(&totesys.run().await), [1, 1, 0, 0]);
    // Another version is open beside it, and the first one again after that.
    order_5(&totesys, "soon", 12).await;
    assert_eq!(counts(&totesys.run().await), [1, 2, 0, 0]);
    order_5(&totesys, "soon", 11).await;
    assert_eq!(counts(&totesys.run().await), [1, 3, 0, 0]);
    publish(&totesys, &[picky(LENIENT)]).await;
    replay(&totesys, None).await;
    assert_eq!(text(&totesys, HISTORY).await, ["t | 1 | 11 | f", "t | 3 | 12 | f", "t | 4 | 11 | t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overtaken_row_never_goes_over_a_newer_one() {
    let totesys = picky_totesys().await;
    totesys.run().await;
    order_5(&totesys, "soon", 11).await;
    totesys.run().await;
    order_5(&totesys, "2025-03-03", 12).await;
    assert_eq!(counts(&totesys.run().await), [0, 1, 0, 0], "the refused version is still a version");
    let entries = totesys.pipeline.quarantine(Some("picky")).await.unwrap();
    assert_eq!((entries.len(), entries[0].overtaken, entries[0].batch), (1, true, 2));
    publish(&totesys, &[picky(LENIENT)]).await;
    assert_eq!(counts(&replay(&totesys, None).await), [0, 0, 1, 1]);
    assert_eq!(text(&totesys, HISTORY).await[1..], ["f | 2 | 11 | f", "t | 3 | 12 | t"], "superseded");
    assert_eq!(text(&totesys, PROMISE).await, ["2025-03-03"]);
    assert_eq!(text(&totesys, VERSIONS).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_released_later_than_a_newer_refused_one_is_overtaken_too() {
    let totesys = picky_totesys().await;
    totesys.source.execute("INSERT INTO currency VALUES (9, 'ZZZ', now(), now())").await;
    totesys.run().await;
    // First refused for its date, then for its currency: the second is mended first.
    order_5(&totesys, "soon", 11).await;
    totesys.run().await;
    totesys
        .source
        .execute("UPDATE sales_order SET agreed_delivery_date = '2025-04-04', units_sold = 12, currency_id = 9 WHERE sales_order_id = 5")
        .await;
    assert_eq!(counts(&totesys.run().await), [1, 2, 0, 0]);
    totesys.source.execute("UPDATE currency SET currency_code = 'CHF' WHERE currency_id = 9").await;
    assert_eq!(counts(&totesys.run().await), [0, 1, 2, 1]);
    assert_eq!(text(&totesys, PROMISE).await, ["2025-04-04"]);
    publish(&totesys, &[picky(LENIENT)]).await;
    assert_eq!(counts(&replay(&totesys, None).await), [0, 0, 1, 1]);
    assert_eq!(text(&totesys, PROMISE).await, ["2025-04-04"]);
    assert_eq!(text(&totesys, HISTORY).await[1..], ["f | 2 | 11 | f", "t | 3 | 12 | t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_fails_on_open_rows_fails_nothing_else() {
    let totesys = picky_totesys().await;
    order_5(&totesys, "soon", 11).await;
    totesys.run().await;
    publish(&totesys, &[picky(PANICS)]).await;
    totesys.source.execute("UPDATE sales_order SET units_sold = 1234 WHERE sales_order_id = 6").await;
    assert_eq!(counts(&totesys.run().await), [0, 1, 0, 0]);
    let newest = "SELECT units_sold FROM fact_order_current WHERE sales_order_id = 6";
    assert_eq!(text(&totesys, newest).await, ["1234"]);
    publish(&totesys, &[picky(LENIENT)]).await;
    assert_eq!(counts(&replay(&totesys, None).await), [0, 0, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_which_too_much_is_refused_is_stopped_before_loading() {
    let totesys = picky_totesys().await;
    totesys.run().await;
    let contents = totesys.warehouse_contents().await;
    totesys.source.execute("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id <= 12").await;
    totesys.source.execute("UPDATE sales_order SET units_sold = 1 WHERE sales_order_id BETWEEN 13 AND 40").await;
    let bounds = |max_refused_share, refused_rows_floor| QuarantineSettings { max_refused_share, refused_rows_floor };
    let strict = totesys.pipeline_within(Limits::default()).with_quarantine(bounds(0.2, 5));
    let report = Box::pin(strict.run()).await.unwrap();
    let [failure] = report.failures.as_slice() else { panic!("{:?}", report.failures) };
    insta::assert_snapshot!(format!("{}\nhint: {}", failure.error, failure.error.hint().unwrap()));
    assert!(report.loads.is_empty());
    assert_eq!(totesys.warehouse_contents().await, contents);

    let rows = quarantined(&totesys).await;
    assert_eq!(rows.len(), 9, "those until it was stopped");
    assert!(rows.iter().all(|row| row.entry.held == Held::Stopped && row.row["agreed_delivery_date"] == "soon"));
    let shown = totesys.pipeline.quarantined(&rows[3].entry.id).await.unwrap();
    assert_eq!((shown.row, shown.entry.code.as_str()), (rows[3].row.clone(), "malformed-date"));
    assert_eq!(totesys.pipeline.status().await.unwrap().stars[0].stopped, Some(2));

    // Asked again, it says so without trying: nothing is written but the check.
    let objects = totesys.objects().await;
    assert_eq!(Box::pin(strict.run()).await.unwrap().failures.len(), 1);
    assert_eq!(totesys.objects().await.len(), objects.len() + 1);

    // Under the usual bounds twelve rows are too few to stop anything.
    assert_eq!(counts(&totesys.run().await), [12, 12, 0, 0]);
    assert_eq!(totesys.pipeline.status().await.unwrap().stars[0].stopped, None);
    let changed = "SELECT count(*) FROM fact_order_current WHERE sales_order_id BETWEEN 13 AND 40 AND units_sold = 1";
    assert_eq!(totesys.warehouse_number(changed).await, 28);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_larger_than_a_push_is_kept_and_stops_nothing() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys
        .source
        .execute("UPDATE sales_order SET agreed_delivery_date = repeat('x', 9000000) WHERE sales_order_id = 5")
        .await;
    let report = totesys.run().await;
    let sales = report.transformations.iter().find(|star| star.star == "sales").unwrap();
    assert_eq!((sales.refused.get("row-too-large"), sales.open), (Some(&1), 1));
    let orders = totesys.source_rows("SELECT count(*) - 1 FROM sales_order").await;
    assert_eq!(totesys.warehouse_rows("SELECT count(*) FROM fact_sales_order").await, orders);
    let rows = quarantined(&totesys).await;
    assert_eq!(rows[0].row["agreed_delivery_date"].as_str().map(str::len), Some(9_000_000));
    // Offered again it is as large as before.
    let report = replay(&totesys, Some("sales")).await;
    let sales = report.transformations.iter().find(|star| star.star == "sales").unwrap();
    assert_eq!((sales.open, sales.offered, sales.released), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_the_codec_cannot_hold_is_open_until_its_key_is_read() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.source.execute("UPDATE sales_order SET unit_price = 'NaN' WHERE sales_order_id IN (5, 6)").await;
    totesys.run().await;
    let unreadable = async || {
        let entries = totesys.pipeline.quarantine(None).await.unwrap();
        assert!(entries.iter().all(|entry| entry.held == Held::Unreadable && entry.code == "numeric-not-finite"));
        entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(unreadable().await, ["unreadable/1/0/sales_order", "unreadable/1/1/sales_order"]);
    assert_eq!(totesys.pipeline.status().await.unwrap().unreadable["sales_order"], 2);
    let row = totesys.pipeline.quarantined("unreadable/1/1/sales_order").await.unwrap();
    assert_eq!((row.row["unit_price"].as_str(), row.column.as_deref()), (Some("NaN"), Some("unit_price")));

    // One is mended; the other changes and still cannot be read.
    totesys.source.execute("UPDATE sales_order SET unit_price = 1.5 WHERE sales_order_id = 5").await;
    totesys.run().await;
    assert_eq!(unreadable().await, ["unreadable/1/1/sales_order"]);
    totesys.source.execute("UPDATE sales_order SET units_sold = 3 WHERE sales_order_id = 6").await;
    totesys.run().await;
    assert_eq!(unreadable().await, ["unreadable/3/0/sales_order"]);
    totesys.source.execute("UPDATE sales_order SET unit_price = 1.5 WHERE sales_order_id = 6").await;
    totesys.run().await;
    assert!(unreadable().await.is_empty());
    let orders = totesys.source_rows("SELECT count(*) FROM sales_order").await;
    assert_eq!(totesys.warehouse_rows("SELECT count(*) FROM fact_sales_order_current").await, orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_rows_are_read_again_when_their_table_is_described_otherwise() {
    let totesys = picky_totesys().await;
    let others: Vec<_> = STARS.iter().map(|star| component(star)).collect();
    publish(&totesys, &others).await;
    totesys.source.execute("UPDATE sales_order SET unit_price = 'NaN' WHERE sales_order_id = 5").await;
    totesys.run().await;
    // The picky star describes fewer columns than all together.
    Box::pin(test_publisher().roll_back(&totesys.lake, Some(1), "the picky star alone")).await.unwrap();
    let report = totesys.run().await;
    let Extraction::Batch { batch: 2, tables, .. } = &report.extraction else { panic!("{:?}", report.extraction) };
    assert!(tables["sales_order"].whole && tables["sales_order"].refused == 1);
    let entries = totesys.pipeline.quarantine(None).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["unreadable/2/0/sales_order"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_listed_and_shown_with_its_reason() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys
        .source
        .execute("UPDATE sales_order SET agreed_delivery_date = 'soon, \"or\" so' WHERE sales_order_id IN (5, 8)")
        .await;
    totesys.source.execute("UPDATE sales_order SET agreed_payment_date = '' WHERE sales_order_id = 5").await;
    totesys.source.execute("INSERT INTO currency VALUES (9, 'ZZZ', now(), now())").await;
    totesys.source.execute("UPDATE payment SET currency_id = 9 WHERE payment_id = 3").await;
    totesys.run().await;
    let entries = totesys.pipeline.quarantine(None).await.unwrap();
    let listed: Vec<_> = entries.iter().map(|entry| (entry.id.as_str(), entry.code.as_str())).collect();
    assert_eq!(
        listed[..2],
        [("refused/sales/1/0/sales_order", "malformed-date"), ("refused/sales/1/1/sales_order", "malformed-date")]
    );
    assert_eq!(entries.len(), 3);
    assert_eq!((entries[2].held, entries[2].code.as_str()), (Held::Waiting, "missing dim_currency"));
    assert!(!serde_json::to_string(&entries).unwrap().contains("soon"), "a list has no values");

    let rows = quarantined(&totesys).await;
    assert_eq!(rows.iter().map(|row| &row.entry).collect::<Vec<_>>(), entries.iter().collect::<Vec<_>>());
    for row in &rows {
        let shown = totesys.pipeline.quarantined(&row.entry.id).await.unwrap();
        assert_eq!(serde_json::to_value(&shown).unwrap(), serde_json::to_value(row).unwrap());
    }
    let order = rows.iter().find(|row| row.row.get("sales_order_id").is_some_and(|id| id == "8")).unwrap();
    assert_eq!(order.row["agreed_delivery_date"], "soon, \"or\" so");
    assert!(order.text.as_ref().is_some_and(|text| text.contains("soon")) && order.column.is_some());
    assert_eq!(order.component.as_ref().map(String::len), Some(64));
    assert_eq!(rows[2].row["payment_id"], "3");

    let status = totesys.pipeline.status().await.unwrap();
    let star = |name: &str| status.stars.iter().find(|star| star.star == name).map(|star| (star.open, star.waiting));
    assert_eq!((star("sales"), star("payments"), star("purchases")), (Some((2, 0)), Some((0, 1)), Some((0, 0))));
    let of_star = totesys.pipeline.quarantine(Some("payments")).await.unwrap();
    assert_eq!(of_star, entries[2..]);
    for wrong in ["refused/sales/1/2/sales_order", "refused/payments/1/0/sales_order", "nothing"] {
        let error = totesys.pipeline.quarantined(wrong).await.err().unwrap();
        assert!(matches!(error, HostError::NotInQuarantine { .. }), "{error}");
    }
}
