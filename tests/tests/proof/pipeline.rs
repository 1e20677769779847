//! Running again, running while others are at work, and starting over after a crash between stages.

use host_lambda::Extraction;
use totesys_lake::Bucket;
use totesys_sandbox::Limits;
use totesys_tests::{Data, STARS, Totesys};

fn added(before: &[String], after: &[String]) -> Vec<String> {
    after.iter().filter(|object| !before.contains(object)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_changes_writes_only_its_check_record() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let (objects, contents) = (totesys.objects().await, totesys.warehouse_contents().await);
    let report = totesys.run().await;
    assert!(matches!(report.extraction, Extraction::NothingNew { after: Some(1), .. }));
    let new = added(&objects, &totesys.objects().await);
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(new[0].starts_with("ExtractionTimes checks/"), "{new:?}");
    assert_eq!(totesys.warehouse_contents().await, contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_elsewhere_does_not_make_batches() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.source.execute("CREATE TABLE unrelated (id int)").await;
    let other = totesys.source.connect().await;
    other.batch_execute("BEGIN; INSERT INTO unrelated VALUES (1)").await.unwrap();
    // Written after the other transaction began: its rows stay at or above every snapshot's xmin.
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    totesys.run().await;
    for _ in 0..2 {
        assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));
    }
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 6").await;
    assert!(matches!(totesys.run().await.extraction, Extraction::Batch { batch: 2, .. }));
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));
    other.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_run_twice_changes_nothing() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id < 4").await;
    totesys.run().await;
    let (objects, contents) = (totesys.objects().await, totesys.warehouse_contents().await);
    for star in STARS {
        assert!(totesys.pipeline.transform(star).await.unwrap().is_empty());
        assert!(totesys.pipeline.load(star).await.unwrap().is_empty());
    }
    assert_eq!(totesys.objects().await, objects);
    assert_eq!(totesys.warehouse_contents().await, contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_left_by_a_run_that_died_are_taken_up_in_order() {
    let totesys = Totesys::start(Data::Sample).await;
    // Three extractions whose runs died before the next stage; one star got a little further.
    for units in 1..=3 {
        let change = format!("UPDATE sales_order SET units_sold = {units} WHERE sales_order_id = 9");
        totesys.source.execute(&change).await;
        totesys.pipeline.extract().await.unwrap();
        if units == 2 {
            assert_eq!(totesys.pipeline.transform("sales").await.unwrap().len(), 2);
        }
    }
    let report = totesys.run().await;
    assert!(matches!(report.extraction, Extraction::NothingNew { .. }));
    assert_eq!(report.loads.len(), 3 * STARS.len());
    let versions = totesys
        .warehouse_rows("SELECT units_sold FROM fact_sales_order WHERE sales_order_id = 9 ORDER BY sales_record_id")
        .await;
    assert_eq!(versions.into_iter().flatten().flatten().collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_that_fails_halfway_leaves_nothing_for_the_next_to_stumble_over() {
    let totesys = Totesys::start(Data::Sample).await;
    // Enough for the first dimensions, not for the facts.
    let limits = Limits { output_rows_factor: 0, output_rows_floor: 40, ..Limits::default() };
    let tight = totesys.pipeline_within(limits);
    tight.extract().await.unwrap();
    let error = tight.transform("sales").await.unwrap_err();
    assert!(error.to_string().contains("over the limit of output rows of a batch (40"), "{error}");
    assert!(totesys.lake.list(Bucket::TransformedData, "parquets/", None).await.unwrap().is_empty());
    totesys.run().await;
    let orders = totesys.source_rows("SELECT count(*) FROM sales_order").await;
    assert_eq!(totesys.warehouse_rows("SELECT count(*) FROM fact_sales_order").await, orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_of_another_source_is_refused() {
    let (ours, other) = (Totesys::start(Data::Sample).await, Totesys::start(Data::Sample).await);
    ours.run().await;
    other.run().await;
    // The other source, with our lake.
    let places = host_lambda::Places {
        source: Some(other.source.settings()),
        source_options: Default::default(),
        warehouse: None,
        warehouse_options: totesys_warehouse::WarehouseOptions {
            schema: "totesys".into(),
            side_schema: None,
            statement_timeout: std::time::Duration::from_secs(60),
            lock_timeout: std::time::Duration::from_secs(60),
        },
        publishers: vec![],
    };
    let mixed = host_lambda::Pipeline::new(ours.lake.clone(), places, Limits::default(), std::sync::Arc::new(()));
    let error = mixed.unwrap().extract().await.unwrap_err();
    assert!(error.to_string().starts_with("this lake belongs to another source"), "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_it_stands() {
    let totesys = Totesys::start(Data::Sample).await;
    let before = totesys.pipeline.status().await.unwrap();
    assert_eq!((before.newest_batch, before.lag_seconds, before.catalog), (None, None, Some(1)));
    totesys.run().await;
    totesys.run().await;
    let status = totesys.pipeline.status().await.unwrap();
    assert_eq!(status.newest_batch, Some(1));
    assert!(status.newest_check_at > status.newest_batch_at);
    assert!(status.lag_seconds.is_some_and(|lag| lag < 600));
    assert_eq!(status.stars.len(), 3);
    assert!(status.stars.iter().all(|star| star.transformed == Some(1) && star.loaded == Some(1)));
    assert_eq!(status.tables.len(), 11);
}
