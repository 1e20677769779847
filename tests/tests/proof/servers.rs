//! Servers of a test's own as a source: their transaction numbers wrap, a replica of them lags or takes their place, or
//! their files come from a backup.

mod server;

use std::collections::BTreeSet;

use arrow_array::{Array, Int32Array};
use host_lambda::{Extraction, HostError};
use star_contract::{Column, ColumnType, Delivery};
use totesys_source::{Baseline, ReadMode, SourceError, SourceOptions, SourceSnapshot, TableRequest};
use totesys_tests::{Data, TestDatabase, Totesys, read_portion};

use server::Server;

/// Rows carry the lower half of a transaction's number; after this many they see the same numbers again.
const CIRCLE: u64 = 1 << 32;

/// How old a baseline may be, in transactions.
const OLDEST: u64 = (1 << 31) - 100_000_000;

const DESIGNS: &str = "CREATE TABLE design (design_id int PRIMARY KEY, design_name text NOT NULL);
    INSERT INTO design SELECT n, 'as it was' FROM generate_series(1, 200) n";

/// What a server writes that is lost afterwards.
const LOST: &str = "UPDATE sales_order SET units_sold = 777 WHERE sales_order_id = 1;
    INSERT INTO sales_order SELECT 900001, created_at, last_updated, design_id, staff_id, counterparty_id, units_sold,
      unit_price, currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id
    FROM sales_order WHERE sales_order_id = 2";

/// An update that `last_updated` does not tell of.
fn set(order: i32, units: i32) -> String {
    format!("UPDATE sales_order SET units_sold = {units} WHERE sales_order_id = {order}")
}

/// Updates of designs, each in a transaction of its own.
fn rename(designs: std::ops::RangeInclusive<i32>) -> String {
    format!(
        "DO $$ BEGIN FOR n IN {}..{} LOOP
           UPDATE design SET design_name = 'renamed' WHERE design_id = n; COMMIT; END LOOP; END $$",
        designs.start(),
        designs.end()
    )
}

/// The units of every version of an order after its first, oldest first.
async fn later_units(totesys: &Totesys, order: i32) -> Vec<String> {
    let query = format!(
        "SELECT units_sold FROM fact_sales_order WHERE sales_order_id = {order} ORDER BY sales_record_id OFFSET 1"
    );
    totesys.warehouse_rows(&query).await.into_iter().flatten().flatten().collect()
}

/// Versions beyond the first of everything that has versions: what a test is answerable for.
async fn further_versions(totesys: &Totesys) -> i64 {
    let query = "SELECT (SELECT count(*) - count(DISTINCT sales_order_id) FROM fact_sales_order)
                      + (SELECT count(*) - count(DISTINCT purchase_order_id) FROM fact_purchase_order)
                      + (SELECT count(*) - count(DISTINCT payment_id) FROM fact_payment)";
    totesys.warehouse_number(query).await
}

/// A run that reads every table whole; gives its batch and when its snapshot was taken.
async fn read_whole(totesys: &Totesys) -> (u64, i64) {
    let report = totesys.run().await;
    let Extraction::Batch { batch, taken_at, tables } = report.extraction else { panic!("{:?}", report.extraction) };
    assert!(tables.len() == 11 && tables.values().all(|table| table.whole), "{tables:?}");
    (batch, taken_at)
}

/// A run that reads so many changed orders and nothing else.
async fn read_changed_orders(totesys: &Totesys, orders: u64) {
    let report = totesys.run().await;
    let Extraction::Batch { tables, .. } = report.extraction else { panic!("{:?}", report.extraction) };
    let read: Vec<_> = tables.iter().map(|(table, read)| (table.as_str(), read.rows, read.whole)).collect();
    assert_eq!(read, [("sales_order", orders, false)]);
}

/// No batch comes of a replica that lags, and that is said.
async fn assert_behind(totesys: &Totesys) {
    let before = totesys.pipeline.status().await.unwrap();
    let contents = totesys.warehouse_contents().await;
    let error = totesys.pipeline.extract().await.unwrap_err();
    let behind = matches!(&error, HostError::Source(source) if matches!(**source, SourceError::ReplicaBehind { .. }));
    assert!(behind && error.is_transient(), "{error:?}");
    let said = "source: the source is a replica that is behind the last batch: at transaction ";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!(error.hint().unwrap(), "wait until the replica has caught up, or read from the primary");
    assert_eq!(totesys.warehouse_contents().await, contents);
    let status = totesys.pipeline.status().await.unwrap();
    assert_eq!(status.trouble.unwrap().reason, error.to_string());
    assert_eq!((status.newest_batch, status.newest_check_at), (before.newest_batch, before.newest_check_at));
}

