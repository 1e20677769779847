//! Change detection against the server: every version is delivered once, nothing else is.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow_array::{Array, Int32Array, RecordBatch, StringArray};
use star_contract::{Column, ColumnType, Delivery};
use tokio::sync::mpsc;
use totesys_postgres::ConnectionSettings;
use totesys_source::{
    Baseline, PageRange, RangeRead, ReadMode, SourceError, SourceOptions, SourceSnapshot, TableRequest,
};
use totesys_tests::TestDatabase;

const DESIGN: &str = "\
    CREATE TABLE design (design_id int PRIMARY KEY, created_at timestamp(3) NOT NULL DEFAULT now(),
      design_name text NOT NULL, last_updated timestamp(3) NOT NULL DEFAULT now());
    INSERT INTO design (design_id, design_name) VALUES (1, 'one'), (2, 'two'), (3, 'three')";

fn column(name: &str, column_type: ColumnType) -> Column {
    Column { name: name.to_owned(), column_type, nullable: false, extras: Vec::new() }
}

fn request(table: &str, columns: Vec<Column>) -> TableRequest {
    let key = columns.first().map(|column| column.name.clone()).into_iter().collect();
    TableRequest { table: table.to_owned(), columns, key, delivery: Delivery::Changes }
}

fn design() -> TableRequest {
    request("design", vec![column("design_id", ColumnType::Int32), column("design_name", ColumnType::Text)])
}

async fn open(database: &TestDatabase, requests: &[TableRequest]) -> Result<SourceSnapshot, SourceError> {
    SourceSnapshot::open(&database.settings(), &SourceOptions::default(), requests).await
}

async fn read(
    snapshot: &SourceSnapshot,
    table: &str,
    mode: &ReadMode,
    range: PageRange,
) -> (Vec<RecordBatch>, RangeRead) {
    let (sender, mut receiver) = mpsc::channel(2);
    let collecting = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (read, batches) = tokio::join!(snapshot.read(table, mode, range, sender), collecting);
    (batches, read.unwrap())
}

/// One extraction of `design`: the names that were delivered, how many rows the survey promised, the baseline.
async fn extract(database: &TestDatabase, previous: Option<&Baseline>) -> (Vec<String>, u64, Baseline) {
    let snapshot = open(database, &[design()]).await.unwrap();
    let mode = snapshot.decide(previous).unwrap().remove("design").unwrap();
    let survey = snapshot.survey("design", &mode).await.unwrap();
    let (mut names, mut recent) = (Vec::new(), BTreeSet::new());
    for range in snapshot.ranges("design", &mode).await.unwrap() {
        let (batches, read) = read(&snapshot, "design", &mode, range).await;
        recent.extend(read.recent_xids);
        for batch in batches {
            let texts: &StringArray = batch.column(1).as_any().downcast_ref().unwrap();
            names.extend(texts.iter().flatten().map(str::to_owned));
        }
    }
    assert_eq!(survey.changed, names.len() as u64, "the survey and the reading see the same");
    let baseline = snapshot.baseline().clone().with_delivered(previous, recent).with_rows("design", survey.rows);
    snapshot.close().await.unwrap();
    names.sort();
    // As a manifest would keep it.
    let baseline = serde_json::from_str(&serde_json::to_string(&baseline).unwrap()).unwrap();
    (names, survey.rows, baseline)
}

#[tokio::test]
async fn silent_updates_are_seen_once_and_an_idle_source_gives_nothing() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    let (names, rows, first) = extract(&database, None).await;
    assert_eq!((names.len(), rows), (3, 3));
    let (names, _, idle) = extract(&database, Some(&first)).await;
    assert!(names.is_empty(), "{names:?}");
    database.execute("UPDATE design SET design_name = 'silent' WHERE design_id = 2").await;
    let (names, _, second) = extract(&database, Some(&idle)).await;
    assert_eq!(names, ["silent"]);
    // An update that changes nothing is delivered too: content is compared later.
    database.execute("UPDATE design SET design_name = design_name WHERE design_id = 1").await;
    let (names, rows, third) = extract(&database, Some(&second)).await;
    assert_eq!((names, rows), (vec!["one".to_owned()], 3));
    database.execute("DELETE FROM design WHERE design_id = 3").await;
    let (names, rows, _) = extract(&database, Some(&third)).await;
    assert_eq!((names.len(), rows), (0, 2));
}

