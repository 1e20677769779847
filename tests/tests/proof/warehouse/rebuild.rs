//! A rebuilt warehouse takes the place of the main one.

use star_contract::{ColumnType, Description};
use totesys_warehouse::{Begun, Warehouse, WarehouseError};

mod readers;
mod retired;

use super::house::{House, Rows, club, column, connected, load_into, owners, prepared, shop, stamp, star_batch};

/// The schemas there are, of this warehouse.
const SCHEMAS: &str = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'team%' ORDER BY 1";

/// What everybody may do.
const GRANTED: &str = "
    SELECT has_table_privilege('public', 'team.fact_visit', 'SELECT'),
           has_table_privilege('public', 'team.fact_visit', 'INSERT'),
           has_table_privilege('public', 'team.dim_kind', 'SELECT'),
           has_column_privilege('public', 'team.dim_place', 'town', 'UPDATE'),
           has_column_privilege('public', 'team.dim_place', 'district', 'UPDATE'),
           has_sequence_privilege('public', pg_get_serial_sequence('team.fact_visit', 'visit_record_id'), 'USAGE'),
           has_table_privilege('public', 'team.fact_visit_current', 'SELECT'),
           has_table_privilege('public', 'team_totesys.loads', 'SELECT')";

/// What the view of current visits was given besides its definition.
const OPTIONS: &str = "SELECT reloptions FROM pg_class WHERE oid = 'team.fact_visit_current'::regclass";

const GRANTS: &str = "
    GRANT SELECT ON team.fact_visit, team.fact_visit_current, team_totesys.loads TO PUBLIC;
    GRANT UPDATE (town) ON team.dim_place TO PUBLIC;
    GRANT USAGE ON SEQUENCE team.fact_visit_visit_record_id_seq TO PUBLIC";

#[tokio::test]
async fn the_shadow_takes_the_place_of_the_main_tables() {
    let mut house = House::busy().await;
    house.rebuilt(1).await;
    let relations = "SELECT oid, relname, relnamespace::regnamespace FROM pg_class
                     WHERE relnamespace::regnamespace::text LIKE 'team%' ORDER BY 1";
    let before = house.rows(relations).await;
    let rehearsed = house.warehouse.rehearse_swap(&[shop(), club()], &owners(), "shop", 1).await.expect("a rehearsal");
    assert_eq!(house.rows(relations).await, before);
    let report = house.swap_in(1).await.expect("a shadow that has caught up");
    assert_eq!(report, rehearsed);
    assert_eq!(
        report.moved,
        [
            "dim_kind",
            "dim_place",
            "fact_entry",
            "fact_visit",
            "stamp",
            "loads",
            "fact_loads",
            "generations",
            "dim_place_origin",
            "fact_entry_head",
            "fact_entry_waiting",
            "fact_entry_deletions",
            "fact_visit_head",
            "fact_visit_waiting",
            "fact_visit_deletions",
        ]
    );
    assert_eq!((report.dependents, report.left_behind), (vec![], vec![]));
    let visits = "SELECT visit_record_id, visit_id, amount FROM team.fact_visit ORDER BY 1";
    house.expect(visits, &["1 | 99 | 10.00", "2 | 98 | 1.00", "3 | 7 | 50.00"]).await;
    let former = "SELECT visit_record_id, visit_id, amount FROM team_former.fact_visit ORDER BY 1";
    house.expect(former, &["1 | 99 | 1.00", "2 | 7 | 5.00"]).await;
    let history = "SELECT visit_id, amount, batch, is_current FROM team.fact_visit_history ORDER BY visit_record_id";
    house.expect(history, &["99 | 10.00 | 1 | t", "98 | 1.00 | 1 | t", "7 | 50.00 | 2 | t"]).await;
    house.expect("SELECT entry_id FROM team.fact_entry_current", &["1"]).await;
    house.expect(SCHEMAS, &["team", "team_former", "team_former_totesys", "team_totesys"]).await;
    house
        .expect(
            "SELECT confrelid::regclass::text FROM pg_constraint
             WHERE contype = 'f' AND conrelid = 'team.fact_visit'::regclass ORDER BY 1",
            &["team.dim_kind", "team.dim_place"],
        )
        .await;

    // Loads go on: with the next record id, and the sequence follows.
    let next: Rows = &[("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | 1 | 60.00"])];
    load_into(&mut house.warehouse, (&shop(), 1), 3, next).await;
    house.load("club", 2, &[("fact_entry", &["2 | 2"])]).await;
    house.expect("SELECT visit_record_id FROM team.fact_visit_current WHERE visit_id = 7", &["4"]).await;
    let sequence = "SELECT pg_get_serial_sequence('team.fact_visit', 'visit_record_id'), last_value
                    FROM team.fact_visit_visit_record_id_seq";
    house.expect(sequence, &["team.fact_visit_visit_record_id_seq | 4"]).await;
    assert_eq!(house.warehouse.generation("shop").await.expect("a generation"), 1);
    assert_eq!(house.warehouse.generation("club").await.expect("a generation"), 0);
    let foreseen = house.warehouse.foresee(&[shop(), club()], &owners()).await.expect("all is in line");
    assert!(foreseen.is_empty(), "{foreseen:?}");
}

