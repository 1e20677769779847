//! A component that was not written in Rust runs beside those that were.

use totesys_tests::{Data, Totesys};

/// Set by `cargo xtask test` where node and npm are there to build the component.
const COMPONENT: &str = "TOTESYS_TEST_LANGUAGE";

#[tokio::test(flavor = "multi_thread")]
async fn a_star_in_javascript_fills_its_tables() {
    let Some(path) = std::env::var_os(COMPONENT) else { return };
    let component = std::fs::read(&path).unwrap();
    let totesys = Totesys::start(Data::Sample).await;
    totesys.source.execute("INSERT INTO currency VALUES (9, 'ZZZ', now(), now())").await;
    totesys.publish(&[component], "a star in JavaScript").await;
    // Within the limits of every star.
    totesys.run().await;
    let values = "SELECT sales_order_id, currency_id, value FROM fact_order_value_current ORDER BY 1";
    let expected = "SELECT sales_order_id, currency_id, (units_sold * unit_price)::numeric(18,2) FROM sales_order
                    ORDER BY 1";
    let (found, rows) = (totesys.warehouse_rows(values).await, totesys.source_rows(expected).await);
    assert!(rows.len() > 100);
    assert_eq!(found, rows);
    let codes = "SELECT currency_id, currency_code FROM";
    assert_eq!(
        totesys.warehouse_rows(&format!("{codes} dim_currency_code ORDER BY 1")).await,
        totesys.source_rows(&format!("{codes} currency ORDER BY 1")).await
    );
    // A change alone goes through a fresh instance.
    totesys.source.execute("UPDATE sales_order SET units_sold = 3, unit_price = 0.07 WHERE sales_order_id = 5").await;
    totesys.run().await;
    let versions = "SELECT value FROM fact_order_value WHERE sales_order_id = 5 ORDER BY order_value_record_id DESC";
    assert_eq!(totesys.warehouse_rows(versions).await[0][0].as_deref(), Some("0.21"));
}