#[tokio::test]
async fn a_transaction_open_across_a_snapshot_is_delivered_after_its_commit() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    let (.., first) = extract(&database, None).await;
    let open = database.connect().await;
    open.batch_execute(
        "BEGIN; INSERT INTO design VALUES (10, '2020-01-01', 'late', '2020-01-01');
         SAVEPOINT s; INSERT INTO design VALUES (11, '2020-01-01', 'in savepoint', '2020-01-01'); RELEASE s;
         SAVEPOINT t; INSERT INTO design VALUES (12, '2020-01-01', 'rolled back', '2020-01-01'); ROLLBACK TO t",
    )
    .await
    .unwrap();
    database.execute("INSERT INTO design (design_id, design_name) VALUES (20, 'overtakes')").await;
    let (names, _, second) = extract(&database, Some(&first)).await;
    assert_eq!(names, ["overtakes"]);
    assert!(!second.delivered.is_empty());
    open.batch_execute("SAVEPOINT u; UPDATE design SET design_name = 'deep' WHERE design_id = 1; RELEASE u; COMMIT")
        .await
        .unwrap();
    let (names, _, third) = extract(&database, Some(&second)).await;
    assert_eq!(names, ["deep", "in savepoint", "late"]);
    let (names, ..) = extract(&database, Some(&third)).await;
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test]
async fn while_xmin_stands_still_nothing_is_delivered_twice() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    let open = database.connect().await;
    open.batch_execute("BEGIN; INSERT INTO design (design_id, design_name) VALUES (10, 'open')").await.unwrap();
    let (names, _, mut previous) = extract(&database, None).await;
    assert_eq!(names.len(), 3);
    let xmin = previous.xmin;
    for round in 0..4 {
        let name = format!("round {round}");
        database
            .execute(&format!(
                "BEGIN; SAVEPOINT s; INSERT INTO design (design_id, design_name) VALUES (2{round}, '{name}'); RELEASE s; COMMIT"
            ))
            .await;
        let (names, _, with_news) = extract(&database, Some(&previous)).await;
        assert_eq!(names, [name]);
        let (names, _, idle) = extract(&database, Some(&with_news)).await;
        assert!(names.is_empty(), "{names:?}");
        assert!(idle.xmin >= xmin && idle.delivered.len() > round);
        previous = idle;
    }
    open.batch_execute("COMMIT").await.unwrap();
    let (names, _, last) = extract(&database, Some(&previous)).await;
    assert_eq!(names, ["open"]);
    assert!(extract(&database, Some(&last)).await.0.is_empty());
}

#[tokio::test]
async fn a_changed_shape_reads_the_table_whole() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    let (.., first) = extract(&database, None).await;
    database.execute("ALTER TABLE design ADD COLUMN colour text DEFAULT 'red'").await;
    let snapshot = open(&database, &[design()]).await.unwrap();
    let modes = snapshot.decide(Some(&first)).unwrap();
    assert_eq!(modes["design"], ReadMode::Whole { reason: "table-changed-shape" });
    let names: Vec<_> = snapshot.columns("design").iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["design_id", "design_name", "created_at", "last_updated", "colour"]);
}

#[tokio::test]
async fn page_ranges_hold_every_row_once() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "CREATE TABLE big AS SELECT n AS id, repeat('x', 200) AS filler FROM generate_series(1, 30000) n;
             DELETE FROM big WHERE id % 7 = 0; UPDATE big SET filler = 'y' WHERE id % 11 = 0",
        )
        .await;
    let expected: BTreeSet<i32> = (1..=30000).filter(|id| id % 7 != 0).collect();
    let options = SourceOptions { range_bytes: 1 << 20, connections: 3, ..SourceOptions::default() };
    let requests = [request("big", vec![Column { nullable: true, ..column("id", ColumnType::Int32) }])];
    let snapshot = SourceSnapshot::open(&database.settings(), &options, &requests).await.unwrap();
    // Seen by the readers that join later only if they did not join the snapshot.
    database.execute("INSERT INTO big VALUES (0, 'after the snapshot')").await;
    let mode = ReadMode::Whole { reason: "first-batch" };
    let ranges = snapshot.ranges("big", &mode).await.unwrap();
    assert!(ranges.len() > 4, "{ranges:?}");
    let reads = ranges.iter().map(|range| read(&snapshot, "big", &mode, *range));
    let mut ids = Vec::new();
    for (batches, _) in futures_util::future::join_all(reads).await {
        for batch in batches {
            ids.extend_from_slice(batch.column(0).as_any().downcast_ref::<Int32Array>().unwrap().values());
        }
    }
    assert_eq!(ids.len(), expected.len());
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
    snapshot.close().await.unwrap();
}

#[tokio::test]
async fn other_tables_are_untouched() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    database.execute("CREATE TABLE _prisma_migrations (id text)").await;
    let migrating = database.connect().await;
    migrating.batch_execute("BEGIN; LOCK TABLE _prisma_migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (names, _, baseline) = extract(&database, None).await;
    assert_eq!(names.len(), 3);
    assert_eq!(baseline.tables.keys().collect::<Vec<_>>(), ["design"]);
}