#[tokio::test]
async fn grants_are_carried_over_and_views_keep_theirs() {
    let mut house = House::busy().await;
    house.database.execute(GRANTS).await;
    house.rebuilt(1).await;
    // What a default privilege may give is more than the tables in use have.
    house.database.execute("GRANT SELECT ON team_rebuild.dim_kind TO PUBLIC").await;
    let before = house.rows(GRANTED).await;
    assert_eq!(before, ["t | f | f | t | f | t | t | t"]);
    house.swap_in(1).await.expect("a shadow that has caught up");
    assert_eq!(house.rows(GRANTED).await, before);
    house.expect("SELECT sum(amount) FROM team.fact_visit_current", &["61.00"]).await;
}

#[tokio::test]
async fn rows_that_policies_hid_are_shown_to_nobody() {
    let mut house = House::busy().await;
    house
        .database
        .execute(
            "GRANT SELECT ON team.fact_visit TO PUBLIC; ALTER TABLE team.fact_visit ENABLE ROW LEVEL SECURITY;
             CREATE POLICY cheap ON team.fact_visit USING (amount < 2)",
        )
        .await;
    house.rebuilt(1).await;
    let report = house.swap_in(1).await.expect("a shadow that has caught up");
    assert_eq!(report.left_behind, ["policy cheap on table team.fact_visit"]);
    house.expect("SELECT relrowsecurity FROM pg_class WHERE oid = 'team.fact_visit'::regclass", &["t"]).await;
}

#[tokio::test]
async fn tables_that_hide_rows_from_their_owner_are_not_replaced() {
    let mut house = House::busy().await;
    house.database.execute("ALTER TABLE team.fact_visit FORCE ROW LEVEL SECURITY").await;
    house.rebuilt(1).await;
    let error = house.swap_in(1).await.expect_err("the new table has no policies");
    assert_eq!(error.to_string(), "tables that would be replaced have FORCE ROW LEVEL SECURITY: team.fact_visit");
    assert!(error.hint().is_some() && !error.is_transient());
    house.database.execute("ALTER TABLE team.fact_visit NO FORCE ROW LEVEL SECURITY").await;
    house.swap_in(1).await.expect("nothing is in the way");
}

#[tokio::test]
async fn views_keep_what_they_were_given() {
    let mut house = House::busy().await;
    let given = "ALTER VIEW team.fact_visit_current SET (security_invoker = true, security_barrier = true)";
    house.database.execute(given).await;
    let expected = ["{security_invoker=true,security_barrier=true}"];
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("a shadow that has caught up");
    house.expect(OPTIONS, &expected).await;
    house.warehouse.undo_rebuild(&[shop(), club()], &owners(), "shop", 2).await.expect("the former tables are there");
    house.expect(OPTIONS, &expected).await;
    let mut star = shop();
    star.outputs[2].columns.push(column("remark", ColumnType::Text, true));
    house.warehouse.prepare(&[star, club()], &owners()).await.expect("a new nullable column");
    house.expect(OPTIONS, &expected).await;
}

