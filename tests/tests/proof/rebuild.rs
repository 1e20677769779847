//! A star computed again: the same rows and record ids by the same component, and by another one what there would be if
//! it had always been live.

use std::collections::BTreeMap;

use host_lambda::{HostError, Rebuild};
use picky::{LENIENT, PANICS, PRICED, STRICT};
use totesys_simulate::Random;
use totesys_tests::{Data, TestDatabase, Totesys, component, picky, rebuilt};
use totesys_warehouse::{SwapReport, WarehouseError};

/// What two histories of the same batches need not have in common: who made and loaded what, when, and in which
/// generation.
const PASSING: &[&str] = &["loaded_at", "attempt", "component_digest", "report", "definition", "stamped_at"];

/// What two lakes over one source do not have in common either: each takes its own snapshots.
const OF_TWO_LAKES: &[&str] = &[
    "lake_id",
    "snapshot_at",
    "valid_from",
    "valid_to",
    "deleted_at",
    "_deleted_at",
    "_noticed_at",
    "_snapshot_at",
    "_overtaken_at",
];

async fn contents(warehouse: &TestDatabase, passing: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut contents = warehouse.contents_without(passing).await;
    contents.retain(|table, _| table.starts_with("totesys.") || table.starts_with("totesys_totesys."));
    contents.remove("totesys_totesys.generations");
    contents
}

async fn rebuild(totesys: &Totesys, star: &str, from: Option<u64>) -> (Rebuild, SwapReport) {
    let rebuilt = Box::pin(totesys.pipeline.rebuild(star, from)).await.unwrap();
    let swapped = Box::pin(totesys.pipeline.swap_rebuild(&rebuilt)).await.unwrap();
    (rebuilt, swapped)
}

fn assert_same(found: &BTreeMap<String, Vec<String>>, expected: &BTreeMap<String, Vec<String>>, when: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{when}");
    for (table, rows) in expected {
        assert_eq!(found.get(table), Some(rows), "{when}: {table}");
    }
}

/// Things that happen to orders between two batches: new values, refusals and what mends them, deletions and returns.
async fn live_on(source: &TestDatabase, random: &mut Random) {
    source.execute("CREATE TABLE IF NOT EXISTS kept (LIKE sales_order)").await;
    for _ in 0..random.between(1, 4) {
        let order = random.between(1, 12);
        let of = |change: &str| format!("UPDATE sales_order SET {change} WHERE sales_order_id = {order}");
        let statement = match random.between(0, 9) {
            0 | 1 => of(&format!("units_sold = {}", random.between(1, 9))),
            2 | 3 => of("agreed_delivery_date = 'soon'"),
            4 => of("agreed_delivery_date = '2025-03-04'"),
            5 => of("currency_id = 9"),
            6 => "UPDATE currency SET currency_code = CASE currency_code WHEN 'ZZZ' THEN 'CHF' ELSE 'ZZZ' END
                  WHERE currency_id = 9"
                .to_owned(),
            7 | 8 => format!(
                "WITH gone AS (DELETE FROM sales_order WHERE sales_order_id = {order}
                   AND sales_order_id NOT IN (SELECT sales_order_id FROM transaction WHERE sales_order_id IS NOT NULL)
                   RETURNING *) INSERT INTO kept SELECT * FROM gone"
            ),
            _ => "WITH back AS (DELETE FROM kept RETURNING *) INSERT INTO sales_order SELECT * FROM back".to_owned(),
        };
        source.execute(&statement).await;
    }
}

async fn started(components: &[Vec<u8>]) -> Totesys {
    let totesys = Totesys::start_with(Data::Sample, components).await;
    let prepare = "INSERT INTO currency VALUES (9, 'ZZZ', now(), now());
                   DELETE FROM payment WHERE transaction_id IN
                     (SELECT transaction_id FROM transaction WHERE sales_order_id <= 6);
                   DELETE FROM transaction WHERE sales_order_id <= 6";
    totesys.source.execute(prepare).await;
    totesys
}

/// A run in which the picky star may fail; the others may not.
async fn run(totesys: &Totesys, picky_fails: bool) {
    let report = Box::pin(totesys.pipeline.run()).await.unwrap();
    let failed: Vec<&str> = report.failures.iter().map(|failure| failure.star.as_str()).collect();
    assert!(failed.is_empty() || picky_fails && failed == ["picky"], "{:?}", report.failures);
}

