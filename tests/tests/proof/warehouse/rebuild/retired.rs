//! Stars that loaded once and that nobody describes any more.

use totesys_warehouse::Warehouse;

use crate::warehouse::house::{House, Rows, club, load_into, owners, prepared, shop, stamp};

/// All there is of `club`.
const CLUB: [&str; 8] = [
    "SELECT c.oid, c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname LIKE 'fact_entry%' AND n.nspname LIKE 'team%' ORDER BY 1",
    "SELECT * FROM team.fact_entry ORDER BY 1",
    "SELECT * FROM team.fact_entry_history ORDER BY 1",
    "SELECT * FROM team_totesys.loads WHERE star = 'club' ORDER BY batch",
    "SELECT * FROM team_totesys.fact_loads WHERE star = 'club' ORDER BY batch",
    "SELECT * FROM team_totesys.generations WHERE star = 'club'",
    "SELECT * FROM team_totesys.views WHERE view LIKE 'fact_entry%' ORDER BY view",
    "SELECT entry_id, town FROM team.fact_entry JOIN team.dim_place USING (place_id) ORDER BY 1",
];

const TARGETS: &str = "SELECT confrelid::regclass FROM pg_constraint
                       WHERE contype = 'f' AND conrelid = 'team.fact_entry'::regclass";

const SCHEMAS: &str = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'team%' ORDER BY 1";

async fn of_club(house: &House) -> Vec<Vec<String>> {
    let mut state = Vec::new();
    for query in CLUB {
        state.push(house.rows(query).await);
    }
    state
}

/// A warehouse in which `club` has loaded a place of its own, and is described no longer.
async fn without_club() -> House {
    let mut house = House::busy().await;
    house.load("club", 2, &[("dim_place", &["5 | Hull | -"]), ("fact_entry", &["2 | 5"])]).await;
    let warehouse = prepared(&house.database, &[shop()]).await;
    House { warehouse, ..house }
}

/// A shadow of `shop` alone.
async fn rebuilt(house: &House) {
    let options = house.warehouse.shadow_options().await.expect("the rights");
    let mut shadow = Warehouse::connect(&house.database.settings(), &options, &stamp()).await.expect("a shadow");
    shadow.prepare(&[shop()], &owners()).await.expect("empty schemas");
    shadow.set_generation("shop", 1).await.expect("a generation");
    let rows: Rows = &[
        ("dim_place", &["1 | Leeds | -"]),
        ("dim_kind", &["1 | walk-in"]),
        ("fact_visit", &["99 | 2024-05-01 | 09:00:00.123 | 1 | 1 | 10.00"]),
    ];
    load_into(&mut shadow, (&shop(), 1), 1, rows).await;
    load_into(&mut shadow, (&shop(), 1), 2, &[]).await;
}

#[tokio::test]
async fn their_tables_stay_when_another_star_is_rebuilt() {
    let mut house = without_club().await;
    house.warehouse.set_generation("club", 3).await.expect("a generation");
    let before = of_club(&house).await;
    rebuilt(&house).await;
    let report = house.warehouse.swap_in(&[shop()], &owners(), "shop", 1).await.expect("all described stars");
    assert!(!report.moved.iter().any(|table| table.starts_with("fact_entry")), "{:?}", report.moved);
    assert_eq!((report.dependents, report.left_behind), (vec![], vec![]));
    assert_eq!(of_club(&house).await, before);
    house.expect(TARGETS, &["team.dim_place"]).await;
    house.expect("SELECT amount FROM team.fact_visit", &["10.00"]).await;

    house.warehouse.accept_rebuild().await.expect("nothing of the star reads the former tables");
    assert_eq!(of_club(&house).await, before);
    house.expect(SCHEMAS, &["team", "team_totesys"]).await;

    // Described again, it goes on where it was.
    let foreseen = house.warehouse.foresee(&[shop(), club()], &owners()).await.expect("its tables");
    let foreseen: Vec<_> = foreseen.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(foreseen, [r#"ALTER TABLE "team"."fact_entry" VALIDATE CONSTRAINT "fact_entry_place_id_fkey""#]);
    house.warehouse.prepare(&[shop(), club()], &owners()).await.expect("its tables");
    load_into(&mut house.warehouse, (&club(), 3), 3, &[("fact_entry", &["3 | 5"])]).await;
    house.expect("SELECT entry_record_id FROM team.fact_entry_current ORDER BY 1", &["1", "2", "3"]).await;
}

#[tokio::test]
async fn their_tables_stay_when_the_rebuild_is_undone() {
    for described_again in [false, true] {
        let mut house = without_club().await;
        let before = of_club(&house).await;
        rebuilt(&house).await;
        house.warehouse.swap_in(&[shop()], &owners(), "shop", 1).await.expect("all described stars");
        let stars = if described_again { vec![shop(), club()] } else { vec![shop()] };
        house.warehouse.rehearse_undo(&stars, &owners(), "shop", 2).await.expect("a rehearsal");
        house.warehouse.undo_rebuild(&stars, &owners(), "shop", 2).await.expect("the former tables are there");
        assert_eq!(of_club(&house).await, before);
        house.expect(TARGETS, &["team.dim_place"]).await;
        house.expect("SELECT amount FROM team.fact_visit ORDER BY 1", &["1.00", "5.00"]).await;
        house.expect(SCHEMAS, &["team", "team_totesys"]).await;
    }
}

#[tokio::test]
async fn what_a_shadow_holds_of_them_is_dropped() {
    let mut house = without_club().await;
    let before = of_club(&house).await;
    let mut shadow = house.shadow(1).await;
    load_into(&mut shadow, (&club(), 0), 1, &[("dim_place", &["1 | Leeds | -"]), ("fact_entry", &["1 | 1"])]).await;
    load_into(&mut shadow, (&shop(), 1), 1, &[]).await;
    load_into(&mut shadow, (&shop(), 1), 2, &[]).await;
    house.warehouse.swap_in(&[shop()], &owners(), "shop", 1).await.expect("all described stars");
    assert_eq!(of_club(&house).await, before);
    house.expect(SCHEMAS, &["team", "team_former", "team_former_totesys", "team_totesys"]).await;
}