/// The warehouse says what the source says now, and keeps what only the [`LOST`] batch had. `back_in` is the batch that
/// saw the source without it.
async fn assert_lost_is_history(totesys: &Totesys, back_in: i64) {
    let orders = "SELECT sales_order_id::text, units_sold::text FROM sales_order ORDER BY sales_order_id";
    let current = "SELECT sales_order_id::text, units_sold::text FROM fact_sales_order_current ORDER BY sales_order_id";
    assert_eq!(totesys.warehouse_rows(current).await, totesys.source_rows(orders).await);
    let lost = "SELECT deleted_in FROM fact_sales_order_history WHERE sales_order_id = 900001";
    assert_eq!(totesys.warehouse_number(lost).await, back_in);
    let now = totesys.source_rows("SELECT units_sold FROM sales_order WHERE sales_order_id = 1").await;
    let now = now[0][0].clone().unwrap();
    assert_eq!(later_units(totesys, 1).await, ["777", now.as_str()], "as it became, as it was again");
}

async fn open(database: &TestDatabase) -> SourceSnapshot {
    let column =
        |name: &str, column_type| Column { name: name.to_owned(), column_type, nullable: false, extras: Vec::new() };
    let request = TableRequest {
        table: "design".to_owned(),
        columns: vec![column("design_id", ColumnType::Int32), column("design_name", ColumnType::Text)],
        key: vec!["design_id".to_owned()],
        delivery: Delivery::Changes,
    };
    SourceSnapshot::open(&database.settings(), &SourceOptions::default(), &[request]).await.unwrap()
}

/// The designs that a mode reads, and the transactions to remember.
async fn read(snapshot: &SourceSnapshot, mode: &ReadMode) -> (Vec<i32>, BTreeSet<u32>) {
    let survey = snapshot.survey("design", mode, None).await.unwrap();
    let (mut ids, mut recent) = (Vec::new(), BTreeSet::new());
    for portion in &survey.portions {
        let (batches, read) = read_portion(snapshot, "design", mode, portion).await.unwrap();
        for batch in batches {
            ids.extend_from_slice(batch.column(0).as_any().downcast_ref::<Int32Array>().unwrap().values());
        }
        recent.extend(read.recent_xids);
    }
    assert_eq!(survey.changed, ids.len() as u64, "the survey and the reading see the same");
    ids.sort_unstable();
    (ids, recent)
}