/// Swaps between builds that do the same, refusals and their release, deletions and returns, a star that waited behind
/// a component that fails: computed again it is the same to the last record id.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_star_is_the_same_in_every_row_and_id() {
    for seed in 1..=3 {
        let mut random = Random::new(seed);
        let sales = component("sales");
        let totesys = started(&[sales.clone(), picky(STRICT)]).await;
        run(&totesys, false).await;
        for round in 0..6 {
            live_on(&totesys.source, &mut random).await;
            match random.between(0, 4) {
                0 => totesys.publish(&[rebuilt(&picky(STRICT), &format!("build {round}"))], "again").await,
                1 => totesys.publish(&[rebuilt(&sales, &format!("build {round}"))], "again").await,
                2 => totesys.publish(&[picky(PANICS)], "one that fails").await,
                _ => totesys.publish(&[picky(STRICT)], "one that works").await,
            };
            run(&totesys, true).await;
        }
        totesys.publish(&[picky(STRICT)], "one that works").await;
        run(&totesys, false).await;
        let before = contents(&totesys.warehouse, PASSING).await;
        for star in ["picky", "sales"] {
            let (rebuilt, swapped) = rebuild(&totesys, star, None).await;
            assert_eq!((rebuilt.from, swapped.dependents.len()), (1, 0));
            assert_same(&contents(&totesys.warehouse, PASSING).await, &before, &format!("seed {seed}, {star}"));
            totesys.pipeline.accept_rebuild(star).await.unwrap();
        }
        // From the middle on it is the same as well, and the next batch goes on from there.
        let (rebuilt, _) = rebuild(&totesys, "picky", Some(4)).await;
        assert_eq!((rebuilt.from, rebuilt.generation), (4, 2));
        assert_same(&contents(&totesys.warehouse, PASSING).await, &before, &format!("seed {seed}, from batch 4"));
        live_on(&totesys.source, &mut random).await;
        totesys.source.execute("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 20").await;
        run(&totesys, false).await;
        let units = "SELECT units_sold FROM fact_order_current WHERE sales_order_id = 20";
        assert_eq!(totesys.warehouse_number(units).await, 4321);
        // A warehouse that is filled from the lake alone gets what the rebuilt one has.
        let fresh = TestDatabase::create().await;
        Box::pin(totesys.pipeline_into(&fresh, None).reload()).await.unwrap();
        let after = contents(&totesys.warehouse, PASSING).await;
        assert_same(&contents(&fresh, PASSING).await, &after, &format!("seed {seed}, reloaded"));
    }
}

/// Whatever was live before, a star rebuilt with its live component is what it would be had that always been live.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_what_there_would_be_had_the_component_always_been_live() {
    for seed in 11..=12 {
        let mut random = Random::new(seed);
        let changing = started(&[picky(STRICT)]).await;
        let mut steady = Totesys::start_with(Data::Empty, &[picky(LENIENT)]).await;
        steady.share_source(&changing);
        for round in 0..5 {
            let manners = if random.chance(0.5) { STRICT } else { LENIENT };
            changing.publish(&[rebuilt(&picky(manners), &format!("build {round}"))], manners).await;
            run(&changing, false).await;
            run(&steady, false).await;
            live_on(&changing.source, &mut random).await;
        }
        changing.publish(&[picky(LENIENT)], "the last").await;
        run(&changing, false).await;
        run(&steady, false).await;
        rebuild(&changing, "picky", None).await;
        let passing = [PASSING, OF_TWO_LAKES].concat();
        let found = contents(&changing.warehouse, &passing).await;
        assert_same(&found, &contents(&steady.warehouse, &passing).await, &format!("seed {seed}"));
        assert!(found["totesys.fact_order"].len() > 100);
    }
}

