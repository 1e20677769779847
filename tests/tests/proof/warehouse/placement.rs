//! Where the tables stand, under any name and with few rights.

use totesys_postgres::ConnectionSettings;
use totesys_tests::TestDatabase;
use totesys_warehouse::{Begun, Warehouse, WarehouseError, WarehouseOptions};

use super::house::{club, options, owners, rows, shop, stage, stamp, star_batch};

/// Runs as a role that may do only what `rights` grant it.
async fn as_role(
    database: &TestDatabase,
    rights: &str,
    options: &WarehouseOptions,
) -> Result<Warehouse, WarehouseError> {
    Warehouse::connect(&role(database, rights).await, options, &stamp()).await
}

/// How to connect as a new role that may do only what `rights` grant it.
pub(super) async fn role(database: &TestDatabase, rights: &str) -> ConnectionSettings {
    let role = role_name(database);
    database
        .execute(&format!("CREATE ROLE \"{role}\" LOGIN; {}", rights.replace("ROLE", &format!("\"{role}\""))))
        .await;
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    ConnectionSettings::parse(&url, &|_| None).expect("the test server's URL")
}

pub(super) fn role_name(database: &TestDatabase) -> String {
    format!("loader_{}", database.settings().database())
}

pub(super) async fn drop_role(database: &TestDatabase) {
    let role = role_name(database);
    database.execute(&format!("DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\"")).await;
}

/// Loads two batches and counts, so that every statement has run once.
async fn works(mut warehouse: Warehouse) {
    warehouse.prepare(&[shop(), club()], &owners()).await.expect("tables");
    for batch in 1..=2 {
        let Begun::Load(mut load) = warehouse.begin(star_batch("shop", batch)).await.expect("the next batch") else {
            panic!("the batch is new");
        };
        let visit = format!("{batch} | 2024-05-02 | 10:00:00 | 1 | - | 5.00");
        let lost = "3 | 2024-05-02 | 10:00:00 | 8 | - | 5.00";
        stage(&mut load, "shop", &[("dim_place", &["1 | Leeds | -"]), ("fact_visit", &[&visit, lost])])
            .await
            .expect("rows");
        load.commit().await.expect("a load");
    }
    let summary = warehouse.summary().await.expect("a summary");
    let visits = summary.tables.iter().find(|table| table.table == "fact_visit").expect("the fact");
    assert_eq!((visits.rows, visits.waiting), (2, 1));
}

#[tokio::test]
async fn hostile_schema_names_are_only_names() {
    for schema in [r#"te"am'; DROP SCHEMA public; --"#, "Zwei Wörter", r"back\slash", "select", "$1 %s {}"] {
        let database = TestDatabase::create().await;
        let options = WarehouseOptions { schema: schema.to_owned(), ..options() };
        works(Warehouse::connect(&database.settings(), &options, &stamp()).await.expect("a usable name")).await;
        let schemas = rows(
            &database,
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information)' ORDER BY nspname = 'public', 1",
        )
        .await;
        assert_eq!(schemas, [schema.to_owned(), format!("{schema}_totesys"), "public".to_owned()]);
    }
}

#[tokio::test]
async fn unusable_schema_names_are_refused() {
    let database = TestDatabase::create().await;
    for (schema, problem) in [
        (String::new(), "it is empty"),
        ("x".repeat(64), "it is longer than 63 bytes"),
        ("x".repeat(56), "it is longer than 63 bytes"),
        ("pg_mine".to_owned(), "PostgreSQL keeps names that begin with `pg_` for itself"),
        ("nul\0".to_owned(), "it has a NUL byte"),
    ] {
        let options = WarehouseOptions { schema, ..options() };
        let error = Warehouse::connect(&database.settings(), &options, &stamp()).await.expect_err(problem);
        assert!(error.to_string().ends_with(problem), "{error}");
    }
}

#[tokio::test]
async fn a_side_schema_of_the_settings_is_used() {
    let database = TestDatabase::create().await;
    let options = WarehouseOptions { side_schema: Some("beside".to_owned()), ..options() };
    works(Warehouse::connect(&database.settings(), &options, &stamp()).await.expect("a side schema")).await;
    assert_eq!(rows(&database, "SELECT max(batch) FROM beside.loads").await, ["2"]);
}

#[tokio::test]
async fn without_create_on_the_database_side_tables_take_a_prefix() {
    let database = TestDatabase::create().await;
    let warehouse = as_role(&database, "CREATE SCHEMA team AUTHORIZATION ROLE", &options()).await;
    works(warehouse.expect("a schema of its own suffices")).await;
    assert_eq!(rows(&database, "SELECT max(batch) FROM team._totesys_loads").await, ["2"]);
    // A later right does not split the side tables in two.
    let stamped = Warehouse::connect(&database.settings(), &options(), &stamp()).await.expect("the same warehouse");
    assert_eq!(stamped.loaded("shop").await.expect("the ledger").map(|row| row.batch), Some(2));
    drop(stamped);
    drop_role(&database).await;
}

#[tokio::test]
async fn missing_rights_are_said_plainly() {
    for (rights, expected) in [
        ("SELECT", "the warehouse has no schema `team` and the role may not create it"),
        (
            "CREATE SCHEMA team; GRANT USAGE ON SCHEMA team TO ROLE",
            "the warehouse role lacks a right needed for creating the schema and side tables (team)",
        ),
    ] {
        let database = TestDatabase::create().await;
        let error = as_role(&database, rights, &options()).await.expect_err("a right is missing");
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
        drop_role(&database).await;
    }
}
