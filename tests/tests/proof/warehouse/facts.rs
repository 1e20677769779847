//! Facts: every version once, in order, with ids without gaps.

use super::house::{House, Rows, club, connected, of, owners, record_batch, shop, stage, star_batch};
use totesys_warehouse::Begun;

const VERSIONS: &str = "SELECT visit_record_id, visit_id, amount FROM team.fact_visit WHERE visit_id <> 99 ORDER BY 1";
const A: &str = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00";
const B: &str = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 6.00";

#[tokio::test]
async fn a_to_b_to_a_over_three_batches_gives_three_versions() {
    let mut house = House::lived_in().await;
    house.visits(&[&[A], &[B], &[A]]).await;
    house.expect(VERSIONS, &["2 | 7 | 5.00", "3 | 7 | 6.00", "4 | 7 | 5.00"]).await;
    house.expect("SELECT visit_record_id, amount FROM team.fact_visit_current WHERE visit_id = 7", &["4 | 5.00"]).await;
}

#[tokio::test]
async fn a_to_b_to_a_within_one_batch_gives_three_versions() {
    for mut house in [House::lived_in().await, House::new().await] {
        let rows: Rows =
            &[("dim_place", &["1 | Leeds | -"]), ("dim_kind", &["1 | walk-in"]), ("fact_visit", &[A, B, B, A])];
        let next = house.warehouse.loaded("shop").await.expect("the ledger").map_or(1, |row| row.batch + 1);
        let report = of(&house.load("shop", next, rows).await, "fact_visit");
        assert_eq!((report.rows_offered, report.appended, report.unchanged), (4, 3, 1));
        let amounts = "SELECT amount FROM team.fact_visit WHERE visit_id = 7 ORDER BY visit_record_id";
        house.expect(amounts, &["5.00", "6.00", "5.00"]).await;
    }
}

#[tokio::test]
async fn a_row_equal_to_the_current_version_is_not_appended() {
    let mut house = House::lived_in().await;
    let reports = house.visits(&[&[A], &[A], &[A, B], &[B]]).await;
    let appended: Vec<(u64, u64)> = reports.iter().map(|report| (report.appended, report.unchanged)).collect();
    assert_eq!(appended, [(1, 0), (0, 1), (1, 1), (0, 1)]);
    house.expect(VERSIONS, &["2 | 7 | 5.00", "3 | 7 | 6.00"]).await;
}

#[tokio::test]
async fn null_is_a_value_when_versions_are_compared() {
    let mut house = House::lived_in().await;
    let without_kind = "7 | 2024-05-02 | 10:00:00 | 1 | - | 5.00";
    house.visits(&[&[without_kind], &[without_kind], &[A], &[without_kind]]).await;
    let kinds = "SELECT kind_id FROM team.fact_visit WHERE visit_id = 7 ORDER BY visit_record_id";
    house.expect(kinds, &["-", "1", "-"]).await;
}

#[tokio::test]
async fn ids_have_no_gaps_over_batches_rollbacks_and_failures() {
    let mut house = House::lived_in().await;
    let visit = |id: u32| format!("{id} | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00");
    let (v1, v2, v3, v4) = (visit(1), visit(2), visit(3), visit(4));
    house.visits(&[&[&v2, &v1]]).await;
    // Dropped before its commit: as a crash, it leaves nothing.
    if let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", 3)).await.expect("batch 3 is next") {
        stage(&mut load, "shop", &[("fact_visit", &[&v3])]).await.expect("rows that fit");
    }
    assert_eq!(house.warehouse.loaded("shop").await.expect("the ledger").map(|row| row.batch), Some(2));
    let report = of(&house.load("shop", 3, &[("fact_visit", &[&v3, &v4, &v1])]).await, "fact_visit");
    assert_eq!((report.first_id, report.last_id), (Some(4), Some(5)));
    house.load("shop", 4, &[]).await;
    let ids = "SELECT visit_record_id, visit_id FROM team.fact_visit ORDER BY 1";
    house.expect(ids, &["1 | 99", "2 | 2", "3 | 1", "4 | 3", "5 | 4"]).await;
    house.expect("SELECT nextval('team.fact_visit_visit_record_id_seq')", &["6"]).await;
    house
        .expect(
            "SELECT fact, batch, star, first_id, last_id, snapshot_at, component_digest
             FROM team_totesys.fact_loads ORDER BY batch",
            &[
                "fact_visit | 1 | shop | 1 | 1 | 2024-06-02 12:00:00+00 | digest of shop",
                "fact_visit | 2 | shop | 2 | 3 | 2024-06-03 12:00:00+00 | digest of shop",
                "fact_visit | 3 | shop | 4 | 5 | 2024-06-04 12:00:00+00 | digest of shop",
            ],
        )
        .await;
}

#[tokio::test]
async fn an_id_beyond_four_bytes_is_refused() {
    let mut house = House::lived_in().await;
    house.database.execute("UPDATE team.fact_visit SET visit_record_id = 2147483646").await;
    house.load("shop", 2, &[("fact_visit", &[A])]).await;
    let error = house.try_load("shop", 3, &[("fact_visit", &[B])]).await.expect_err("no id is left");
    assert_eq!(error.to_string(), "`fact_visit` has no record ids left: its surrogate key is a 4-byte integer");
    house.expect("SELECT max(batch) FROM team_totesys.loads", &["2"]).await;
}