/// A component that describes one more column of a table that was ingested all along gets it of every old batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_further_column_is_filled_from_old_batches() {
    let totesys = started(&[picky(STRICT)]).await;
    run(&totesys, false).await;
    totesys.source.execute("UPDATE sales_order SET units_sold = 5, unit_price = 7.77 WHERE sales_order_id = 5").await;
    run(&totesys, false).await;
    totesys.publish(&[picky(PRICED)], "with prices").await;
    run(&totesys, false).await;
    let filled = "SELECT count(unit_price) FROM fact_order";
    let all = "SELECT count(*) FROM fact_order";
    assert!(totesys.warehouse_number(filled).await < totesys.warehouse_number(all).await);
    let versions = totesys.warehouse_number(all).await;
    let (prepared, _) = rebuild(&totesys, "picky", None).await;
    assert_eq!(totesys.warehouse_number(filled).await, totesys.warehouse_number(all).await);
    let table = prepared.tables.iter().find(|table| table.table == "fact_order").unwrap();
    // The swap had every order read again, and given a version with its price.
    assert_eq!((i64::try_from(table.rows_now).unwrap(), table.rows_then), (versions, table.rows_now - 120));
    let prices = "SELECT units_sold, unit_price FROM fact_order WHERE sales_order_id = 5 ORDER BY order_record_id";
    let rows = totesys.warehouse_rows(prices).await;
    assert_eq!((rows.len(), rows[1][1].as_deref()), (2, Some("7.77")));

    // Undone, everything is as it was before, and the next run goes on from there.
    totesys.pipeline.undo_rebuild("picky").await.unwrap();
    assert_eq!(totesys.warehouse_number(all).await, versions);
    assert!(totesys.warehouse_number(filled).await < versions);
    totesys.source.execute("UPDATE sales_order SET units_sold = 6 WHERE sales_order_id = 5").await;
    run(&totesys, false).await;
    assert_eq!(totesys.warehouse_number(all).await, versions + 1);
}

/// Every way a rebuild can be refused leaves the warehouse as it was, and says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_a_rebuilds_way_is_named() {
    let totesys = started(&[picky(STRICT)]).await;
    let error = Box::pin(totesys.pipeline.rebuild("picky", None)).await.unwrap_err();
    assert!(matches!(error, HostError::NothingLoaded), "{error}");
    run(&totesys, false).await;
    let error = Box::pin(totesys.pipeline.rebuild("nobody", None)).await.unwrap_err();
    assert!(matches!(error, HostError::UnknownStar(_)), "{error}");
    let error = Box::pin(totesys.pipeline.rebuild("picky", Some(9))).await.unwrap_err();
    assert!(matches!(error, HostError::NoManifest { batch: 9 }), "{error}");
    // A star that waits behind a component that fails cannot be rebuilt beyond what it has.
    totesys.publish(&[picky(PANICS)], "one that fails").await;
    for units in 1..4 {
        let change = format!(
            "UPDATE sales_order SET agreed_delivery_date = 'soon', units_sold = {units} WHERE sales_order_id = 7"
        );
        totesys.source.execute(&change).await;
        run(&totesys, true).await;
    }
    totesys.publish(&[picky(STRICT)], "one that works").await;
    let error = Box::pin(totesys.pipeline.rebuild("picky", Some(4))).await.unwrap_err();
    assert!(matches!(error, HostError::RebuildGap { from: 4, latest: 2, .. }), "{error}");
    run(&totesys, false).await;
    for error in [
        totesys.pipeline.accept_rebuild("picky").await.unwrap_err(),
        totesys.pipeline.undo_rebuild("picky").await.unwrap_err(),
    ] {
        assert!(matches!(error, HostError::NoRebuild { .. }), "{error}");
    }
    // Another component goes live between the preview and the swap.
    let before = contents(&totesys.warehouse, PASSING).await;
    let prepared = Box::pin(totesys.pipeline.rebuild("picky", None)).await.unwrap();
    totesys.publish(&[picky(LENIENT)], "meanwhile").await;
    let error = Box::pin(totesys.pipeline.swap_rebuild(&prepared)).await.unwrap_err();
    assert!(matches!(error, HostError::RebuildOvertaken { .. }), "{error}");
    assert_same(&contents(&totesys.warehouse, PASSING).await, &before, "overtaken");
    // What was swapped in has to be accepted or undone before the next.
    rebuild(&totesys, "picky", None).await;
    let error = Box::pin(totesys.pipeline.rebuild("picky", None)).await.unwrap_err();
    let HostError::Warehouse(error) = error else { panic!("{error}") };
    assert!(matches!(*error, WarehouseError::FormerKept { .. }), "{error}");
    assert!(error.hint().is_some());
    totesys.pipeline.accept_rebuild("picky").await.unwrap();
    assert!(totesys.pipeline.former_tables().await.unwrap().is_none());
}