#[tokio::test]
async fn what_others_made_of_the_tables_is_reported_and_goes_on_as_before() {
    let mut house = House::busy().await;
    house
        .database
        .execute(
            "CREATE VIEW public.mine AS SELECT amount FROM team.fact_visit;
             CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) FROM team.dim_place;
             CREATE VIEW public.through AS SELECT amount FROM team.fact_visit_current;
             CREATE TABLE team.note (place_id integer REFERENCES team.dim_place);
             ALTER TABLE team.dim_kind ADD COLUMN note text;
             CREATE INDEX by_town ON team.dim_place (town);
             ALTER TABLE team.dim_place ADD CHECK (place_id > 0);
             COMMENT ON COLUMN team.dim_place.town IS 'where it is';
             CREATE STATISTICS team.both ON town, district FROM team.dim_place;
             CREATE TABLE public.colour (id integer PRIMARY KEY);
             ALTER TABLE team.dim_kind ADD FOREIGN KEY (kind_id) REFERENCES public.colour NOT VALID;
             CREATE RULE nothing AS ON DELETE TO team.dim_kind DO ALSO NOTHING",
        )
        .await;
    house.rebuilt(1).await;
    let report = house.swap_in(1).await.expect("a shadow that has caught up");
    assert_eq!(
        report.dependents,
        ["constraint note_place_id_fkey on table team.note", "materialized view public.counted", "view public.mine"]
    );
    assert_eq!(
        report.left_behind,
        [
            "column note of table team.dim_kind",
            "comment on column town of table team.dim_place",
            "constraint dim_kind_kind_id_fkey on table team.dim_kind",
            "constraint dim_place_place_id_check on table team.dim_place",
            "index team.by_town",
            "rule nothing on table team.dim_kind",
            "statistics object team.\"both\"",
        ]
    );
    house.expect("SELECT amount FROM public.mine ORDER BY 1", &["1.00", "5.00"]).await;
    house.expect("SELECT amount FROM public.through ORDER BY 1", &["1.00", "10.00", "50.00"]).await;
    house.expect("SELECT count(*) FROM team.note", &["0"]).await;
}

#[tokio::test]
async fn a_view_that_loses_a_column_is_made_anew_with_its_grants() {
    let mut house = House::busy().await;
    let mut star = shop();
    star.outputs[2].columns.push(column("remark", ColumnType::Text, true));
    house.warehouse.prepare(&[star, club()], &owners()).await.expect("a new nullable column");
    house.database.execute(GRANTS).await;
    let more = "GRANT SELECT (remark, amount) ON team.fact_visit_current TO PUBLIC;
                ALTER VIEW team.fact_visit_current SET (security_invoker = true, security_barrier = true)";
    house.database.execute(more).await;
    let before = house.rows(GRANTED).await;
    house.rebuilt(1).await;
    let report = house.swap_in(1).await.expect("a shadow without the column");
    assert_eq!(
        report.left_behind,
        [
            "column remark of table team.fact_visit",
            "column remark of table team_totesys.fact_visit_waiting",
            "grants on column remark of view team.fact_visit_current",
        ]
    );
    house.expect(OPTIONS, &["{security_invoker=true,security_barrier=true}"]).await;
    assert_eq!(house.rows(GRANTED).await, before);
    let columns =
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'team.fact_visit_current'::regclass AND attnum > 0";
    house.expect(columns, &["7"]).await;
}

