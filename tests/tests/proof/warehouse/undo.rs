//! What a rebuild replaced comes back.

use star_contract::Description;
use totesys_warehouse::{StarBatch, WarehouseError};

use super::house::{House, Rows, club, load_into, owners, shop, star_batch};

/// Every relation, with its number, grants and definition.
const RELATIONS: &str = "
    SELECT c.oid::regclass, c.oid, c.relkind, c.relacl, CASE c.relkind WHEN 'v' THEN md5(pg_get_viewdef(c.oid)) END
    FROM pg_class c WHERE c.relnamespace IN ('team'::regnamespace, 'team_totesys'::regnamespace) ORDER BY 2";

const CONTENTS: [&str; 6] = [
    "SELECT * FROM team.fact_visit ORDER BY 1",
    "SELECT * FROM team.dim_place ORDER BY 1",
    "SELECT * FROM team.fact_visit_history ORDER BY 1",
    "SELECT star, batch, loaded_at FROM team_totesys.loads ORDER BY 1, 2",
    "SELECT * FROM team_totesys.fact_loads ORDER BY fact, batch",
    "SELECT * FROM team_totesys.views ORDER BY 1",
];

async fn state(house: &House) -> Vec<Vec<String>> {
    let mut state = vec![house.rows(RELATIONS).await];
    for query in CONTENTS {
        state.push(house.rows(query).await);
    }
    state
}

async fn undo(house: &mut House, generation: u64) -> Result<(), WarehouseError> {
    house.warehouse.undo_rebuild(&[shop(), club()], &owners(), "shop", generation).await
}

#[tokio::test]
async fn everything_is_as_it_was() {
    let mut house = House::busy().await;
    house
        .database
        .execute(
            "GRANT SELECT ON team.fact_visit, team.fact_visit_current TO PUBLIC;
             CREATE INDEX by_town ON team.dim_place (town);
             CREATE VIEW public.mine AS SELECT amount FROM team.fact_visit",
        )
        .await;
    let before = state(&house).await;
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("a shadow that has caught up");
    let later: Rows = &[("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | 1 | 60.00"])];
    load_into(&mut house.warehouse, (&shop(), 1), 3, later).await;
    // The shadow of yet another rebuild was made beside tables that are to go.
    house.shadow(2).await;
    assert_ne!(state(&house).await, before);

    let swapped = state(&house).await;
    house.warehouse.rehearse_undo(&[shop(), club()], &owners(), "shop", 2).await.expect("a rehearsal");
    assert_eq!(state(&house).await, swapped);
    undo(&mut house, 2).await.expect("the former tables are there");
    assert_eq!(state(&house).await, before);
    house.expect("SELECT amount FROM public.mine ORDER BY 1", &["1.00", "5.00"]).await;
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'team%' ORDER BY 1";
    house.expect(schemas, &["team", "team_totesys"]).await;
    assert_eq!(house.warehouse.former().await.expect("an answer"), None);

    assert_eq!(house.warehouse.generation("shop").await.expect("a generation"), 2);
    let stale = StarBatch { generation: 1, ..star_batch("shop", 3) };
    let error = house.warehouse.begin(stale).await.expect_err("it was made for the rebuild");
    assert!(matches!(error, WarehouseError::OtherGeneration { found: 2, offered: 1, .. }), "{error:?}");
    load_into(&mut house.warehouse, (&shop(), 2), 3, later).await;
    house.expect("SELECT visit_record_id FROM team.fact_visit_current WHERE visit_id = 7", &["3"]).await;
}

#[tokio::test]
async fn a_rebuild_that_somebody_uses_is_not_undone() {
    let mut house = House::busy().await;
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("a shadow that has caught up");
    house
        .database
        .execute(
            "CREATE VIEW public.mine AS SELECT amount FROM team.fact_visit;
             CREATE VIEW public.through AS SELECT amount FROM team.fact_visit_current",
        )
        .await;
    let before = state(&house).await;
    let error = undo(&mut house, 0).await.expect_err("a view reads a rebuilt table");
    assert_eq!(error.to_string(), "tables that would be dropped are still used: view public.mine");
    assert!(error.hint().expect("a hint").contains("\"team_former\" first"));
    assert_eq!(state(&house).await, before);
    house.database.execute("DROP VIEW public.mine").await;
    undo(&mut house, 0).await.expect("nobody uses them");
    house.expect("SELECT amount FROM public.through ORDER BY 1", &["1.00", "5.00"]).await;
}

#[tokio::test]
async fn without_all_of_the_former_tables_nothing_is_undone() {
    let mut house = House::busy().await;
    let error = undo(&mut house, 0).await.expect_err("nothing was swapped in");
    assert_eq!(error.to_string(), "the schema `team_former` keeps no tables that a rebuild replaced");
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("a shadow that has caught up");
    house.database.execute("DROP TABLE team_former.fact_visit").await;
    let error = undo(&mut house, 0).await.expect_err("one was dropped");
    assert_eq!(
        error.to_string(),
        "the warehouse lacks the table \"team_former\".\"fact_visit\", though \"team_former_totesys\".\"moved\" is there"
    );
    house.warehouse.accept_rebuild().await.expect("the others can be dropped");
}

/// `shop` with one more fact.
fn with_errands() -> Description {
    let mut star = shop();
    let mut errand = star.outputs[2].clone();
    (errand.table, errand.surrogate_key) = ("fact_errand".to_owned(), Some("errand_record_id".to_owned()));
    star.outputs.push(errand);
    star
}

#[tokio::test]
async fn views_of_a_fact_that_is_described_no_longer_are_in_nobodys_way() {
    let mut house = House::busy().await;
    let before = state(&house).await;
    let stars = [with_errands(), club()];
    let mut shadow = house.shadow(1).await;
    shadow.prepare(&stars, &owners()).await.expect("one more fact");
    load_into(&mut shadow, (&stars[0], 1), 1, &[]).await;
    load_into(&mut shadow, (&stars[0], 1), 2, &[]).await;
    load_into(&mut shadow, (&stars[1], 0), 1, &[]).await;
    house.warehouse.swap_in(&stars, &owners(), "shop", 1).await.expect("a shadow that has caught up");
    house.expect("SELECT count(*) FROM team.fact_errand_history", &["0"]).await;
    undo(&mut house, 2).await.expect("only views of its own read it");
    assert_eq!(state(&house).await, before);
    house.expect("SELECT relname FROM pg_class WHERE relname LIKE 'fact_errand%'", &[]).await;
}

#[tokio::test]
async fn what_others_made_under_a_name_of_before_stays() {
    let mut house = House::busy().await;
    house.warehouse.prepare(&[with_errands(), club()], &owners()).await.expect("one more fact");
    house.warehouse.prepare(&[shop(), club()], &owners()).await.expect("one less");
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("a shadow without the fact");
    house.database.execute("CREATE TABLE team.fact_errand AS SELECT 1 AS mine").await;
    let error = undo(&mut house, 2).await.expect_err("somebody took the name");
    assert_eq!(error.to_string(), "the schema `team` holds what no rebuild made: table team.fact_errand");
    house.expect("SELECT mine FROM team.fact_errand", &["1"]).await;
    house.database.execute("DROP TABLE team.fact_errand").await;
    undo(&mut house, 2).await.expect("nothing is in the way");
    house.expect("SELECT count(*) FROM team.fact_errand_history", &["0"]).await;
}
