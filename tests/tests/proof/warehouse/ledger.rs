//! Batches in order, each once, whatever runs at the same time.

use super::house::{House, connected, options, owners, prepared, rows, shop, stage, stamp, star_batch};
use totesys_warehouse::{Begun, LakeStamp, Warehouse, WarehouseError};

const VISIT: &str = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00";

#[tokio::test]
async fn the_same_batch_again_changes_nothing() {
    let mut house = House::lived_in().await;
    let loaded = house.warehouse.loaded("shop").await.expect("the ledger").expect("batch 1 is loaded");
    assert_eq!((loaded.batch, loaded.snapshot_micros), (1, star_batch("shop", 1).snapshot_micros));
    match house.warehouse.begin(star_batch("shop", 1)).await.expect("an answer") {
        Begun::AlreadyLoaded(row) => assert_eq!(row, loaded),
        Begun::Load(_) => panic!("batch 1 was loaded before"),
    }
    assert_eq!(house.warehouse.loaded("club").await.expect("the ledger"), None);
}

#[tokio::test]
async fn batches_out_of_order_are_refused() {
    let mut house = House::new().await;
    house.load("shop", 4, &[]).await;
    for offered in [2, 6] {
        let error = house.warehouse.begin(star_batch("shop", offered)).await.expect_err("it is not next");
        assert_eq!(
            error.to_string(),
            format!("batch {offered} of star `shop` is out of order: the newest loaded batch is 4")
        );
        assert_eq!(error.hint().as_deref(), Some("load batch 5 next"));
    }
}

#[tokio::test]
async fn a_load_that_is_dropped_leaves_nothing() {
    for first in [true, false] {
        let mut house = if first { House::new().await } else { House::lived_in().await };
        let tables = "SELECT (SELECT count(*) FROM team.fact_visit), (SELECT count(*) FROM team.dim_kind),
                      (SELECT count(*) FROM team_totesys.loads), (SELECT count(*) FROM pg_constraint)";
        let before = house.rows(tables).await;
        let next = if first { 1 } else { 2 };
        if let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", next)).await.expect("it is next") {
            let rows: super::house::Rows = &[("dim_kind", &["5 | x"]), ("fact_visit", &[VISIT])];
            stage(&mut load, "shop", rows).await.expect("rows that fit");
        }
        assert_eq!(house.warehouse.loaded("shop").await.expect("the ledger").map(|r| r.batch), (!first).then_some(1));
        assert_eq!(house.rows(tables).await, before);
    }
}

#[tokio::test]
async fn of_two_loaders_of_one_batch_the_second_finds_it_loaded() {
    let mut house = House::lived_in().await;
    let mut second = prepared(&house.database, &[shop()]).await;
    let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", 2)).await.expect("batch 2 is next") else {
        panic!("batch 2 is new");
    };
    stage(&mut load, "shop", &[("fact_visit", &[VISIT])]).await.expect("rows that fit");
    let waits = tokio::spawn(async move {
        match second.begin(star_batch("shop", 2)).await.expect("an answer once the first is done") {
            Begun::AlreadyLoaded(row) => row.batch,
            Begun::Load(_) => panic!("the batch would be loaded twice"),
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waits.is_finished(), "the second loader waits for the first");
    load.commit().await.expect("the first load");
    assert_eq!(waits.await.expect("the second loader"), 2);
    house.expect("SELECT count(*) FROM team.fact_visit", &["2"]).await;
}

#[tokio::test]
async fn stars_load_at_the_same_time_without_deadlock() {
    let house = House::new().await;
    let mut tasks = Vec::new();
    for star in ["shop", "club"] {
        let mut warehouse = prepared(&house.database, &[super::house::shop(), super::house::club()]).await;
        tasks.push(tokio::spawn(async move {
            for batch in 1..=10 {
                let Begun::Load(mut load) = warehouse.begin(star_batch(star, batch)).await? else {
                    panic!("each batch is new");
                };
                let fact: (&str, &[&str]) = match star {
                    "shop" => ("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | - | 5.00"]),
                    _ => ("fact_entry", &["7 | 1"]),
                };
                stage(&mut load, star, &[fact, ("dim_place", &["2 | York | -", "1 | Leeds | -"])]).await?;
                load.commit().await?;
            }
            Ok::<_, WarehouseError>(())
        }));
    }
    for task in tasks {
        task.await.expect("no panic").expect("every batch loads");
    }
    house
        .expect("SELECT star, max(batch) FROM team_totesys.loads GROUP BY 1 ORDER BY 1", &["club | 10", "shop | 10"])
        .await;
}

#[tokio::test]
async fn another_lake_is_refused() {
    let house = House::new().await;
    let other = LakeStamp { lake_id: "lake-2".to_owned(), ..stamp() };
    let error = Warehouse::connect(&house.database.settings(), &super::house::options(), &other).await;
    let error = error.expect_err("the stamp differs");
    assert_eq!(error.to_string(), "the warehouse is filled from another lake or source");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("lake lake-1, source 7001 database source") && hint.contains("lake lake-2"), "{hint}");
}

#[tokio::test]
async fn what_was_not_described_is_refused() {
    let house = House::new().await;
    let mut warehouse = connected(&house.database).await;
    let error = warehouse.begin(star_batch("shop", 1)).await.expect_err("nothing is prepared");
    assert_eq!(error.to_string(), "the star `shop` was not prepared");
    warehouse.prepare(&[shop()], &owners()).await.expect("a star");
    let Begun::Load(mut load) = warehouse.begin(star_batch("shop", 1)).await.expect("batch 1 is next") else {
        panic!("batch 1 is new");
    };
    let kinds = super::house::record_batch(&shop().outputs[1], &["1 | x"]);
    let error = load.stage("fact_entry", &kinds).await.expect_err("another star's table");
    assert_eq!(error.to_string(), "the star `shop` does not write `fact_entry`");
    let error = load.stage("dim_place", &kinds).await.expect_err("another table's columns");
    assert_eq!(
        error.to_string(),
        "a record batch for `dim_place` does not fit its description: column `place_id` is not where it was described"
    );
}

#[tokio::test]
async fn who_only_looks_makes_no_warehouse() {
    let database = totesys_tests::TestDatabase::create().await;
    let look = async |stamp: &LakeStamp| Warehouse::connect_existing(&database.settings(), &options(), stamp).await;
    assert!(look(&stamp()).await.expect("an answer").is_none());
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'team%' ORDER BY 1";
    assert!(rows(&database, schemas).await.is_empty());
    connected(&database).await;
    let warehouse = look(&stamp()).await.expect("an answer").expect("a warehouse");
    assert_eq!(warehouse.loaded("shop").await.expect("the ledger"), None);
    let other = LakeStamp { lake_id: "lake-2".to_owned(), ..stamp() };
    assert!(matches!(look(&other).await, Err(WarehouseError::Stamp { .. })));
    database.execute("DROP TABLE team_totesys.stamp").await;
    assert!(matches!(look(&stamp()).await, Err(WarehouseError::TableMissing { .. })));
}
