//! What was made for one generation of a star is never loaded on top of another.

use totesys_warehouse::{Begun, StarBatch};

use super::house::{House, club, connected, load_into, owners, shop, star_batch};

/// What is said of a batch of a generation, and what to do.
async fn refusal(house: &mut House, star: &str, generation: u64, batch: u64) -> (String, String) {
    let offered = StarBatch { generation, ..star_batch(star, batch) };
    let error = house.warehouse.begin(offered).await.expect_err("it is of another generation");
    assert!(!error.is_transient());
    (error.to_string(), error.hint().expect("a hint"))
}

#[tokio::test]
async fn a_loader_that_missed_a_swap_is_refused() {
    let mut house = House::lived_in().await;
    house.warehouse.set_generation("shop", 2).await.expect("a generation");
    for batch in [1, 2] {
        let (said, hint) = refusal(&mut house, "shop", 0, batch).await;
        assert_eq!(said, "a batch of generation 0 of star `shop` cannot be loaded: the warehouse holds generation 2");
        assert_eq!(hint, "a rebuild was swapped in meanwhile; the next run goes on with it");
    }
    match house.warehouse.begin(StarBatch { generation: 2, ..star_batch("shop", 1) }).await.expect("an answer") {
        Begun::AlreadyLoaded(row) => assert_eq!(row.batch, 1),
        Begun::Load(_) => panic!("batch 1 was loaded before"),
    }
    load_into(&mut house.warehouse, (&shop(), 2), 2, &[]).await;
    house.expect("SELECT star, generation FROM team_totesys.generations", &["shop | 2"]).await;
}

#[tokio::test]
async fn a_loader_ahead_of_a_swap_is_refused() {
    let mut house = House::lived_in().await;
    for batch in [1, 2] {
        let (said, hint) = refusal(&mut house, "shop", 1, batch).await;
        assert_eq!(said, "a batch of generation 1 of star `shop` cannot be loaded: the warehouse holds generation 0");
        assert_eq!(
            hint,
            "a rebuild of this star is committed and not swapped in yet: run `cargo xtask transform rebuild --star \
             shop` to finish it"
        );
    }
    house.load("shop", 2, &[]).await;
    house.expect("SELECT count(*) FROM team_totesys.generations", &["0"]).await;
}

#[tokio::test]
async fn an_empty_star_begins_with_the_generation_it_has_by_now() {
    let mut house = House::new().await;
    let offered = StarBatch { generation: 3, ..star_batch("shop", 1) };
    assert!(matches!(house.warehouse.begin(offered).await.expect("an empty star"), Begun::Load(_)));
    // It was dropped, and so was what it had noted.
    assert_eq!(house.warehouse.generation("shop").await.expect("a generation"), 0);
    load_into(&mut house.warehouse, (&shop(), 3), 1, &[("dim_kind", &["1 | walk-in"])]).await;
    load_into(&mut house.warehouse, (&shop(), 3), 2, &[]).await;
    assert_eq!(house.warehouse.generation("shop").await.expect("a generation"), 3);
    assert_eq!(house.warehouse.generation("club").await.expect("a generation"), 0);

    house.warehouse.set_generation("club", 1).await.expect("a generation");
    refusal(&mut house, "club", 0, 1).await;
    load_into(&mut house.warehouse, (&club(), 1), 1, &[]).await;
}

#[tokio::test]
async fn a_warehouse_from_before_generations_gets_their_table() {
    let mut house = House::lived_in().await;
    house.database.execute("DROP TABLE team_totesys.generations").await;
    let old = connected(&house.database).await;
    assert_eq!(old.generation("shop").await.expect("none is 0"), 0);
    let foreseen = house.warehouse.foresee(&[shop(), club()], &owners()).await.expect("it can be added");
    assert_eq!(foreseen.len(), 1);
    house.warehouse.prepare(&[shop(), club()], &owners()).await.expect("it is added");
    house.load("shop", 2, &[]).await;
    house.warehouse.set_generation("shop", 1).await.expect("a generation");
    assert_eq!(old.generation("shop").await.expect("a generation"), 1);
}

#[tokio::test]
async fn a_table_of_generations_that_somebody_altered_is_refused() {
    for (change, expected) in [
        (
            "ALTER TABLE team_totesys.generations ALTER generation TYPE integer",
            "column `generation` of `generations` should be `bigint` and is `integer`",
        ),
        (
            "ALTER TABLE team_totesys.generations RENAME star TO name",
            "column `star` of `generations` should be `text` and is `no such column`",
        ),
        (
            "ALTER TABLE team_totesys.generations DROP CONSTRAINT generations_pkey",
            "column `star` of `generations` should be `PRIMARY KEY` and is `no primary key`",
        ),
    ] {
        let mut house = House::lived_in().await;
        house.database.execute(change).await;
        let error = house.warehouse.prepare(&[shop(), club()], &owners()).await.expect_err(change);
        assert_eq!(error.to_string(), expected);
    }
}
