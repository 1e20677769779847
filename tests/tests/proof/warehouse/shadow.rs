//! Where a rebuild keeps its tables, with many rights or few.

use totesys_tests::TestDatabase;
use totesys_warehouse::{Warehouse, WarehouseOptions};

use super::house::{House, Rows, club, load_into, options, owners, rows, shop, stamp, star_batch};
use super::placement::{drop_role, role, role_name};

const SCHEMAS: &str = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'team%' ORDER BY 1";

#[tokio::test]
async fn a_shadow_is_discarded_however_much_of_it_there_is() {
    let mut house = House::busy().await;
    assert!(!house.warehouse.discard_shadow().await.expect("there is none"));
    house.shadow(1).await;
    assert!(house.warehouse.discard_shadow().await.expect("an empty one"));
    house.expect(SCHEMAS, &["team", "team_totesys"]).await;
    house.rebuilt(1).await;
    assert!(house.warehouse.discard_shadow().await.expect("a full one"));
    house.expect(SCHEMAS, &["team", "team_totesys"]).await;
    house.expect("SELECT count(*) FROM team.fact_visit", &["2"]).await;
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_dropped_with_a_shadow() {
    let mut house = House::busy().await;
    house.rebuilt(1).await;
    for (make, object, unmake) in [
        ("CREATE TABLE team_rebuild.note (id int)", "table team_rebuild.note", "DROP TABLE team_rebuild.note"),
        (
            "CREATE VIEW public.mine AS SELECT amount FROM team_rebuild.fact_visit_current",
            "view public.mine",
            "DROP VIEW public.mine",
        ),
    ] {
        house.database.execute(make).await;
        let said = format!("the schema `team_rebuild` holds what no rebuild made: {object}");
        assert_eq!(house.warehouse.discard_shadow().await.expect_err(object).to_string(), said);
        assert_eq!(house.swap_in(1).await.expect_err(object).to_string(), said);
        house.database.execute(unmake).await;
    }
    // A view of a table that moves moves with it.
    house.database.execute("CREATE VIEW public.mine AS SELECT amount FROM team_rebuild.fact_visit").await;
    house.swap_in(1).await.expect("nothing is in the way");
    house.expect("SELECT count(*) FROM public.mine", &["3"]).await;
}

#[tokio::test]
async fn an_ordinary_warehouse_under_the_shadows_name_stays() {
    let mut house = House::busy().await;
    let named = WarehouseOptions { schema: "team_rebuild".to_owned(), ..options() };
    let other = Warehouse::connect(&house.database.settings(), &named, &stamp()).await;
    let mut other = other.expect("a warehouse of its own");
    other.prepare(&[shop(), club()], &owners()).await.expect("tables");
    load_into(&mut other, (&shop(), 0), 1, &[]).await;
    let error = house.warehouse.discard_shadow().await.expect_err("no rebuild made it");
    assert_eq!(error.to_string(), "the schema `team_rebuild` holds what no rebuild made: a warehouse of its own");
    assert!(house.swap_in(1).await.is_err() && !house.warehouse.shadow_is_for("shop", 1).await.expect("an answer"));
    assert_eq!(other.loaded("shop").await.expect("the ledger").map(|row| row.batch), Some(1));
}

#[tokio::test]
async fn names_that_grow_too_long_are_refused() {
    let database = TestDatabase::create().await;
    let long = WarehouseOptions { schema: "x".repeat(48), ..options() };
    let warehouse = Warehouse::connect(&database.settings(), &long, &stamp()).await.expect("a usable name");
    let error = warehouse.rebuild_places().expect_err("a longer name is needed");
    assert!(error.to_string().ends_with("it is longer than 63 bytes"), "{error}");
    let taken = WarehouseOptions { side_schema: Some("team_former".to_owned()), ..options() };
    let warehouse = Warehouse::connect(&database.settings(), &taken, &stamp()).await.expect("a usable name");
    let error = warehouse.rebuild_places().expect_err("the name is a rebuild's");
    assert_eq!(error.to_string(), "the name `team_former` cannot be used: a rebuild keeps tables of its own under it");
}

/// A rebuild from beginning to end, with the rights of these settings.
async fn rebuilds(database: &TestDatabase, settings: &totesys_postgres::ConnectionSettings) {
    let stars = [shop(), club()];
    let mut warehouse = Warehouse::connect(settings, &options(), &stamp()).await.expect("a warehouse");
    warehouse.prepare(&stars, &owners()).await.expect("tables");
    let visit: Rows =
        &[("dim_place", &["1 | Leeds | -"]), ("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | - | 5.00"])];
    load_into(&mut warehouse, (&shop(), 0), 1, visit).await;
    for generation in [1, 2] {
        let options = warehouse.shadow_options().await.expect("the schemas are there");
        let mut shadow = Warehouse::connect(settings, &options, &stamp()).await.expect("a shadow");
        shadow.prepare(&stars, &owners()).await.expect("tables");
        shadow.set_generation("shop", generation).await.expect("a generation");
        load_into(&mut shadow, (&shop(), generation), 1, visit).await;
        warehouse.swap_in(&stars, &owners(), "shop", generation).await.unwrap_or_else(|error| panic!("{error:?}"));
        if generation == 1 {
            warehouse.undo_rebuild(&stars, &owners(), "shop", 0).await.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(warehouse.generation("shop").await.expect("a generation"), 0);
        } else {
            warehouse.accept_rebuild().await.unwrap_or_else(|error| panic!("{error:?}"));
        }
    }
    assert_eq!(rows(database, "SELECT amount FROM team.fact_visit_current").await, ["5.00"]);
    let again = warehouse.begin(star_batch("shop", 2)).await.expect_err("a rebuild was swapped in");
    assert!(again.hint().is_some());
}

#[tokio::test]
async fn without_create_on_the_database_the_schemas_are_asked_for_by_name() {
    for (side, missing) in [
        ("", r#""team_rebuild", "team_former""#),
        (
            "CREATE SCHEMA team_totesys AUTHORIZATION ROLE;",
            r#""team_rebuild", "team_rebuild_totesys", "team_former", "team_former_totesys""#,
        ),
    ] {
        let database = TestDatabase::create().await;
        let settings = role(&database, &format!("CREATE SCHEMA team AUTHORIZATION ROLE; {side}")).await;
        let mut warehouse = Warehouse::connect(&settings, &options(), &stamp()).await.expect("a schema of its own");
        warehouse.prepare(&[shop(), club()], &owners()).await.expect("tables");
        let plain = missing.replace('"', "");
        for error in [
            warehouse.shadow_options().await.expect_err("a right is missing"),
            warehouse.swap_in(&[shop(), club()], &owners(), "shop", 1).await.expect_err("a right is missing"),
        ] {
            assert_eq!(
                error.to_string(),
                format!("the warehouse role may not create the schemas of a rebuild: {plain}")
            );
            let hint = format!("create the schemas {missing} beforehand and let the role own them");
            assert_eq!(error.hint(), Some(hint));
        }
        let user = role_name(&database);
        for schema in plain.split(", ") {
            database.execute(&format!("CREATE SCHEMA {schema} AUTHORIZATION \"{user}\"")).await;
        }
        rebuilds(&database, &settings).await;
        // They could not be made again, so they stay.
        let schemas = rows(&database, SCHEMAS).await;
        assert!(plain.split(", ").all(|schema| schemas.contains(&schema.to_owned())), "{schemas:?}");
        drop(warehouse);
        drop_role(&database).await;
    }
}