/// One extraction of the designs: which were read, and what the next one compares with.
async fn extract(database: &TestDatabase, previous: Option<&Baseline>) -> (Vec<i32>, Baseline) {
    let snapshot = open(database).await;
    let mode = snapshot.decide(previous).unwrap().remove("design").unwrap();
    let (ids, recent) = read(&snapshot, &mode).await;
    let baseline = snapshot.baseline().clone().with_delivered(previous, recent);
    snapshot.close().await.unwrap();
    (ids, baseline)
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_arrive_once_though_transaction_numbers_wrap() {
    let mut server = Server::start().await;
    let totesys = Totesys::start_on(&server.url(), Data::Sample).await;
    totesys.run().await;
    // Past half the circle, then close before its end.
    for (round, xid) in (1_i32..).zip([2_600_000_000, CIRCLE - 50]) {
        totesys.source.execute(&set(round, 700)).await;
        server.jump_to(xid).await;
        totesys.source.execute(&set(10 + round, 700)).await;
        let (batch, _) = read_whole(&totesys).await;
        assert_eq!(batch, 2 * u64::from(round.cast_unsigned()));
        assert_eq!(later_units(&totesys, round).await, ["700"]);
        assert_eq!(later_units(&totesys, 10 + round).await, ["700"]);
        totesys.source.execute(&set(round, 701)).await;
        read_changed_orders(&totesys, 1).await;
        assert_eq!(later_units(&totesys, round).await, ["700", "701"]);
        assert_eq!(further_versions(&totesys).await, 3 * i64::from(round));
    }
    // Over the end of the circle the server goes by itself.
    totesys.source.execute(&set(3, 703)).await;
    assert!(server.next_xid().await < CIRCLE);
    server.let_pass(200).await;
    assert!(server.next_xid().await > CIRCLE);
    totesys.source.execute(&set(4, 704)).await;
    read_changed_orders(&totesys, 2).await;
    assert_eq!(later_units(&totesys, 3).await, ["703"]);
    assert_eq!(later_units(&totesys, 4).await, ["704"]);
    assert_eq!(further_versions(&totesys).await, 8);
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { after: Some(6), .. }));
    assert_eq!(totesys.pipeline.status().await.unwrap().gaps.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_on_both_sides_of_the_wrap_are_read_once() {
    let mut server = Server::start().await;
    let database = TestDatabase::create_on(&server.url()).await;
    database.execute(DESIGNS).await;
    server.jump_to(CIRCLE - 50).await;
    let (ids, first) = extract(&database, None).await;
    assert_eq!((ids.len(), first.xmax < CIRCLE), (200, true));
    // Open from before the wrap until after it, so that xmin stands still at the other end of the numbers.
    let late = database.connect().await;
    late.batch_execute(
        "BEGIN; UPDATE design SET design_name = 'late' WHERE design_id = 150;
         SAVEPOINT s; UPDATE design SET design_name = 'late' WHERE design_id = 151; RELEASE s",
    )
    .await
    .unwrap();
    database.execute(&rename(1..=120)).await;
    let (ids, second) = extract(&database, Some(&first)).await;
    assert_eq!(ids, (1..=120).collect::<Vec<_>>());
    assert!(second.xmin < CIRCLE && second.xmax > CIRCLE, "{} {}", second.xmin, second.xmax);
    let (before, after): (Vec<u32>, Vec<u32>) = second.delivered.iter().partition(|xid| **xid > 1 << 31);
    assert!(!before.is_empty() && !after.is_empty() && second.delivered.len() == 120, "{:?}", second.delivered);
    let (ids, third) = extract(&database, Some(&second)).await;
    assert_eq!(ids, [0; 0], "what was delivered is not delivered again");
    late.batch_execute("COMMIT").await.unwrap();
    let (ids, fourth) = extract(&database, Some(&third)).await;
    assert_eq!(ids, [150, 151]);
    assert!(fourth.xmin > CIRCLE && fourth.delivered.is_empty());
    // And as ever beyond it.
    database.execute(&rename(110..=130)).await;
    let (ids, fifth) = extract(&database, Some(&fourth)).await;
    assert_eq!(ids, (110..=130).collect::<Vec<_>>());
    assert_eq!(extract(&database, Some(&fifth)).await.0, [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_frozen_half_a_circle_ago_are_not_taken_for_new_ones() {
    let mut server = Server::start().await;
    let database = TestDatabase::create_on(&server.url()).await;
    database.execute(DESIGNS).await;
    let (_, oldest) = extract(&database, None).await;
    server.jump_to(1_900_000_000).await;
    database.execute(&rename(2..=2)).await;
    server.jump_to(2_600_000_000).await;
    let (_, latest) = extract(&database, None).await;
    database.execute(&rename(3..=3)).await;
    let seen_as_future = "SELECT count(*) FROM design WHERE age(xmin) < 0";
    let row = database.connect().await.query_one(seen_as_future, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 198, "all but two are older than half the circle");

    assert_eq!(extract(&database, Some(&latest)).await.0, [3]);
    let snapshot = open(&database).await;
    let now = snapshot.baseline().xmax;
    for (xmin, expected) in [
        (latest.xmin, vec![3]),
        (1_950_000_000, vec![3]),
        (1_900_000_000, vec![2, 3]),
        // The oldest that is gone by: still none of the 198.
        (now - OLDEST, vec![2, 3]),
    ] {
        let mode = ReadMode::Since { xmin, delivered: vec![] };
        assert_eq!(read(&snapshot, &mode).await.0, expected, "since {xmin}");
    }
    // A server cannot get that old within a test without a restart, so the baselines say there was none.
    let started = snapshot.baseline().postmaster_start;
    for (previous, expected) in [
        (oldest.clone(), "server-restarted"),
        (Baseline { postmaster_start: started, ..oldest }, "baseline-too-old"),
        (Baseline { xmin: now - OLDEST - 1, ..latest.clone() }, "baseline-too-old"),
    ] {
        let modes = snapshot.decide(Some(&previous)).unwrap();
        assert_eq!(modes["design"], ReadMode::Whole { reason: expected });
    }
    let just_young_enough = Baseline { xmin: now - OLDEST, ..latest };
    let modes = snapshot.decide(Some(&just_young_enough)).unwrap();
    assert_eq!(modes["design"], ReadMode::Since { xmin: now - OLDEST, delivered: vec![] });
}

/// A source with a replica, and a pipeline whose first batch came from the source.
async fn followed() -> (Server, Server, Totesys) {
    let primary = Server::start().await;
    let totesys = Totesys::start_on(&primary.url(), Data::Sample).await;
    totesys.run().await;
    let replica = primary.replica().await;
    replica.catch_up_with(&primary).await;
    (primary, replica, totesys)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_gives_no_batch_until_it_has_caught_up() {
    let (primary, replica, mut totesys) = followed().await;
    let database = totesys.source.settings().database().to_owned();
    replica.pause().await;
    totesys.source.execute(&set(1, 701)).await;
    read_changed_orders(&totesys, 1).await;
    totesys.move_source(&replica.url());
    assert_behind(&totesys).await;

    primary.execute(&database, &set(2, 702)).await;
    replica.resume().await;
    replica.catch_up_with(&primary).await;
    read_whole(&totesys).await;
    assert_eq!(later_units(&totesys, 1).await, ["701"]);
    assert_eq!(later_units(&totesys, 2).await, ["702"]);
    // From now on it is followed like any other source.
    primary.execute(&database, &set(1, 703)).await;
    replica.catch_up_with(&primary).await;
    read_changed_orders(&totesys, 1).await;
    assert_eq!(later_units(&totesys, 1).await, ["701", "703"]);
    assert_eq!(further_versions(&totesys).await, 3);
    assert!(matches!(totesys.run().await.extraction, Extraction::NothingNew { .. }));
    let status = totesys.pipeline.status().await.unwrap();
    assert!(status.trouble.is_none() && status.gaps.is_empty(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lacks_the_older_of_two_transactions_is_behind() {
    let (primary, replica, mut totesys) = followed().await;
    let slow = totesys.source.connect().await;
    slow.batch_execute(&format!("BEGIN; {}", set(1, 701))).await.unwrap();
    totesys.source.execute(&set(2, 702)).await;
    replica.catch_up_with(&primary).await;
    replica.pause().await;
    slow.batch_execute("COMMIT").await.unwrap();
    // The newest transaction both know of is the quick one, but the replica does not know the end of the slow one.
    read_changed_orders(&totesys, 2).await;
    totesys.move_source(&replica.url());
    assert_behind(&totesys).await;

    replica.resume().await;
    replica.catch_up_with(&primary).await;
    read_whole(&totesys).await;
    assert_eq!(later_units(&totesys, 1).await, ["701"]);
    assert_eq!(further_versions(&totesys).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_is_read_whole_and_the_gap_is_named() {
    let (mut primary, mut replica, mut totesys) = followed().await;
    let database = totesys.source.settings().database().to_owned();
    // The replica never gets what the primary writes last.
    replica.stop();
    totesys.source.execute(LOST).await;
    read_changed_orders(&totesys, 2).await;
    primary.stop();
    replica.launch().await;
    totesys.move_source(&replica.url());
    assert_behind(&totesys).await;
    let newest = totesys.pipeline.status().await.unwrap();

    replica.promote().await;
    replica.execute(&database, &set(2, 888)).await;
    let (batch, taken_at) = read_whole(&totesys).await;
    assert_eq!(batch, 3);
    assert_lost_is_history(&totesys, 3).await;
    assert_eq!(later_units(&totesys, 2).await, ["888"]);
    assert_eq!(further_versions(&totesys).await, 3);
    let status = totesys.pipeline.status().await.unwrap();
    let gaps: Vec<_> = status.gaps.iter().map(|gap| (gap.reason.as_str(), Some(gap.from), gap.until)).collect();
    assert_eq!(gaps, [("other-timeline", newest.newest_batch_at, taken_at)]);
    assert!(status.trouble.is_none());

    replica.execute(&database, &set(3, 889)).await;
    read_changed_orders(&totesys, 1).await;
    assert_eq!(further_versions(&totesys).await, 4);
    assert_eq!(totesys.pipeline.status().await.unwrap().gaps.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_files_were_restored_is_read_whole_and_the_gap_is_named() {
    let mut server = Server::start().await;
    let totesys = Totesys::start_on(&server.url(), Data::Sample).await;
    totesys.run().await;
    server.stop();
    server.back_up();
    server.launch().await;
    totesys.source.execute(LOST).await;
    read_whole(&totesys).await;
    let newest = totesys.pipeline.status().await.unwrap();
    assert!(newest.gaps.is_empty(), "nothing is lost by a restart");
    server.stop();
    server.restore();
    server.launch().await;
    let (batch, taken_at) = read_whole(&totesys).await;
    assert_eq!(batch, 3);
    assert_lost_is_history(&totesys, 3).await;
    assert_eq!(further_versions(&totesys).await, 2);

    // The numbers that the lost transactions had are given to others.
    totesys.source.execute(&set(2, 702)).await;
    totesys.source.execute(&set(3, 703)).await;
    read_changed_orders(&totesys, 2).await;
    assert_eq!(further_versions(&totesys).await, 4);
    let status = totesys.pipeline.status().await.unwrap();
    let gaps: Vec<_> = status.gaps.iter().map(|gap| (gap.reason.as_str(), Some(gap.from), gap.until)).collect();
    assert_eq!(gaps, [("transactions-went-back", newest.newest_batch_at, taken_at)]);
}