#[tokio::test]
async fn the_first_load_leaves_every_key_index_and_foreign_key_in_place() {
    let mut house = House::new().await;
    let shape = "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE connamespace IN ('team'::regnamespace, 'team_totesys'::regnamespace)
                 UNION ALL
                 SELECT indrelid::regclass, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
                 WHERE indrelid::regclass::text LIKE 'team%' ORDER BY 1, 2";
    let before = house.rows(shape).await;
    assert!(before.iter().any(|row| row.contains("FOREIGN KEY (place_id) REFERENCES team.dim_place(place_id)")));
    house.load("shop", 1, &[("dim_place", &["1 | Leeds | -"]), ("dim_kind", &["1 | x"]), ("fact_visit", &[A])]).await;
    assert_eq!(house.rows(shape).await, before);
    // A single version needs no head.
    house.expect("SELECT visit_id, _record_id FROM team_totesys.fact_visit_head", &[]).await;
}

#[tokio::test]
async fn a_first_load_with_a_repeated_key_or_a_missing_reference_takes_the_general_way() {
    let mut house = House::new().await;
    let lost = "8 | 2024-05-02 | 10:00:00 | 3 | 1 | 5.00";
    let rows: Rows = &[("dim_place", &["1 | Leeds | -"]), ("dim_kind", &["1 | x"]), ("fact_visit", &[A, lost, B])];
    let report = of(&house.load("shop", 1, rows).await, "fact_visit");
    assert_eq!((report.appended, report.waiting, report.first_id, report.last_id), (2, 1, Some(1), Some(2)));
    house.expect(VERSIONS, &["1 | 7 | 5.00", "2 | 7 | 6.00"]).await;
    house.expect("SELECT count(*) FROM pg_constraint WHERE conrelid = 'team.fact_visit'::regclass", &["3"]).await;
}

/// So many visits of place 1, the last of them of `last`.
async fn first_load(house: &mut House, visits: usize, last: &str) -> totesys_warehouse::TableReport {
    let lines: Vec<String> =
        (1..visits).map(|id| format!("{id} | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00")).chain([last.to_owned()]).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", 1)).await.expect("the first batch") else {
        panic!("batch 1 was loaded before");
    };
    let rows: Rows = &[("dim_place", &["1 | Leeds | -"]), ("dim_kind", &["1 | walk-in"])];
    stage(&mut load, "shop", rows).await.expect("dimensions");
    let output = shop().output("fact_visit").cloned().expect("visits");
    load.stage("fact_visit", &record_batch(&output, &lines)).await.expect("visits");
    of(&load.commit().await.expect("a load"), "fact_visit")
}

/// As many as a load takes for many.
const MANY: usize = 100_000;

#[tokio::test]
async fn foreign_keys_of_a_large_first_load_are_enforced_at_once_and_validated_by_the_next_prepare() {
    let mut house = House::new().await;
    let report = first_load(&mut house, MANY, "0 | 2024-05-02 | 10:00:00 | 1 | - | 5.00").await;
    assert_eq!((report.appended, report.waiting), (MANY as u64, 0));
    let keys = "SELECT conname, convalidated FROM pg_constraint
                WHERE conrelid = 'team.fact_visit'::regclass AND contype = 'f' ORDER BY 1";
    house.expect(keys, &["fact_visit_kind_id_fkey | f", "fact_visit_place_id_fkey | f"]).await;
    let session = house.database.connect().await;
    for broken in ["UPDATE team.fact_visit SET place_id = 3 WHERE visit_id = 7", "DELETE FROM team.dim_place"] {
        let error = session.batch_execute(broken).await.expect_err(broken);
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::FOREIGN_KEY_VIOLATION));
    }
    let mut warehouse = connected(&house.database).await;
    warehouse.prepare(&[shop(), club()], &owners()).await.expect("prepared");
    house.expect(keys, &["fact_visit_kind_id_fkey | t", "fact_visit_place_id_fkey | t"]).await;
}

#[tokio::test]
async fn a_large_first_load_with_a_repeated_key_or_a_missing_reference_takes_the_general_way() {
    for (last, appended, waiting) in [
        ("7 | 2024-05-02 | 10:00:00 | 1 | 1 | 6.00", MANY, 0),
        ("0 | 2024-05-02 | 10:00:00 | 3 | 1 | 5.00", MANY - 1, 1),
    ] {
        let mut house = House::new().await;
        let report = first_load(&mut house, MANY, last).await;
        assert_eq!((report.appended, report.waiting), (appended as u64, waiting), "{last}");
        let validated = "SELECT count(*) FROM pg_constraint
                         WHERE conrelid = 'team.fact_visit'::regclass AND contype = 'f' AND convalidated";
        house.expect(validated, &["2"]).await;
        let current = "SELECT count(*), count(DISTINCT visit_id) FROM team.fact_visit_current";
        house.expect(current, &["99999 | 99999"]).await;
    }
}

#[tokio::test]
async fn a_first_load_goes_on_while_a_reader_holds_a_dimension() {
    let mut house = House::new().await;
    let reader = house.database.connect().await;
    reader.batch_execute("BEGIN; SELECT FROM team.dim_place").await.expect("a reader");
    let rows: Rows = &[("dim_place", &["1 | Leeds | -"]), ("dim_kind", &["1 | x"]), ("fact_visit", &[A])];
    house.load("shop", 1, rows).await;
    house.expect(VERSIONS, &["1 | 7 | 5.00"]).await;
}
