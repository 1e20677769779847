//! `SECURITY.md`: the rights it lists are enough, and no more than it says.

use std::sync::Arc;
use std::time::Duration;

use host_lambda::{Pipeline, Places};
use totesys_postgres::ConnectionSettings;
use totesys_sandbox::Limits;
use totesys_source::SourceOptions;
use totesys_tests::{Data, TestDatabase, Totesys, publisher};
use totesys_warehouse::WarehouseOptions;

const PAGE: &str = include_str!("../../../SECURITY.md");

/// The page's SQL under a heading, for a database and roles of the test's own; roles belong to the whole server.
fn grants(heading: &str, database: &TestDatabase, suffix: &str) -> String {
    let (_, section) = PAGE.split_once(heading).expect("the page has the section");
    let (_, block) = section.split_once("```sql\n").expect("the section has SQL");
    let (sql, _) = block.split_once("```").expect("the block ends");
    let named = ["totesys_extract", "totesys_load", "analyst"]
        .iter()
        .fold(sql.to_owned(), |sql, role| sql.replace(role, &format!("{role}{suffix}")));
    let (before, after) = named.split_once("ON DATABASE ").expect("the database is named");
    let (_, rest) = after.split_once(' ').expect("somebody is granted it");
    format!("{before}ON DATABASE {} {rest}", database.settings().database()).replace('…', "secret")
}

fn as_role(database: &TestDatabase, role: &str) -> ConnectionSettings {
    let url = database.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    ConnectionSettings::parse(&format!("{url}{separator}user={role}&password=secret"), &|_| None).expect("a good URL")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_listed_are_enough_and_no_more() {
    let totesys = Totesys::start(Data::Sample).await;
    let suffix = totesys.source.settings().database().replace("totesys_test", "");
    let [extract, load, analyst] = ["totesys_extract", "totesys_load", "analyst"].map(|role| format!("{role}{suffix}"));
    totesys.source.execute(&grants("### The source database", &totesys.source, &suffix)).await;
    totesys.warehouse.execute(&grants("### The warehouse database", &totesys.warehouse, &suffix)).await;
    // Nothing is left to what everybody may do.
    let public = "REVOKE ALL ON SCHEMA public FROM PUBLIC";
    totesys.warehouse.execute(public).await;

    let timeout = Duration::from_secs(60);
    let places = Places {
        source: Some(as_role(&totesys.source, &extract)),
        source_options: SourceOptions::default(),
        warehouse: Some(as_role(&totesys.warehouse, &load)),
        warehouse_options: WarehouseOptions {
            schema: "totesys".into(),
            side_schema: None,
            statement_timeout: timeout,
            lock_timeout: timeout,
        },
        publishers: vec![publisher().0.public()],
    };
    let pipeline =
        Pipeline::new(Arc::clone(&totesys.lake), places, Limits::default(), Arc::new(())).expect("it starts");
    for change in ["SELECT 1", "UPDATE sales_order SET units_sold = 9 WHERE sales_order_id = 4"] {
        totesys.source.execute(change).await;
        let report = Box::pin(pipeline.run()).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert!(report.failures.is_empty(), "{:?}", report.failures);
    }
    assert_eq!(
        totesys.warehouse_rows("SELECT count(*) FROM fact_sales_order").await,
        totesys.source_rows("SELECT count(*) + 1 FROM sales_order").await
    );

    let denied = "42501";
    for (database, role, sql, expected) in [
        (&totesys.source, &extract, "UPDATE sales_order SET units_sold = 1", denied),
        (&totesys.source, &extract, "DELETE FROM payment", denied),
        (&totesys.source, &extract, "SELECT FROM _prisma_migrations", denied),
        (&totesys.warehouse, &load, "CREATE SCHEMA more", denied),
        (&totesys.warehouse, &load, "CREATE TABLE public.more (id int)", denied),
    ] {
        let connection = as_role(database, role).connect("tests").await.expect("the role may connect");
        let error = connection.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|code| code.code()), Some(expected), "{role}: {sql}");
    }
    let connection = totesys.warehouse.connect().await;
    connection
        .batch_execute(&format!("SET ROLE {analyst}; SET search_path = totesys"))
        .await
        .expect("the role is there");
    for query in ["fact_sales_order_current", "fact_sales_order_history", "dim_staff", "fact_payment"] {
        connection
            .batch_execute(&format!("SELECT FROM {query}"))
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    for sql in ["DELETE FROM dim_staff", "SELECT FROM totesys_totesys.loads"] {
        let error = connection.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|code| code.code()), Some(denied), "{sql}");
    }
    drop(connection);
    let gone = |role: &str| format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role};");
    totesys.source.execute(&gone(&extract)).await;
    totesys.warehouse.execute(&(gone(&analyst) + &gone(&load))).await;
}
