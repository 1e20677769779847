//! What would be done to the tables, found out without doing it.

use star_contract::{ColumnType, Description};

use super::house::{House, club, column, connected, owners, shop};

async fn foreseen(house: &House, stars: &[Description]) -> Vec<String> {
    let steps = house.warehouse.foresee(stars, &owners()).await.unwrap_or_else(|error| panic!("{error:?}"));
    steps.into_iter().map(|step| format!("{}: {}", step.table, step.what)).collect()
}

fn with_remark(nullable: bool) -> Description {
    let mut star = shop();
    star.outputs[2].columns.push(column("remark", ColumnType::Text, nullable));
    star
}

#[tokio::test]
async fn what_is_in_line_needs_nothing() {
    let house = House::lived_in().await;
    assert_eq!(foreseen(&house, &[shop(), club()]).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_would_be_added_is_listed_and_not_done() {
    let mut house = House::lived_in().await;
    let catalogue = "SELECT count(*), max(xmin::text::bigint) FROM pg_class
                     WHERE relnamespace IN ('team'::regnamespace, 'team_totesys'::regnamespace)";
    let before = house.rows(catalogue).await;
    assert_eq!(
        foreseen(&house, &[with_remark(true), club()]).await,
        [
            r#"fact_visit: ALTER TABLE "team"."fact_visit" ADD COLUMN "remark" character varying"#,
            r#"fact_visit: ALTER TABLE "team_totesys"."fact_visit_waiting" ADD COLUMN "remark" character varying"#,
            r#"fact_visit_current: CREATE OR REPLACE VIEW "fact_visit_current""#,
            r#"fact_visit_history: CREATE OR REPLACE VIEW "fact_visit_history""#,
        ]
    );
    assert_eq!(house.rows(catalogue).await, before);
    house.warehouse.prepare(&[with_remark(true), club()], &owners()).await.expect("what was foreseen");
    assert_eq!(foreseen(&house, &[with_remark(true), club()]).await, Vec::<String>::new());
}

#[tokio::test]
async fn new_tables_are_foreseen_by_name() {
    let database = totesys_tests::TestDatabase::create().await;
    let warehouse = connected(&database).await;
    let steps = warehouse.foresee(&[club()], &owners()).await.expect("an empty warehouse");
    let steps: Vec<String> = steps.into_iter().map(|step| step.what).collect();
    assert_eq!(
        steps,
        [
            r#"CREATE TABLE "team"."dim_place""#,
            r#"CREATE TABLE "team_totesys"."dim_place_origin""#,
            r#"CREATE TABLE "team"."fact_entry""#,
            r#"CREATE INDEX ON "team"."fact_entry" ("entry_id", "entry_record_id")"#,
            r#"CREATE TABLE "team_totesys"."fact_entry_head""#,
            r#"CREATE TABLE "team_totesys"."fact_entry_deletions""#,
            r#"CREATE TABLE "team_totesys"."fact_entry_waiting""#,
            r#"ALTER TABLE "team"."fact_entry" ADD FOREIGN KEY ("place_id") REFERENCES "team"."dim_place" ("place_id")"#,
            r#"CREATE OR REPLACE VIEW "fact_entry_current""#,
            r#"CREATE OR REPLACE VIEW "fact_entry_history""#,
        ]
    );
}

#[tokio::test]
async fn what_would_be_refused_is() {
    let house = House::lived_in().await;
    let mut retyped = shop();
    retyped.outputs[2].columns[5].column_type = ColumnType::Float64;
    let mut same_fact = club();
    same_fact.outputs[1].table = "fact_visit".to_owned();
    for (stars, expected) in [
        (
            vec![with_remark(false), club()],
            "column `remark` of `fact_visit` should be `character varying NOT NULL` and is `no such column, and the table has rows`",
        ),
        (
            vec![retyped, club()],
            "column `amount` of `fact_visit` should be `double precision NOT NULL` and is `numeric(10,2) NOT NULL`",
        ),
        (vec![shop(), same_fact], "`fact_visit` of star `club` cannot be kept: another star writes this fact"),
    ] {
        let error = house.warehouse.foresee(&stars, &owners()).await.expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    let empty = House::new().await;
    assert!(!foreseen(&empty, &[with_remark(false), club()]).await.is_empty(), "an empty table can take the column");
}
