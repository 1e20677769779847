//! A deleted key keeps its versions, stops being current, and may come back; versions that were observed earlier
//! and come later find their place.

use super::house::{House, Observation};

const A: &str = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 1.00";
const B: &str = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 2.00";
const C: &str = "7 | 2024-05-02 | 10:00:00 | 1 | 1 | 3.00";
/// Of a place that is not there before batch 9.
const LOST: &str = "7 | 2024-05-02 | 10:00:00 | 3 | 1 | 4.00";

const HISTORY: &str = "SELECT coalesce(visit_record_id::text, '-'), amount, batch, to_char(valid_from, 'MM-DD'),
                         to_char(valid_to, 'MM-DD'), is_current, to_char(deleted_at, 'MM-DD'), deleted_in
                       FROM team.fact_visit_history WHERE visit_id = 7 ORDER BY batch, visit_record_id";
const CURRENT: &str = "SELECT amount FROM team.fact_visit_current WHERE visit_id = 7";

/// What a batch brings of visit 7.
#[derive(Clone, Copy)]
enum Step {
    /// A version.
    Row(&'static str),
    /// All keys of the source, 7 not among them.
    Gone,
    /// All keys of the source.
    There,
    /// The component refuses a row of 7.
    Refused,
    /// A row that this batch observed comes now.
    Late(u64, &'static str),
    /// The place that was missing comes.
    Place,
    Nothing,
}

use Step::{Gone, Late, Nothing, Place, Refused, Row, There};

/// Its name, what batches 2, 3, … bring, the history then, and the amount that is current.
type Case = (&'static str, &'static [Step], &'static [&'static str], Option<&'static str>);

const CASES: &[Case] = &[
    ("deleted", &[Row(A), Gone], &["2 | 1.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3"], None),
    ("noticed once", &[Row(A), Gone, Gone, Gone], &["2 | 1.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3"], None),
    ("still there", &[Row(A), There], &["2 | 1.00 | 2 | 05-02 | - | t | - | -"], Some("1.00")),
    (
        "comes back as it was",
        &[Row(A), Gone, Row(A)],
        &["2 | 1.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3", "3 | 1.00 | 4 | 06-05 | - | t | - | -"],
        Some("1.00"),
    ),
    (
        "A, B, deleted, A",
        &[Row(A), Row(B), Gone, Row(A)],
        &[
            "2 | 1.00 | 2 | 05-02 | 06-04 | f | - | -",
            "3 | 2.00 | 3 | 06-04 | 06-05 | f | 06-05 | 4",
            "4 | 1.00 | 5 | 06-06 | - | t | - | -",
        ],
        Some("1.00"),
    ),
    (
        "deleted twice",
        &[Row(A), Gone, Row(B), Gone],
        &["2 | 1.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3", "3 | 2.00 | 4 | 06-05 | 06-06 | f | 06-06 | 5"],
        None,
    ),
    (
        "deleted while it waits, then released",
        &[Row(LOST), Gone, Nothing, Place],
        &["2 | 4.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3"],
        None,
    ),
    (
        "waits, deleted, waits again as it was, both released",
        &[Row(LOST), Gone, Row(LOST), Place],
        &["2 | 4.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3", "3 | 4.00 | 4 | 06-05 | - | t | - | -"],
        Some("4.00"),
    ),
    (
        "waits, deleted, comes back and overtakes",
        &[Row(LOST), Gone, Row(A), Place],
        &["- | 4.00 | 2 | 06-03 | 06-04 | f | 06-04 | 3", "2 | 1.00 | 4 | 05-02 | - | t | - | -"],
        Some("1.00"),
    ),
    (
        "refused, deleted, accepted late",
        &[Refused, Gone, Late(2, A)],
        &["2 | 1.00 | 2 | 05-02 | 06-04 | f | 06-04 | 3"],
        None,
    ),
    (
        "refused, accepted late",
        &[Row(A), Refused, Nothing, Late(3, B)],
        &["2 | 1.00 | 2 | 05-02 | 06-04 | f | - | -", "3 | 2.00 | 3 | 06-04 | - | t | - | -"],
        Some("2.00"),
    ),
    (
        "refused, overtaken by a good one, accepted late",
        &[Row(A), Refused, Row(C), Late(3, B)],
        &[
            "2 | 1.00 | 2 | 05-02 | 06-05 | f | - | -",
            "- | 2.00 | 3 | 06-04 | 06-05 | f | - | -",
            "3 | 3.00 | 4 | 06-05 | - | t | - | -",
        ],
        Some("3.00"),
    ),
    (
        "refused, overtaken by the version before it, accepted late",
        &[Row(A), Refused, Row(A), Late(3, B)],
        &["2 | 1.00 | 2 | 05-02 | - | t | - | -", "- | 2.00 | 3 | 06-04 | - | f | - | -"],
        Some("1.00"),
    ),
    (
        "refused, accepted late, but its place is missing",
        &[Row(A), Refused, Late(3, LOST), Place],
        &["2 | 1.00 | 2 | 05-02 | 06-04 | f | - | -", "3 | 4.00 | 3 | 06-04 | - | t | - | -"],
        Some("4.00"),
    ),
];

#[tokio::test]
async fn every_version_is_kept_and_deletion_is_noticed() {
    for (name, steps, history, current) in CASES {
        let mut house = House::lived_in().await;
        let mut refused: Vec<(u64, i32)> = Vec::new();
        for (batch, step) in (2..).zip(*steps) {
            if let Late(observed, _) = step {
                refused.retain(|(batch, _)| batch != observed);
            }
            let open = refused.clone();
            let mut observation = Observation { refused: &open, ..Observation::default() };
            let (line, late);
            let rows: [(&str, &[&str]); 1];
            match step {
                Row(row) => {
                    line = [*row];
                    rows = [("fact_visit", &line)];
                    observation.rows = &rows;
                }
                Gone => observation.living = Some(&[99]),
                There => observation.living = Some(&[99, 7]),
                Late(observed, row) => {
                    late = [(*observed, *row)];
                    observation.earlier = &late;
                }
                Place => {
                    rows = [("dim_place", &["3 | Hull | -"])];
                    observation.rows = &rows;
                }
                Refused => refused.push((batch, 7)),
                Nothing => {}
            }
            let report = house.observe(batch, observation).await;
            assert!(report.deleted <= 1, "{name}");
        }
        assert_eq!(house.rows(HISTORY).await, *history, "{name}");
        assert_eq!(house.rows(CURRENT).await, current.iter().copied().collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn an_empty_source_has_deleted_everything() {
    let mut house = House::lived_in().await;
    let report = house.observe(2, Observation { living: Some(&[]), ..Observation::default() }).await;
    assert_eq!(report.deleted, 1);
    house.expect("SELECT count(*) FROM team.fact_visit_current", &["0"]).await;
    house.expect("SELECT count(*) FROM team.fact_visit", &["1"]).await;
    house.expect("SELECT count(*) FROM team.dim_place", &["2"]).await;
}

#[tokio::test]
async fn a_warehouse_from_before_deletions_learns_what_observed_its_versions() {
    let mut house = House::lived_in().await;
    house.visits(&[&[A], &[LOST]]).await;
    house.load("shop", 4, &[("dim_place", &["3 | Hull | -"])]).await;
    let old = "ALTER TABLE team_totesys.fact_visit_head DROP COLUMN _batch; DROP VIEW team.fact_visit_history;
               DROP TABLE team_totesys.fact_visit_deletions";
    house.database.execute(old).await;
    let mut warehouse = super::house::connected(&house.database).await;
    warehouse.prepare(&[super::house::shop(), super::house::club()], &super::house::owners()).await.expect("prepared");
    house.expect("SELECT visit_id, _batch FROM team_totesys.fact_visit_head ORDER BY 1", &["7 | 3"]).await;
}
