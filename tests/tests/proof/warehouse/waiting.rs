//! Facts that refer to a missing dimension row wait, in order, and may be overtaken.

use super::house::{House, of};

const QUEUE: &str = "SELECT _batch, _ord, visit_id, amount, _reason, _state, _record_id
                     FROM team_totesys.fact_visit_waiting ORDER BY _batch, _ord";
const VERSIONS: &str =
    "SELECT visit_record_id, visit_id, place_id, amount FROM team.fact_visit WHERE visit_id <> 99 ORDER BY 1";
const PLACE_3: (&str, &[&str]) = ("dim_place", &["3 | Hull | -"]);

#[tokio::test]
async fn a_fact_waits_until_all_its_dimension_rows_are_there() {
    let mut house = House::lived_in().await;
    let visit = "7 | 2024-05-02 | 10:00:00 | 3 | 4 | 5.00";
    let report = of(&house.load("shop", 2, &[("fact_visit", &[visit])]).await, "fact_visit");
    assert_eq!((report.appended, report.waiting), (0, 1));
    house.expect(QUEUE, &["2 | 0 | 7 | 5.00 | missing dim_place | waiting | -"]).await;

    let report = of(&house.load("shop", 3, &[PLACE_3]).await, "fact_visit");
    assert_eq!((report.appended, report.released), (0, 0));
    house.expect(QUEUE, &["2 | 0 | 7 | 5.00 | missing dim_kind | waiting | -"]).await;

    let report = of(&house.load("shop", 4, &[("dim_kind", &["4 | booked"])]).await, "fact_visit");
    assert_eq!((report.appended, report.released, report.first_id), (1, 1, Some(2)));
    house.expect(QUEUE, &["2 | 0 | 7 | 5.00 | missing dim_kind | released | 2"]).await;
    house.expect(VERSIONS, &["2 | 7 | 3 | 5.00"]).await;
}

#[tokio::test]
async fn a_null_reference_needs_no_dimension_row() {
    let mut house = House::lived_in().await;
    house.visits(&[&["7 | 2024-05-02 | 10:00:00 | 1 | - | 5.00"]]).await;
    house.expect(VERSIONS, &["2 | 7 | 1 | 5.00"]).await;
    house.expect(QUEUE, &[]).await;
}

#[tokio::test]
async fn released_versions_come_in_the_order_observed_before_the_batch_s_own() {
    let mut house = House::lived_in().await;
    let visit = |amount: &str| format!("7 | 2024-05-02 | 10:00:00 | 3 | 1 | {amount}");
    let (first, second, third) = (visit("5.00"), visit("6.00"), visit("7.00"));
    let reports = house.visits(&[&[&first, &second], &[&first]]).await;
    assert_eq!(reports.iter().map(|report| report.waiting).collect::<Vec<_>>(), [2, 1]);
    let other = "8 | 2024-05-02 | 10:00:00 | 1 | 1 | 1.00";
    let report = of(&house.load("shop", 4, &[PLACE_3, ("fact_visit", &[other, &third])]).await, "fact_visit");
    assert_eq!((report.appended, report.released), (5, 3));
    house
        .expect(
            VERSIONS,
            &["2 | 7 | 3 | 5.00", "3 | 7 | 3 | 6.00", "4 | 7 | 3 | 5.00", "5 | 8 | 1 | 1.00", "6 | 7 | 3 | 7.00"],
        )
        .await;
}

#[tokio::test]
async fn a_waiting_version_that_comes_again_is_queued_once() {
    let mut house = House::lived_in().await;
    let visit = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 5.00";
    let reports = house.visits(&[&[visit, visit], &[visit]]).await;
    assert_eq!(reports.iter().map(|r| (r.waiting, r.unchanged)).collect::<Vec<_>>(), [(1, 1), (0, 1)]);
    house.expect(QUEUE, &["2 | 0 | 7 | 5.00 | missing dim_place | waiting | -"]).await;
}

#[tokio::test]
async fn a_loadable_version_overtakes_those_that_wait() {
    let mut house = House::lived_in().await;
    let lost = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 5.00";
    let loadable = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 6.00";
    let reports = house.visits(&[&[lost], &[loadable]]).await;
    assert_eq!((reports[1].appended, reports[1].superseded), (1, 1));
    // The dimension row comes too late: what was overtaken is never appended.
    house.load("shop", 4, &[PLACE_3]).await;
    house.expect(VERSIONS, &["2 | 7 | 1 | 6.00"]).await;
    house.expect(QUEUE, &["2 | 0 | 7 | 5.00 | missing dim_place | superseded | -"]).await;
}

