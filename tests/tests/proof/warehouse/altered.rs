//! A warehouse that somebody altered by hand: what can be restored is, anything else is named before a row is loaded.

use super::house::{House, club, connected_as, owners, shop, stamp};

/// What was done, and what is refused because of it.
const REFUSED: &[&str] = &[
    "ALTER TABLE team.fact_visit DROP COLUMN amount CASCADE",
    "ALTER TABLE team.dim_place DROP COLUMN town",
    "DROP TABLE team.fact_visit CASCADE",
    "DROP TABLE team.dim_kind CASCADE",
    "ALTER TABLE team.fact_visit DROP CONSTRAINT fact_visit_pkey",
    "ALTER TABLE team.dim_kind DROP CONSTRAINT dim_kind_pkey CASCADE",
    "ALTER TABLE team.dim_place ALTER town DROP NOT NULL",
    "ALTER TABLE team.dim_kind ADD COLUMN extra int NOT NULL DEFAULT 0; ALTER TABLE team.dim_kind ALTER extra DROP DEFAULT",
    "ALTER TABLE team.dim_place ALTER town TYPE text",
    "ALTER TABLE team.dim_kind ALTER label TYPE varchar(3) USING left(label, 3)",
    "ALTER TABLE team.fact_visit DROP CONSTRAINT fact_visit_kind_id_fkey; DELETE FROM team.dim_kind",
    "ALTER TABLE team.fact_visit RENAME TO old_visit; CREATE VIEW team.fact_visit AS SELECT * FROM team.old_visit",
    "DROP VIEW team.fact_visit_current; CREATE TABLE team.fact_visit_current (visit_id int)",
    "CREATE OR REPLACE VIEW team.fact_visit_current AS SELECT f.*, 1 AS more FROM team.fact_visit f;
     CREATE VIEW public.mine AS SELECT more FROM team.fact_visit_current",
    "DROP TABLE team_totesys.fact_visit_head CASCADE",
    "ALTER TABLE team_totesys.fact_visit_head DROP CONSTRAINT fact_visit_head_pkey CASCADE",
    "ALTER TABLE team_totesys.fact_visit_head DROP COLUMN _deleted_in CASCADE",
    "DROP TABLE team_totesys.fact_visit_waiting CASCADE",
    "DROP TABLE team_totesys.fact_visit_deletions CASCADE",
    "ALTER TABLE team_totesys.fact_visit_waiting ALTER _ord TYPE integer",
    "ALTER TABLE team_totesys.fact_visit_waiting DROP CONSTRAINT fact_visit_waiting_pkey",
    "DROP VIEW team.fact_visit_history; ALTER TABLE team_totesys.fact_visit_waiting ALTER amount TYPE text",
    "DROP TABLE team_totesys.loads",
    "ALTER TABLE team_totesys.loads DROP CONSTRAINT loads_pkey",
    "ALTER TABLE team_totesys.loads RENAME attempt TO try",
    "DROP TABLE team_totesys.fact_loads CASCADE",
    "DROP TABLE team_totesys.views",
    "DROP TABLE team_totesys.stamp",
];

/// Everything there is: relations, columns, constraints and the rows of the ledger.
const STATE: &str = "\
    SELECT (SELECT md5(string_agg(c.relname || a.attname || a.attnotnull || a.atttypid, ',' ORDER BY c.oid, a.attnum))
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
            WHERE c.relnamespace::regnamespace::text LIKE 'team%'),
           (SELECT string_agg(conname, ',' ORDER BY oid) FROM pg_constraint WHERE connamespace::regnamespace::text LIKE 'team%')";

