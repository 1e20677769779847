//! Where rows come from.

use totesys_warehouse::{DimensionOrigin, ExplainedVersion, WarehouseError};

use super::house::{House, Observation};

async fn versions(house: &House, id: &str) -> Vec<ExplainedVersion> {
    house.warehouse.explain_fact("fact_visit", &[id.to_owned()]).await.unwrap_or_else(|error| panic!("{error:?}"))
}

fn version(record_id: i32, observed_in: u64, loaded_in: u64, day: u32) -> ExplainedVersion {
    ExplainedVersion {
        record_id: Some(record_id),
        observed_in,
        loaded_in: Some(loaded_in),
        component_digest: Some("digest of shop".to_owned()),
        snapshot_at: Some(format!("2024-06-{day:02} 12:00:00+00")),
        is_current: false,
        deleted_in: None,
    }
}

fn visit(place: u32, amount: &str) -> String {
    format!("7 | 2024-05-02 | 10:00:00 | {place} | 1 | {amount}")
}

#[tokio::test]
async fn a_version_that_was_overtaken_was_loaded_by_nobody() {
    let mut house = House::lived_in().await;
    house.visits(&[&[&visit(1, "5.00")], &[&visit(3, "6.00")], &[&visit(1, "7.00")]]).await;
    let overtaken =
        ExplainedVersion { record_id: None, loaded_in: None, component_digest: None, ..version(0, 3, 0, 4) };
    let current = ExplainedVersion { is_current: true, ..version(3, 4, 4, 5) };
    assert_eq!(versions(&house, "7").await, [version(2, 2, 2, 3), overtaken, current]);
    assert!(versions(&house, "8").await.is_empty());
}

#[tokio::test]
async fn a_version_that_waited_was_observed_before_it_was_loaded() {
    let mut house = House::lived_in().await;
    house.visits(&[&[], &[&visit(3, "6.00")]]).await;
    house.load("shop", 4, &[("dim_place", &["3 | Hull | -"])]).await;
    let current = ExplainedVersion { is_current: true, ..version(2, 3, 4, 4) };
    assert_eq!(versions(&house, "7").await, [current]);
}

#[tokio::test]
async fn a_deletion_names_its_batch() {
    let mut house = House::lived_in().await;
    house.visits(&[&[&visit(1, "5.00")]]).await;
    house.observe(3, Observation { living: Some(&[99]), ..Observation::default() }).await;
    let deleted = ExplainedVersion { deleted_in: Some(3), ..version(2, 2, 2, 3) };
    assert_eq!(versions(&house, "7").await, [deleted]);
}

#[tokio::test]
async fn a_row_of_an_owned_dimension_names_its_batch() {
    let mut house = House::lived_in().await;
    house.load("shop", 2, &[("dim_place", &["1 | Leeds | North"]), ("dim_kind", &["1 | on foot"])]).await;
    for (dimension, key, exists, batch) in [
        ("dim_place", "1", true, Some(2)),
        ("dim_place", "2", true, Some(1)),
        ("dim_place", "9", false, None),
        ("dim_kind", "1", true, None),
        ("dim_kind", "9", false, None),
    ] {
        let origin = house.warehouse.dimension_row_origin(dimension, &[key.to_owned()]).await.expect("an answer");
        assert_eq!(origin, DimensionOrigin { exists, batch }, "{dimension} {key}");
    }
}

#[tokio::test]
async fn unknown_tables_and_keys_that_do_not_fit_are_said() {
    let house = House::lived_in().await;
    let error = of_fact(&house, "dim_place", &["1"]).await;
    assert!(matches!(error, WarehouseError::NoSuchFact { .. }), "{error:?}");
    let unfit: [&[&str]; 4] = [&["x"], &["99999999999"], &[], &["1", "2"]];
    for key in unfit {
        assert_eq!(of_fact(&house, "fact_visit", key).await.to_string(), "the key does not fit `fact_visit`");
        assert_eq!(of_dimension(&house, "dim_place", key).await.to_string(), "the key does not fit `dim_place`");
    }
    let error = of_dimension(&house, "fact_visit", &["1"]).await;
    assert_eq!(error.to_string(), "there is no dimension `fact_visit`");
    assert_eq!(error.hint().as_deref(), Some("the dimensions there are: dim_kind, dim_place"));
}

async fn of_fact(house: &House, fact: &str, key: &[&str]) -> WarehouseError {
    let key: Vec<String> = key.iter().map(|value| (*value).to_owned()).collect();
    house.warehouse.explain_fact(fact, &key).await.expect_err("it cannot be explained")
}

async fn of_dimension(house: &House, dimension: &str, key: &[&str]) -> WarehouseError {
    let key: Vec<String> = key.iter().map(|value| (*value).to_owned()).collect();
    house.warehouse.dimension_row_origin(dimension, &key).await.expect_err("it cannot be explained")
}