#[tokio::test]
async fn within_a_batch_the_same_rules_hold() {
    let mut house = House::lived_in().await;
    let lost = |amount: &str| format!("7 | 2024-05-02 | 10:00:00 | 3 | 1 | {amount}");
    let fine = |amount: &str| format!("7 | 2024-05-02 | 10:00:00 | 1 | 1 | {amount}");
    let lines = [fine("1.00"), lost("2.00"), fine("3.00"), lost("4.00"), lost("5.00")];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let report = &house.visits(&[&lines]).await[0];
    assert_eq!((report.appended, report.superseded, report.waiting), (2, 1, 2));
    house.expect(VERSIONS, &["2 | 7 | 1 | 1.00", "3 | 7 | 1 | 3.00"]).await;
    let states = "SELECT _ord, amount, _state FROM team_totesys.fact_visit_waiting ORDER BY _ord";
    house.expect(states, &["1 | 2.00 | superseded", "3 | 4.00 | waiting", "4 | 5.00 | waiting"]).await;
}

#[tokio::test]
async fn a_row_that_returns_to_the_current_version_overtakes_without_being_appended() {
    let mut house = House::lived_in().await;
    let fine = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 1.00";
    let lost = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 2.00";
    let reports = house.visits(&[&[fine], &[lost], &[fine]]).await;
    assert_eq!((reports[2].appended, reports[2].unchanged, reports[2].superseded), (0, 1, 1));
    house.expect(VERSIONS, &["2 | 7 | 1 | 1.00"]).await;
}

#[tokio::test]
async fn the_row_another_star_brings_releases_at_the_next_load() {
    let mut house = House::lived_in().await;
    house.visits(&[&["7 | 2024-05-02 | 10:00:00 | 3 | 1 | 5.00"]]).await;
    house.load("club", 1, &[PLACE_3]).await;
    let waiting = |summary: &totesys_warehouse::WarehouseSummary| {
        summary.tables.iter().map(|t| format!("{} {} {}", t.table, t.rows, t.waiting)).collect::<Vec<_>>()
    };
    let summary = house.warehouse.summary().await.expect("a summary");
    assert_eq!(waiting(&summary), ["dim_kind 1 0", "dim_place 3 0", "fact_entry 0 0", "fact_visit 1 1"]);
    house.load("shop", 3, &[]).await;
    let summary = house.warehouse.summary().await.expect("a summary");
    assert_eq!(waiting(&summary), ["dim_kind 1 0", "dim_place 3 0", "fact_entry 0 0", "fact_visit 2 0"]);
    assert_eq!(
        summary.stars.iter().map(|row| (row.star.as_str(), row.batch)).collect::<Vec<_>>(),
        [("club", 1), ("shop", 3)]
    );
}

#[tokio::test]
async fn a_version_that_was_overtaken_may_wait_again() {
    let mut house = House::lived_in().await;
    let lost = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 2.00";
    let fine = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 1.00";
    house.visits(&[&[lost, fine, lost]]).await;
    let states = "SELECT _ord, _state FROM team_totesys.fact_visit_waiting ORDER BY _ord";
    house.expect(states, &["0 | superseded", "2 | waiting"]).await;
}

#[tokio::test]
async fn a_waiting_version_equal_to_the_one_released_before_it_leaves_the_queue() {
    let mut house = House::lived_in().await;
    let in_hull = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 2.00";
    let in_bath = "7 | 2024-05-02 | 10:00:00 | 4 | 1 | 2.00";
    house.visits(&[&[in_hull, in_bath, in_hull]]).await;
    let report = of(&house.load("shop", 3, &[PLACE_3]).await, "fact_visit");
    assert_eq!((report.released, report.superseded), (1, 1));
    let states = "SELECT _ord, _state FROM team_totesys.fact_visit_waiting ORDER BY _ord";
    house.expect(states, &["0 | released", "1 | superseded"]).await;
    house.expect(VERSIONS, &["2 | 7 | 3 | 2.00"]).await;
}
