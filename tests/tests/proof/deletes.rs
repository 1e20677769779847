//! Rows that are deleted in the source, end to end.

use host_lambda::Extraction;
use totesys_tests::{Data, Rows, Totesys};

async fn loaded() -> Totesys {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    totesys
}

/// Deletes an order the way the source does: its transaction stays, and points at nothing.
async fn delete(totesys: &Totesys, order: i32) {
    totesys.source.execute(&format!("DELETE FROM sales_order WHERE sales_order_id = {order}")).await;
}

/// The versions of an order: units, batch, whether it is current, the batch that noticed its deletion.
async fn history(totesys: &Totesys, order: i32) -> Rows {
    let query = format!(
        "SELECT units_sold, batch, is_current, deleted_in FROM fact_sales_order_history
         WHERE sales_order_id = {order} ORDER BY sales_record_id"
    );
    totesys.warehouse_rows(&query).await
}

fn row(units: &str, batch: u64, current: bool, deleted_in: Option<u64>) -> Vec<Option<String>> {
    let current = if current { "t" } else { "f" };
    let deleted = deleted_in.map(|batch| batch.to_string());
    vec![Some(units.to_owned()), Some(batch.to_string()), Some(current.to_owned()), deleted]
}

async fn current(totesys: &Totesys) -> Vec<i32> {
    let rows = totesys.warehouse_rows("SELECT sales_order_id FROM fact_sales_order_current ORDER BY 1").await;
    rows.into_iter().flatten().flatten().map(|id| id.parse().unwrap()).collect()
}

async fn living(totesys: &Totesys) -> Vec<i32> {
    let rows = totesys.source_rows("SELECT sales_order_id FROM sales_order ORDER BY 1").await;
    rows.into_iter().flatten().flatten().map(|id| id.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_order_keeps_its_versions_and_may_come_back() {
    let totesys = loaded().await;
    let rows = totesys.source_rows("SELECT units_sold FROM sales_order WHERE sales_order_id = 1").await;
    let units = rows[0][0].clone().unwrap();
    totesys.source.execute("CREATE TABLE kept AS SELECT * FROM sales_order WHERE sales_order_id = 1").await;
    let dimensions = totesys.warehouse_rows("SELECT * FROM dim_staff ORDER BY 1").await;
    delete(&totesys, 1).await;
    totesys.run().await;
    assert_eq!(history(&totesys, 1).await, [row(&units, 1, false, Some(2))]);
    assert_eq!(current(&totesys).await, living(&totesys).await);
    // The link was set to NULL without anybody touching last_updated.
    let linked = "SELECT count(*) FROM dim_transaction WHERE sales_order_id = 1";
    assert_eq!(totesys.warehouse_number(linked).await, 0);
    assert_eq!(totesys.warehouse_rows("SELECT * FROM dim_staff ORDER BY 1").await, dimensions);

    // It is noticed once.
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));

    totesys.source.execute("INSERT INTO sales_order SELECT * FROM kept").await;
    totesys.run().await;
    assert_eq!(history(&totesys, 1).await, [row(&units, 1, false, Some(2)), row(&units, 3, true, None)]);
    assert_eq!(current(&totesys).await, living(&totesys).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_b_a_with_a_deletion_between() {
    let totesys = loaded().await;
    let set = |units: i32| format!("UPDATE sales_order SET units_sold = {units} WHERE sales_order_id = 2");
    for change in [
        set(1001),
        set(1002),
        "CREATE TABLE kept AS SELECT * FROM sales_order WHERE sales_order_id = 2;
         DELETE FROM sales_order WHERE sales_order_id = 2"
            .to_owned(),
        "INSERT INTO sales_order SELECT * FROM kept; ".to_owned() + &set(1001),
    ] {
        totesys.source.execute(&change).await;
        totesys.run().await;
    }
    let versions = history(&totesys, 2).await;
    assert_eq!(
        versions[1..],
        [row("1001", 2, false, None), row("1002", 3, false, Some(4)), row("1001", 5, true, None)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_beside_new_rows_and_a_late_commit_is_noticed() {
    let totesys = loaded().await;
    let copy = |from: i32, to: i32| {
        format!(
            "INSERT INTO sales_order SELECT {to}, created_at, last_updated, design_id, staff_id, counterparty_id,
               units_sold, unit_price, currency_id, agreed_delivery_date, agreed_payment_date,
               agreed_delivery_location_id FROM sales_order WHERE sales_order_id = {from}"
        )
    };
    // A lower number commits after a higher one: not new in its order, and not a deletion either.
    let late = totesys.source.connect().await;
    late.batch_execute(&format!("BEGIN; {}", copy(3, 900_001))).await.unwrap();
    totesys.source.execute(&copy(3, 900_002)).await;
    totesys.run().await;
    late.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    assert_eq!(current(&totesys).await, living(&totesys).await);
    let noticed = "SELECT count(*) FROM totesys_totesys.fact_sales_order_deletions";
    assert_eq!(totesys.warehouse_number(noticed).await, 0);

    totesys.source.execute(&copy(3, 900_003)).await;
    delete(&totesys, 3).await;
    delete(&totesys, 900_002).await;
    totesys.run().await;
    assert_eq!(current(&totesys).await, living(&totesys).await);
    assert_eq!(totesys.warehouse_number(noticed).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_table_deletes_every_fact() {
    let totesys = loaded().await;
    let before = totesys.warehouse_number("SELECT count(*) FROM fact_payment").await;
    assert!(before > 0);
    totesys.source.execute("TRUNCATE payment").await;
    totesys.run().await;
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM fact_payment_current").await, 0);
    assert_eq!(totesys.warehouse_number("SELECT count(*) FROM fact_payment").await, before);
    let noticed = "SELECT count(*) FROM fact_payment_history WHERE deleted_in = 2";
    assert_eq!(totesys.warehouse_number(noticed).await, before);
}