#[tokio::test]
async fn a_shadow_that_has_not_caught_up_is_refused() {
    let mut house = House::busy().await;
    let tables = "SELECT relname, oid FROM pg_class
                  WHERE relnamespace IN ('team'::regnamespace, 'team_totesys'::regnamespace) ORDER BY 1, 2";
    let refusal = "the schema `team_rebuild` holds no rebuild of star `shop` to generation 1";
    assert_eq!(house.swap_in(1).await.expect_err("there is no shadow").to_string(), refusal);
    assert!(!house.warehouse.shadow_is_for("shop", 1).await.expect("an answer"));

    let mut shadow = house.shadow(1).await;
    assert!(house.warehouse.shadow_is_for("shop", 1).await.expect("an answer"));
    for (star, generation) in [("shop", 0), ("shop", 2), ("club", 1)] {
        assert!(!house.warehouse.shadow_is_for(star, generation).await.expect("an answer"), "{star} {generation}");
    }
    let before = house.rows(tables).await;
    let entries: Rows = &[("dim_place", &["1 | Leeds | -"]), ("fact_entry", &["1 | 1"])];
    let kinds: Rows = &[("dim_kind", &["1 | walk-in"])];
    for (load, said) in [
        (None, "the rebuild is at batch 0 of star `club`, the warehouse at batch 1"),
        (Some((club(), 0, entries)), "the rebuild is at batch 0 of star `shop`, the warehouse at batch 2"),
        (Some((shop(), 1, kinds)), "the rebuild is at batch 1 of star `shop`, the warehouse at batch 2"),
    ] {
        if let Some((star, generation, rows)) = load {
            load_into(&mut shadow, (&star, generation), 1, rows).await;
        }
        let error = house.swap_in(1).await.expect_err(said);
        assert_eq!(error.to_string(), said);
        assert!(error.hint().is_some() && !error.is_transient());
        assert_eq!(house.rows(tables).await, before);
    }
    load_into(&mut shadow, (&shop(), 1), 2, &[]).await;
    house.swap_in(1).await.expect("it has caught up");
}