#[tokio::test]
async fn what_cannot_be_restored_is_named_before_anything_is_loaded() {
    let mut said = Vec::new();
    for change in REFUSED {
        let mut house = House::lived_in().await;
        house.database.execute(change).await;
        let before = house.rows(STATE).await;
        let error = house.warehouse.prepare(&[shop(), club()], &owners()).await.expect_err(change);
        assert_eq!(house.rows(STATE).await, before, "{change}");
        assert!(!error.is_transient(), "{change}");
        said.push(format!("{change}\n  {error:?}\n  {error}\n  hint: {}", error.hint().expect(change)));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn a_ledger_without_its_stamp_is_refused_at_the_door() {
    let house = House::lived_in().await;
    house.database.execute("DROP TABLE team_totesys.stamp").await;
    let error = connected_as(&house.database, &stamp()).await.expect_err("nobody knows whose warehouse it is");
    assert_eq!(
        error.to_string(),
        "the warehouse lacks the table \"team_totesys\".\"stamp\", though \"team_totesys\".\"loads\" is there"
    );
    house.expect("SELECT to_regclass('team_totesys.stamp')", &["-"]).await;
}

/// What was done, a query over the warehouse, and what it gives once the warehouse was prepared again.
const RESTORED: &[(&str, &str, &str)] = &[
    (
        "ALTER TABLE team.fact_visit DROP CONSTRAINT fact_visit_kind_id_fkey",
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'team.fact_visit'::regclass AND contype = 'f'",
        "2",
    ),
    ("DROP VIEW team.fact_visit_current", "SELECT visit_id FROM team.fact_visit_current", "99"),
    ("DROP VIEW team.fact_visit_history", "SELECT visit_id, is_current FROM team.fact_visit_history", "99 | t"),
    (
        "GRANT SELECT ON team.fact_visit_current TO PUBLIC;
         CREATE OR REPLACE VIEW team.fact_visit_current AS SELECT * FROM team.fact_visit WHERE false",
        "SELECT visit_id, has_table_privilege('public', 'team.fact_visit_current', 'SELECT') FROM team.fact_visit_current",
        "99 | t",
    ),
    (
        "CREATE OR REPLACE VIEW team.fact_visit_current AS SELECT *, 1 AS more FROM team.fact_visit WHERE false",
        "SELECT visit_id, (SELECT count(*) FROM pg_attribute WHERE attrelid = 'team.fact_visit_current'::regclass
         AND attnum > 0) FROM team.fact_visit_current",
        "99 | 7",
    ),
    ("ALTER TABLE team.dim_place DROP COLUMN district", "SELECT district FROM team.dim_place WHERE place_id = 1", "-"),
    ("DROP TABLE team_totesys.dim_place_origin", "SELECT count(*) FROM team_totesys.dim_place_origin", "0"),
    // These stop nothing.
    ("ALTER TABLE team.fact_visit ADD COLUMN mine text", "SELECT visit_id, mine FROM team.fact_visit", "99 | -"),
    (
        "ALTER TABLE team.dim_kind ADD COLUMN mine int NOT NULL DEFAULT 5, ADD COLUMN own bigint GENERATED ALWAYS AS IDENTITY",
        "SELECT mine, own FROM team.dim_kind",
        "5 | 1",
    ),
];

#[tokio::test]
async fn what_can_be_restored_is() {
    for (change, query, expected) in RESTORED {
        let mut house = House::lived_in().await;
        house.database.execute(change).await;
        house
            .warehouse
            .prepare(&[shop(), club()], &owners())
            .await
            .unwrap_or_else(|error| panic!("{change}: {error:?}"));
        assert_eq!(house.rows(query).await, [*expected], "{change}");
        let rows: &[(&str, &[&str])] = &[
            ("dim_place", &["1 | Leeds | North", "2 | York | -"]),
            ("dim_kind", &["2 | by post"]),
            (
                "fact_visit",
                &["7 | 2024-05-02 | 10:00:00 | 1 | 2 | 5.00", "99 | 2024-05-01 | 09:00:00.123 | 1 | 1 | 1.00"],
            ),
        ];
        house.load("shop", 2, rows).await;
        house.expect("SELECT visit_id, kind_id FROM team.fact_visit_current ORDER BY 1", &["7 | 2", "99 | 1"]).await;
    }
}
