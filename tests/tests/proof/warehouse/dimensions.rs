//! Dimensions: the latest row; a shared one has an owner.

use totesys_warehouse::{Begun, WarehouseError};

use super::house::{House, of, record_batch, shop, star_batch};

const PLACES: &str = "SELECT * FROM team.dim_place ORDER BY place_id";
const ORIGINS: &str = "SELECT * FROM team_totesys.dim_place_origin ORDER BY place_id";

#[tokio::test]
async fn rows_are_inserted_updated_where_they_differ_and_never_deleted() {
    let mut house = House::lived_in().await;
    let kinds = |rows: &'static [&'static str]| [("dim_kind", rows)];
    let report = of(&house.load("shop", 2, &kinds(&["1 | walk-in", "2 | booked"])).await, "dim_kind");
    assert_eq!((report.rows_offered, report.inserted, report.updated, report.unchanged), (2, 1, 0, 1));
    let report = of(&house.load("shop", 3, &kinds(&["2 | phoned"])).await, "dim_kind");
    assert_eq!((report.inserted, report.updated, report.unchanged), (0, 1, 0));
    house.expect("SELECT * FROM team.dim_kind ORDER BY 1", &["1 | walk-in", "2 | phoned"]).await;
}

#[tokio::test]
async fn the_last_of_several_rows_of_a_key_counts() {
    let mut house = House::new().await;
    house.load("shop", 1, &[("dim_kind", &["1 | a", "2 | b", "1 | c"])]).await;
    house.expect("SELECT * FROM team.dim_kind ORDER BY 1", &["1 | c", "2 | b"]).await;
}

#[tokio::test]
async fn a_missing_row_is_inserted_by_any_star_and_changed_by_its_owner_only() {
    let mut house = House::new().await;
    house.load("club", 1, &[("dim_place", &["1 | Leeds | -"])]).await;
    house.load("club", 2, &[("dim_place", &["1 | LEEDS | -", "2 | York | -"])]).await;
    house.expect(PLACES, &["1 | Leeds | -", "2 | York | -"]).await;
    house.expect(ORIGINS, &["1 | 1", "2 | 2"]).await;
    house.load("shop", 1, &[("dim_place", &["1 | Leeds | Centre"])]).await;
    house.expect(PLACES, &["1 | Leeds | Centre", "2 | York | -"]).await;
}

#[tokio::test]
async fn an_older_batch_of_the_owner_leaves_a_newer_row_alone() {
    let mut house = House::new().await;
    house.load("shop", 5, &[]).await;
    house.load("club", 7, &[("dim_place", &["1 | new | -"])]).await;
    let report = of(&house.load("shop", 6, &[("dim_place", &["1 | old | -"])]).await, "dim_place");
    assert_eq!((report.updated, report.unchanged), (0, 1));
    house.expect(PLACES, &["1 | new | -"]).await;
    house.load("shop", 7, &[("dim_place", &["1 | newer | -"])]).await;
    house.expect(PLACES, &["1 | newer | -"]).await;
    house.expect(ORIGINS, &["1 | 7"]).await;
}

#[tokio::test]
async fn a_star_that_disagrees_with_the_owner_on_one_batch_is_refused() {
    let mut house = House::new().await;
    house.load("shop", 1, &[("dim_place", &["1 | Leeds | -", "2 | York | -"])]).await;
    let rows: super::house::Rows =
        &[("dim_place", &["1 | LEEDS-SECRET | -", "2 | York | -", "3 | Hull | -"]), ("fact_entry", &["1 | 3"])];
    let error = house.try_load("club", 1, rows).await.expect_err("they disagree");
    assert_eq!(
        error.to_string(),
        "star `club` disagrees with `shop`, the owner of `dim_place`, on 1 rows (by `place_id`) of batch 1"
    );
    assert!(error.hint().is_some());
    assert!(!format!("{error:?}").contains("SECRET"));
    // The whole batch was undone, the other rows too.
    house.expect(PLACES, &["1 | Leeds | -", "2 | York | -"]).await;
    house.expect("SELECT star, batch FROM team_totesys.loads", &["shop | 1"]).await;
}

#[tokio::test]
async fn a_star_that_differs_from_an_owner_elsewhere_leaves_the_row_alone() {
    let mut house = House::new().await;
    house.load("shop", 1, &[("dim_place", &["1 | Leeds | -"])]).await;
    house.load("shop", 2, &[]).await;
    let report = of(&house.load("club", 1, &[("dim_place", &["1 | Leeds | Centre"])]).await, "dim_place");
    assert_eq!((report.updated, report.unchanged), (0, 1));
    house.expect(PLACES, &["1 | Leeds | -"]).await;
}

#[tokio::test]
async fn a_row_newer_than_the_batch_is_no_disagreement() {
    let mut house = House::new().await;
    house.load("club", 3, &[("dim_place", &["1 | later | -"])]).await;
    house.load("shop", 4, &[]).await;
    // Origin 3 and owner at 4: the owner's own batch 4 said nothing of the row.
    let error = house.try_load("club", 4, &[("dim_place", &["1 | other | -"])]).await;
    assert!(error.is_err(), "the owner stands at this very batch");
    house.database.execute("UPDATE team_totesys.dim_place_origin SET _batch = 9").await;
    house.load("club", 4, &[("dim_place", &["1 | other | -"])]).await;
    house.expect(PLACES, &["1 | later | -"]).await;
}

#[tokio::test]
async fn an_overtaken_row_only_fills_a_gap() {
    let mut house = House::lived_in().await;
    let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", 2)).await.unwrap() else {
        panic!("it is next")
    };
    let kinds = |lines: &[&str]| record_batch(shop().output("dim_kind").unwrap(), lines);
    load.stage_missing("dim_kind", &kinds(&["1 | old", "2 | old", "3 | older", "3 | old"])).await.unwrap();
    load.stage("dim_kind", &kinds(&["2 | new"])).await.unwrap();
    load.stage_missing("dim_kind", &kinds(&["2 | older"])).await.unwrap();
    let report = of(&load.commit().await.unwrap(), "dim_kind");
    assert_eq!((report.rows_offered, report.inserted, report.updated), (6, 2, 0));
    house.expect("SELECT * FROM team.dim_kind ORDER BY 1", &["1 | walk-in", "2 | new", "3 | old"]).await;

    let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", 3)).await.unwrap() else {
        panic!("it is next")
    };
    let error = load.stage_missing("fact_visit", &kinds(&["1 | old"])).await.unwrap_err();
    assert!(matches!(error, WarehouseError::UnknownTable { .. }), "{error}");
}