#[tokio::test]
async fn types_nobody_described_are_ingested_as_they_best_can() {
    let database = TestDatabase::create().await;
    database
        .execute(
            r#"CREATE TYPE "TransactionType" AS ENUM ('SALE', 'PURCHASE');
               CREATE DOMAIN price AS numeric(10,2);
               CREATE TABLE odd (id int, kind "TransactionType", price price, free numeric, tags text[], doc jsonb,
                 code varchar(3), fixed char(4), small real, secret text, span tsrange);
               INSERT INTO odd VALUES (1, 'SALE', 1.5, 1e50, '{a,"b,c"}', '{"k": 1}', 'GBP', 'ab', 0.5, 's', '[2024-01-01,)')"#,
        )
        .await;
    let options = SourceOptions { exclude_columns: vec!["odd.secret".to_owned()], ..SourceOptions::default() };
    let nullable = |name, column_type| Column { nullable: true, ..column(name, column_type) };
    let requests = [request("odd", vec![nullable("kind", ColumnType::Text), nullable("id", ColumnType::Int64)])];
    let snapshot = SourceSnapshot::open(&database.settings(), &options, &requests).await.unwrap();
    let types: Vec<_> =
        snapshot.columns("odd").iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
    assert_eq!(
        types,
        [
            "kind text",
            "id int64",
            "price decimal(10,2)",
            "free text",
            "tags text",
            "doc json",
            "code text",
            "fixed text",
            "small float64",
            "span text"
        ]
    );
    let (batches, _) = read(&snapshot, "odd", &ReadMode::Whole { reason: "first-batch" }, PageRange::ALL).await;
    let text = |position: usize| batches[0].column(position).as_any().downcast_ref::<StringArray>().unwrap().value(0);
    assert_eq!([text(0), text(4), text(5), text(6), text(7)], ["SALE", r#"{a,"b,c"}"#, r#"{"k": 1}"#, "GBP", "ab"]);
    assert_eq!(text(3), format!("1{}", "0".repeat(50)));

    database.execute(r#"ALTER TYPE "TransactionType" RENAME VALUE 'SALE' TO 'SOLD'"#).await;
    let renamed = SourceSnapshot::open(&database.settings(), &options, &requests).await.unwrap();
    let modes = renamed.decide(Some(snapshot.baseline())).unwrap();
    assert_eq!(modes["odd"], ReadMode::Whole { reason: "table-changed-shape" });
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let database = TestDatabase::create().await;
    database
        .execute(
            r#"CREATE SCHEMA "we""ird'; --";
               CREATE TABLE "we""ird'; --"."sa'l""es" ("sel""ect" int, "xmin'" text);
               INSERT INTO "we""ird'; --"."sa'l""es" VALUES (1, 'a');
               CREATE FUNCTION public.age(xid) RETURNS int LANGUAGE sql AS 'SELECT -1';
               CREATE TABLE public.pg_class (hostile int)"#,
        )
        .await;
    let options = SourceOptions { schema: r#"we"ird'; --"#.to_owned(), ..SourceOptions::default() };
    let columns = vec![Column { nullable: true, ..column(r#"sel"ect"#, ColumnType::Int32) }];
    let requests = [request(r#"sa'l"es"#, columns)];
    let snapshot = SourceSnapshot::open(&database.settings(), &options, &requests).await.unwrap();
    let modes = snapshot.decide(None).unwrap();
    let (table, mode) = modes.first_key_value().unwrap();
    let (batches, read) = read(&snapshot, table, mode, PageRange::ALL).await;
    assert_eq!((batches[0].num_columns(), read.rows), (2, 1));
    let since = ReadMode::Since { xmin: snapshot.baseline().xmin, delivered: vec![] };
    snapshot.survey(table, &since).await.unwrap();
}

#[tokio::test]
async fn refused_values_come_with_their_fields() {
    let database = TestDatabase::create().await;
    database
        .execute("CREATE TABLE prices (id int, price numeric); INSERT INTO prices VALUES (1, 'NaN'), (2, 2.5)")
        .await;
    let nullable = |name, column_type| Column { nullable: true, ..column(name, column_type) };
    let decimal = ColumnType::Decimal { precision: 10, scale: 2 };
    let requests = [request("prices", vec![nullable("id", ColumnType::Int32), nullable("price", decimal)])];
    let snapshot = open(&database, &requests).await.unwrap();
    let (batches, read) = read(&snapshot, "prices", &ReadMode::Whole { reason: "first-batch" }, PageRange::ALL).await;
    assert_eq!((batches[0].num_rows(), read.rows, read.refused.len()), (1, 1, 1));
    assert_eq!(read.refused[0].fields[1], ("price".to_owned(), Some("NaN".to_owned())));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_a_hint() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    database
        .execute(
            "CREATE VIEW design_view AS SELECT * FROM design; CREATE MATERIALIZED VIEW design_copy AS SELECT * FROM design;
             CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
             CREATE FOREIGN TABLE elsewhere (design_id int) SERVER s",
        )
        .await;
    let with = |name, column_type| request("design", vec![column(name, column_type)]);
    for (request, expected) in [
        (request("design_view", vec![]), "`design_view` is a view, not a table: its changes cannot be found"),
        (
            request("design_copy", vec![]),
            "`design_copy` is a materialized view, not a table: its changes cannot be found",
        ),
        (request("elsewhere", vec![]), "`elsewhere` is a foreign table, not a table: its changes cannot be found"),
        (request("nowhere", vec![]), "there is no table `public.nowhere` in the source database"),
        (with("colour", ColumnType::Text), "table `design` has no column `colour`; a component describes it as text"),
        (
            with("design_name", ColumnType::Int32),
            "column `design.design_name` is text, which does not fit the described int32",
        ),
        (
            with("created_at", ColumnType::Timestamptz),
            "column `design.created_at` is timestamp(3) without time zone, which does not fit the described timestamptz",
        ),
    ] {
        let error = open(&database, &[request]).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some(), "{expected}");
        assert!(!error.is_transient());
    }
}

/// A role of the test's own; roles belong to the whole server.
fn as_role(database: &TestDatabase, role: &str) -> ConnectionSettings {
    let url = database.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    ConnectionSettings::parse(&format!("{url}{separator}user={role}&password=secret"), &|_| None).unwrap()
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_statement_that_grants_it() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    let role = database.settings().database().replace("totesys_test", "totesys_role");
    database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    let settings = as_role(&database, &role);
    let options = SourceOptions::default();

    let error = SourceSnapshot::open(&settings, &options, &[design()]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("role `{role}` may not read table `public.design`"));
    let hint = error.hint().unwrap();
    assert!(hint.contains("GRANT SELECT ON \"public\".\"design\""), "{hint}");

    // SELECT is all it takes; but a policy that would hide rows is an error, not a smaller table.
    database.execute(&hint).await;
    SourceSnapshot::open(&settings, &options, &[design()]).await.unwrap().close().await.unwrap();
    database.execute("ALTER TABLE design ENABLE ROW LEVEL SECURITY").await;
    let snapshot = SourceSnapshot::open(&settings, &options, &[design()]).await.unwrap();
    let error = snapshot.survey("design", &ReadMode::Whole { reason: "first-batch" }).await.unwrap_err();
    assert!(error.hint().unwrap().contains("BYPASSRLS"), "{error:?}");
    drop(snapshot);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_locked_table_is_waited_for_only_so_long() {
    let database = TestDatabase::create().await;
    database.execute(DESIGN).await;
    let migrating = database.connect().await;
    migrating.batch_execute("BEGIN; LOCK TABLE design IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let options = SourceOptions { lock_timeout: Duration::from_millis(100), ..SourceOptions::default() };
    let error = SourceSnapshot::open(&database.settings(), &options, &[design()]).await.unwrap_err();
    assert_eq!(error.to_string(), "the source database refused to lock table `design`");
    assert!(error.is_transient() && error.hint().is_some());
}

#[tokio::test]
async fn partitions_are_read_with_their_table() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "CREATE TABLE parted (id int NOT NULL) PARTITION BY RANGE (id);
             CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10);
             INSERT INTO parted VALUES (1), (2)",
        )
        .await;
    let requests = [request("parted", vec![column("id", ColumnType::Int32)])];
    let first = open(&database, &requests).await.unwrap();
    let whole = ReadMode::Whole { reason: "first-batch" };
    assert_eq!(first.ranges("parted", &whole).await.unwrap(), [PageRange::ALL]);
    assert_eq!(read(&first, "parted", &whole, PageRange::ALL).await.1.rows, 2);
    let baseline = first.baseline().clone();
    first.close().await.unwrap();
    database
        .execute(
            "CREATE TABLE high (id int NOT NULL); INSERT INTO high VALUES (11);
                  ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM (10) TO (20)",
        )
        .await;
    let second = open(&database, &requests).await.unwrap();
    assert_eq!(second.decide(Some(&baseline)).unwrap()["parted"], ReadMode::Whole { reason: "table-changed-shape" });
}