#[tokio::test]
async fn a_swap_waits_for_a_load_and_sees_what_it_loaded() {
    let mut house = House::busy().await;
    house.rebuilt(1).await;
    let mut swapping = prepared(&house.database, &[shop(), club()]).await;
    let next = house.warehouse.begin(star_batch("shop", 3)).await.expect("batch 3 is next");
    let Begun::Load(load) = next else { panic!("batch 3 is new") };
    let waits = tokio::spawn(async move { swapping.swap_in(&[shop(), club()], &owners(), "shop", 1).await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waits.is_finished(), "the swap waits for the load");
    load.commit().await.expect("a load");
    match waits.await.expect("no panic").expect_err("the shadow lacks batch 3") {
        WarehouseError::ShadowBehind { star, shadow, main } => {
            assert_eq!((star.as_str(), shadow, main), ("shop", 2, 3));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_swap_needs_the_first_to_be_accepted() {
    let mut house = House::busy().await;
    assert_eq!(house.warehouse.former().await.expect("an answer"), None);
    let error = house.warehouse.accept_rebuild().await.expect_err("there is nothing to accept");
    assert_eq!(error.to_string(), "the schema `team_former` keeps no tables that a rebuild replaced");
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("the first rebuild");
    house.rebuilt(2).await;
    let error = house.swap_in(2).await.expect_err("the former tables are kept");
    assert_eq!(error.to_string(), "the schema `team_former` still keeps the tables that an earlier rebuild replaced");

    let former = house.warehouse.former().await.expect("an answer").expect("former tables");
    assert_eq!((former.schema.as_str(), former.star.as_str(), former.generation), ("team_former", "shop", 1));
    assert!(former.swapped_micros > 1_700_000_000_000_000);
    let tables: Vec<_> = former.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(tables, ["dim_kind", "dim_place", "fact_entry", "fact_visit"]);

    assert_eq!(house.warehouse.accept_rebuild().await.expect("nobody uses them").len(), 15);
    assert_eq!(house.warehouse.former().await.expect("an answer"), None);
    house.swap_in(2).await.expect("the second rebuild");
    assert_eq!(house.warehouse.generation("shop").await.expect("a generation"), 2);
}

#[tokio::test]
async fn what_somebody_uses_is_not_dropped() {
    let mut house = House::busy().await;
    house.database.execute("CREATE VIEW public.mine AS SELECT amount FROM team.fact_visit").await;
    house.rebuilt(1).await;
    house.swap_in(1).await.expect("a shadow that has caught up");
    let error = house.warehouse.accept_rebuild().await.expect_err("a view reads a former table");
    assert_eq!(error.to_string(), "tables that would be dropped are still used: view public.mine");
    house.expect("SELECT count(*) FROM public.mine", &["2"]).await;
    house.database.execute("CREATE OR REPLACE VIEW public.mine AS SELECT amount FROM team.fact_visit").await;
    house.warehouse.accept_rebuild().await.expect("nobody uses them any more");
    house.expect("SELECT count(*) FROM public.mine", &["3"]).await;
    house.expect(SCHEMAS, &["team", "team_totesys"]).await;
}

#[tokio::test]
async fn a_fact_that_is_described_no_longer_goes_when_the_rebuild_is_accepted() {
    let mut house = House::busy().await;
    let mut extra = shop();
    let mut errand = extra.outputs[2].clone();
    (errand.table, errand.surrogate_key) = ("fact_errand".to_owned(), Some("errand_record_id".to_owned()));
    extra.outputs.push(errand);
    house.warehouse.prepare(&[extra, club()], &owners()).await.expect("one more fact");
    house.warehouse.prepare(&[shop(), club()], &owners()).await.expect("one less");
    house.rebuilt(1).await;
    let report = house.swap_in(1).await.expect("a shadow without the fact");
    assert!(report.moved.contains(&"fact_errand_waiting".to_owned()), "{:?}", report.moved);
    assert_eq!(report.dependents, ["view team.fact_errand_current", "view team.fact_errand_history"]);
    house.expect("SELECT count(*) FROM team.fact_errand_history", &["0"]).await;
    house.warehouse.accept_rebuild().await.expect("only views of its own read it");
    house.expect("SELECT relname FROM pg_class WHERE relname LIKE 'fact_errand%'", &[]).await;
    house
        .expect("SELECT count(*), count(*) FILTER (WHERE view LIKE 'fact_errand%') FROM team_totesys.views", &["4 | 0"])
        .await;
}

/// Money with another number of digits: nothing that a table can become by additions.
fn with_finer_money() -> [Description; 2] {
    let mut star = shop();
    star.outputs[2].columns[5].column_type = ColumnType::Decimal { precision: 12, scale: 3 };
    [star, club()]
}

#[tokio::test]
async fn a_rebuild_changes_what_no_addition_can() {
    let mut house = House::lived_in().await;
    let stars = with_finer_money();
    house.warehouse.prepare(&stars, &owners()).await.expect_err("a column has another type");
    let options = house.warehouse.shadow_options().await.expect("the rights");
    let mut shadow = Warehouse::connect(&house.database.settings(), &options, &stamp()).await.expect("a shadow");
    shadow.prepare(&stars, &owners()).await.expect("empty schemas");
    shadow.set_generation("shop", 1).await.expect("a generation");
    let rows: Rows = &[
        ("dim_place", &["1 | Leeds | -"]),
        ("dim_kind", &["1 | walk-in"]),
        ("fact_visit", &["99 | 2024-05-01 | 09:00:00.123 | 1 | 1 | 1.005"]),
    ];
    load_into(&mut shadow, (&stars[0], 1), 1, rows).await;
    // As a run does after such a component was published: nothing can be prepared any more.
    let mut house = House { warehouse: connected(&house.database).await, ..house };
    house.warehouse.swap_in(&stars, &owners(), "shop", 1).await.expect("a shadow that fits");
    house.expect("SELECT amount FROM team.fact_visit_current", &["1.005"]).await;
    load_into(&mut house.warehouse, (&stars[0], 1), 2, &[]).await;

    let error = house.warehouse.undo_rebuild(&stars, &owners(), "shop", 2).await.expect_err("the type of before");
    assert!(matches!(error, WarehouseError::ShapeChanged { .. }), "{error:?}");
    house.expect("SELECT amount FROM team.fact_visit_current", &["1.005"]).await;
    house.warehouse.undo_rebuild(&[shop(), club()], &owners(), "shop", 2).await.expect("with the component of before");
    house.expect("SELECT amount FROM team.fact_visit_current", &["1.00"]).await;
}
