//! A star that was made, tested and built outside the checkout, as `cargo xtask transform new` makes one, under the
//! unchanged host.

use totesys_tests::{Data, Totesys};

/// Set by `cargo xtask test`, which makes the star.
const COMPONENT: &str = "TOTESYS_TEST_OUTSIDE";

#[tokio::test(flavor = "multi_thread")]
async fn a_star_of_ones_own_fills_its_tables_and_refers_to_a_dimension_of_another() {
    let path =
        std::env::var_os(COMPONENT).unwrap_or_else(|| panic!("{COMPONENT} is not set; hint: `cargo xtask test`"));
    let component = std::fs::read(&path).unwrap();
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    totesys.publish(&[component], "a star of one's own").await;
    totesys.run().await;
    let orders = "SELECT sales_order_id, design_id, units_sold, unit_price FROM";
    assert_eq!(
        totesys.warehouse_rows(&format!("{orders} fact_order_book_current ORDER BY 1")).await,
        totesys.source_rows(&format!("{orders} sales_order ORDER BY 1")).await
    );
    // Its foreign key leads to a dimension that it does not write.
    let key = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'fact_order_book'::regclass
               AND confrelid = 'dim_design'::regclass";
    assert_eq!(totesys.warehouse_number(key).await, 1);
    let written = totesys.lake.newest_transformation("order-book").await.unwrap().unwrap();
    assert!(written.outputs.iter().all(|output| output.table == "fact_order_book"));
    // The other stars are as they were, and a change reaches both facts of an order.
    totesys.source.execute("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 5").await;
    totesys.run().await;
    for fact in ["fact_order_book", "fact_sales_order"] {
        let versions = format!("SELECT count(*) FROM {fact} WHERE sales_order_id = 5");
        assert_eq!(totesys.warehouse_number(&versions).await, 2, "{fact}");
    }
}
