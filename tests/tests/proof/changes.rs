//! What happens to an order in the source, and the versions the warehouse then keeps: each once, in order.

use host_lambda::Extraction;
use totesys_tests::{Data, Totesys};

/// A pipeline whose first batch is in.
async fn loaded() -> Totesys {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    totesys
}

/// The units of every version of an order, oldest first.
async fn units(totesys: &Totesys, order: i32) -> Vec<String> {
    let query =
        format!("SELECT units_sold FROM fact_sales_order WHERE sales_order_id = {order} ORDER BY sales_record_id");
    totesys.warehouse_rows(&query).await.into_iter().flatten().flatten().collect()
}

/// Versions beyond the first of each order: what a scenario is answerable for.
async fn further_versions(totesys: &Totesys) -> i64 {
    totesys.warehouse_number("SELECT count(*) - count(DISTINCT sales_order_id) FROM fact_sales_order").await
}

fn set(order: i32, units: i32) -> String {
    format!("UPDATE sales_order SET units_sold = {units} WHERE sales_order_id = {order}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_update_is_a_version() {
    let totesys = loaded().await;
    let first = units(&totesys, 1).await;
    totesys.source.execute(&set(1, 777)).await;
    totesys.run().await;
    assert_eq!(units(&totesys, 1).await, [first[0].as_str(), "777"]);
    assert_eq!(further_versions(&totesys).await, 1);
    let same_stamp = "SELECT count(DISTINCT (last_updated_date, last_updated_time)) FROM fact_sales_order
                      WHERE sales_order_id = 1";
    assert_eq!(totesys.warehouse_number(same_stamp).await, 1, "last_updated did not move");
    let current = "SELECT units_sold FROM fact_sales_order_current WHERE sales_order_id = 1";
    assert_eq!(totesys.warehouse_number(current).await, 777);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changes_nothing_is_no_version() {
    let totesys = loaded().await;
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold WHERE sales_order_id <= 20").await;
    assert!(matches!(totesys.run().await.extraction, Extraction::Batch { batch: 2, .. }));
    assert_eq!(further_versions(&totesys).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_written_inside_a_savepoint_is_a_version() {
    let totesys = loaded().await;
    let session = totesys.source.connect().await;
    session.batch_execute(&format!("BEGIN; SAVEPOINT a; {}; RELEASE a", set(2, 201))).await.unwrap();
    // A batch while the outer transaction is open must neither see the row nor lose it.
    totesys.run().await;
    totesys.source.execute(&set(3, 301)).await;
    totesys.run().await;
    session.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    assert_eq!(units(&totesys, 2).await[1..], ["201"]);
    assert_eq!(units(&totesys, 3).await[1..], ["301"]);
    assert_eq!(further_versions(&totesys).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_commits_after_checks_that_need_not_look_is_found() {
    let totesys = loaded().await;
    let (older, younger) = (totesys.source.connect().await, totesys.source.connect().await);
    older.batch_execute(&format!("BEGIN; {}", set(2, 201))).await.unwrap();
    younger.batch_execute(&format!("BEGIN; {}", set(3, 301))).await.unwrap();
    // Other tests' transactions end on this server too; a few checks in a row meet some moments without.
    for _ in 0..3 {
        totesys.run().await;
    }
    younger.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    assert_eq!(units(&totesys, 3).await[1..], ["301"]);
    for _ in 0..3 {
        totesys.run().await;
    }
    older.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    assert_eq!(units(&totesys, 2).await[1..], ["201"]);
    totesys.source.execute("DELETE FROM payment WHERE payment_id = 1").await;
    totesys.run().await;
    let gone = "SELECT count(*) FROM fact_payment_history WHERE payment_id = 1 AND deleted_at IS NOT NULL";
    assert_eq!(totesys.warehouse_number(gone).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_open_across_batches_arrives_when_it_commits() {
    let totesys = loaded().await;
    let session = totesys.source.connect().await;
    session.batch_execute(&format!("BEGIN; {}", set(4, 401))).await.unwrap();
    for units in 501..=503 {
        totesys.source.execute(&set(5, units)).await;
        totesys.run().await;
    }
    assert_eq!(units(&totesys, 4).await.len(), 1);
    session.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    totesys.run().await;
    assert_eq!(units(&totesys, 4).await[1..], ["401"]);
    assert_eq!(units(&totesys, 5).await[1..], ["501", "502", "503"]);
    assert_eq!(further_versions(&totesys).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_with_an_older_timestamp_arrives() {
    let totesys = loaded().await;
    let late = totesys.source.connect().await;
    let stamped = |order, units, stamp: &str| {
        format!("UPDATE sales_order SET units_sold = {units}, last_updated = '{stamp}' WHERE sales_order_id = {order}")
    };
    late.batch_execute(&format!("BEGIN; {}", stamped(6, 601, "2025-01-01 09:00:00.000"))).await.unwrap();
    totesys.source.execute(&stamped(7, 701, "2025-01-01 10:00:00.000")).await;
    totesys.run().await;
    late.batch_execute("COMMIT").await.unwrap();
    totesys.run().await;
    assert_eq!(units(&totesys, 6).await[1..], ["601"]);
    assert_eq!(units(&totesys, 7).await[1..], ["701"]);
    assert_eq!(further_versions(&totesys).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tied_timestamps_are_all_taken() {
    let totesys = loaded().await;
    let tie = |from: i32, to: i32| {
        format!(
            "UPDATE payment SET paid = NOT paid, last_updated = '2025-03-03 07:55:00.123'
             WHERE payment_id BETWEEN {from} AND {to}"
        )
    };
    totesys.source.execute(&tie(1, 20)).await;
    totesys.run().await;
    // The other half of the tie comes later, under the same timestamp.
    totesys.source.execute(&tie(21, 37)).await;
    totesys.run().await;
    let tied = "SELECT count(*) FROM fact_payment WHERE last_updated_date = '2025-03-03' AND last_updated_time = '07:55:00.123'";
    assert_eq!(totesys.warehouse_number(tied).await, 37);
    let further = "SELECT count(*) - count(DISTINCT payment_id) FROM fact_payment";
    assert_eq!(totesys.warehouse_number(further).await, 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_and_back_again_is_three_versions() {
    let totesys = loaded().await;
    let first = units(&totesys, 8).await[0].clone();
    totesys.source.execute(&set(8, 801)).await;
    totesys.run().await;
    totesys.source.execute(&set(8, first.parse().unwrap())).await;
    totesys.run().await;
    assert_eq!(units(&totesys, 8).await, [first.as_str(), "801", first.as_str()]);
    assert_eq!(further_versions(&totesys).await, 2);
    // One version follows the other without a gap, and the last one stands.
    let history = "SELECT count(*) FROM (SELECT valid_to, lead(valid_from) OVER (ORDER BY sales_record_id) AS next
                   FROM fact_sales_order_history WHERE sales_order_id = 8) v WHERE valid_to IS NOT DISTINCT FROM next";
    assert_eq!(totesys.warehouse_number(history).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_alone_changes_its_staff() {
    let totesys = loaded().await;
    totesys.source.execute("UPDATE department SET location = 'York' WHERE department_id = 2").await;
    totesys.run().await;
    let staff = totesys.source_rows("SELECT count(*) FROM staff WHERE department_id = 2").await;
    assert_ne!(staff[0][0].as_deref(), Some("0"), "the sample must have somebody there");
    let moved = totesys.warehouse_rows("SELECT count(*) FROM dim_staff WHERE location = 'York'").await;
    assert_eq!(moved, staff);
    assert_eq!(further_versions(&totesys).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_alone_changes_counterparty_and_location() {
    let totesys = loaded().await;
    let address = "(SELECT legal_address_id FROM counterparty WHERE counterparty_id = 1)";
    totesys.source.execute(&format!("UPDATE address SET city = 'O''Keefe''s Town' WHERE address_id = {address}")).await;
    totesys.run().await;
    for query in [
        "SELECT counterparty_legal_city FROM dim_counterparty WHERE counterparty_id = 1",
        "SELECT DISTINCT city FROM dim_location WHERE city LIKE 'O''%Town'",
    ] {
        let found = totesys.warehouse_rows(query).await;
        assert_eq!(found, [[Some("O'Keefe's Town".to_owned())]], "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_null_on_a_transaction_reaches_its_dimension() {
    let totesys = loaded().await;
    let transaction = "(SELECT min(transaction_id) FROM transaction WHERE sales_order_id IS NOT NULL)";
    totesys
        .source
        .execute(&format!("UPDATE transaction SET sales_order_id = NULL WHERE transaction_id = {transaction}"))
        .await;
    totesys.run().await;
    let (nulls, expected) = (
        totesys.warehouse_rows("SELECT count(*) FROM dim_transaction WHERE sales_order_id IS NULL").await,
        totesys.source_rows("SELECT count(*) FROM transaction WHERE sales_order_id IS NULL").await,
    );
    assert_eq!(nulls, expected);
}
