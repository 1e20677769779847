//! `<fact>_history` and `<fact>_current`.

use super::house::House;

const HISTORY: &str = "SELECT visit_record_id, amount, batch, valid_from, valid_to, is_current, deleted_at
                       FROM team.fact_visit_history WHERE visit_id = 7 ORDER BY valid_from, visit_record_id NULLS LAST";

#[tokio::test]
async fn versions_follow_one_another_from_creation_on() {
    let mut house = House::lived_in().await;
    let visit = |amount: &str| format!("7 | 2024-05-02 | 10:00:00.250 | 1 | 1 | {amount}");
    let (a, b) = (visit("5.00"), visit("6.00"));
    house.visits(&[&[&a], &[], &[&b], &[&a]]).await;
    house
        .expect(
            HISTORY,
            &[
                "2 | 5.00 | 2 | 2024-05-02 10:00:00.25+00 | 2024-06-05 12:00:00+00 | f | -",
                "3 | 6.00 | 4 | 2024-06-05 12:00:00+00 | 2024-06-06 12:00:00+00 | f | -",
                "4 | 5.00 | 5 | 2024-06-06 12:00:00+00 | - | t | -",
            ],
        )
        .await;
}

#[tokio::test]
async fn a_released_version_is_valid_from_when_it_was_first_seen() {
    let mut house = House::lived_in().await;
    let fine = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00";
    let lost = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 6.00";
    house.visits(&[&[fine], &[lost]]).await;
    house.load("shop", 4, &[("dim_place", &["3 | Hull | -"])]).await;
    house
        .expect(
            HISTORY,
            &[
                "2 | 5.00 | 2 | 2024-05-02 10:00:00+00 | 2024-06-04 12:00:00+00 | f | -",
                "3 | 6.00 | 3 | 2024-06-04 12:00:00+00 | - | t | -",
            ],
        )
        .await;
}

#[tokio::test]
async fn an_overtaken_version_shows_without_a_record_id() {
    let mut house = House::lived_in().await;
    let visit = |place: u32, amount: &str| format!("7 | 2024-05-02 | 10:00:00 | {place} | 1 | {amount}");
    let (first, lost, last) = (visit(1, "5.00"), visit(3, "6.00"), visit(1, "7.00"));
    house.visits(&[&[&first], &[&lost], &[&last]]).await;
    house
        .expect(
            HISTORY,
            &[
                "2 | 5.00 | 2 | 2024-05-02 10:00:00+00 | 2024-06-05 12:00:00+00 | f | -",
                "- | 6.00 | 3 | 2024-06-04 12:00:00+00 | 2024-06-05 12:00:00+00 | f | -",
                "3 | 7.00 | 4 | 2024-06-05 12:00:00+00 | - | t | -",
            ],
        )
        .await;
}
