//! Change detection against the server: every version is delivered once, nothing else is.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow_array::{Array, Int32Array, RecordBatch, StringArray};
use star_contract::{Column, ColumnType, Delivery};
use totesys_postgres::ConnectionSettings;
use totesys_source::{
    Baseline, PageRange, Portion, PortionRead, ReadMode, SourceError, SourceOptions, SourceSnapshot, TableRequest,
};
use totesys_tests::{TestDatabase, read_portion};

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
    portion: Portion,
) -> (Vec<RecordBatch>, PortionRead) {
    read_portion(snapshot, table, mode, &portion).await.unwrap()
}

/// One extraction of `design`: the names that were delivered, how many rows the survey promised, the baseline.
async fn extract(database: &TestDatabase, previous: Option<&Baseline>) -> (Vec<String>, u64, Baseline) {
    let snapshot = open(database, &[design()]).await.unwrap();
    let mode = snapshot.decide(previous).unwrap().remove("design").unwrap();
    let known = previous.and_then(|previous| previous.tables["design"].keys);
    let survey = snapshot.survey("design", &mode, known.as_ref()).await.unwrap();
    let (mut names, mut recent) = (Vec::new(), BTreeSet::new());
    for portion in survey.portions {
        let (batches, read) = read(&snapshot, "design", &mode, portion).await;
        recent.extend(read.recent_xids);
        for batch in batches {
            let texts: &StringArray = batch.column(1).as_any().downcast_ref().unwrap();
            names.extend(texts.iter().flatten().map(str::to_owned));
        }
    }
    assert_eq!(survey.changed, names.len() as u64, "the survey and the reading see the same");
    let baseline = snapshot.baseline().clone().with_delivered(previous, recent).with_keys("design", survey.keys);
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
    let ranges = snapshot.ranges("big").await.unwrap();
    assert!(ranges.len() > 4, "{ranges:?}");
    let reads = ranges.iter().map(|range| read(&snapshot, "big", &mode, Portion::Range(*range)));
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

/// What each change of a table does to what a survey says of its keys.
#[tokio::test]
async fn a_survey_tells_whether_all_keys_are_there() {
    for key in ["id int", "id bigint", "id smallint", "id text"] {
        let database = TestDatabase::create().await;
        database
            .execute(&format!(
                "CREATE TABLE keyed ({key} PRIMARY KEY, filler text);
            INSERT INTO keyed SELECT n, repeat('x', 100) FROM generate_series(-3000, 3000, 3) n"
            ))
            .await;
        let column_type = match key {
            "id int" => ColumnType::Int32,
            "id bigint" => ColumnType::Int64,
            "id smallint" => ColumnType::Int16,
            _ => ColumnType::Text,
        };
        let options = SourceOptions { range_bytes: 1 << 16, ..SourceOptions::default() };
        let requests = [request("keyed", vec![column("id", column_type)])];
        let mut known = None;
        for (change, all_there, in_order) in [
            ("SELECT 1", None, true),
            ("SELECT 1", Some(true), true),
            ("UPDATE keyed SET filler = 'y' WHERE id::int = 0", Some(true), true),
            ("INSERT INTO keyed VALUES ('3001', 'z'), ('3010', 'z')", Some(true), false),
            ("DELETE FROM keyed WHERE id::int = 3", Some(false), true),
            ("DELETE FROM keyed WHERE id::int = 9; INSERT INTO keyed VALUES ('3011', 'z')", Some(false), true),
            (
                "DELETE FROM keyed WHERE id::int IN (12, 18); INSERT INTO keyed VALUES ('13', 'z'), ('17', 'z')",
                Some(false),
                true,
            ),
            ("DELETE FROM keyed WHERE id::int = 3011", Some(false), true),
            ("VACUUM FULL keyed", Some(true), true),
        ] {
            database.execute(change).await;
            let snapshot = SourceSnapshot::open(&database.settings(), &options, &requests).await.unwrap();
            let mode = ReadMode::Since { xmin: snapshot.baseline().xmin, delivered: vec![] };
            let survey = snapshot.survey("keyed", &mode, known.as_ref()).await.unwrap();
            snapshot.close().await.unwrap();
            // Of keys that grow in no order a new one cannot be told from one that came instead of another.
            let expected = if key == "id text" && !in_order { Some(false) } else { all_there };
            assert_eq!(survey.all_there, expected, "{key}: {change}");
            known = Some(survey.keys);
        }
    }
}

#[tokio::test]
async fn many_changes_are_scanned_again_and_few_are_fetched() {
    let database = TestDatabase::create().await;
    database
        .execute("CREATE TABLE big (id int PRIMARY KEY, filler text); INSERT INTO big SELECT n, 'x' FROM generate_series(1, 60000) n")
        .await;
    let requests = [request("big", vec![column("id", ColumnType::Int32)])];
    for (changed, fetched) in [(0, None), (20_000, Some(true)), (20_001, Some(false))] {
        let before = open(&database, &requests).await.unwrap();
        // What began before may still be open for other databases of the server, and xmin with it.
        let mode = ReadMode::Since { xmin: before.baseline().xmax, delivered: vec![] };
        before.close().await.unwrap();
        database.execute(&format!("UPDATE big SET filler = 'y' WHERE id <= {changed}")).await;
        let snapshot = open(&database, &requests).await.unwrap();
        let survey = snapshot.survey("big", &mode, None).await.unwrap();
        assert_eq!((survey.rows, survey.changed), (60_000, changed));
        assert_eq!(survey.portions.first().map(|portion| matches!(portion, Portion::Rows(_))), fetched);
        let mut ids = BTreeSet::new();
        for portion in survey.portions {
            for batch in read(&snapshot, "big", &mode, portion).await.0 {
                ids.extend(batch.column(0).as_any().downcast_ref::<Int32Array>().unwrap().values().to_vec());
            }
        }
        assert_eq!(ids, (1..=i32::try_from(changed).unwrap()).collect());
        snapshot.close().await.unwrap();
    }
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
    let (batches, _) =
        read(&snapshot, "odd", &ReadMode::Whole { reason: "first-batch" }, Portion::Range(PageRange::ALL)).await;
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
    let (batches, read) = read(&snapshot, table, mode, Portion::Range(PageRange::ALL)).await;
    assert_eq!((batches[0].num_columns(), read.rows), (2, 1));
    let since = ReadMode::Since { xmin: snapshot.baseline().xmin, delivered: vec![] };
    snapshot.survey(table, &since, None).await.unwrap();
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
    let whole = ReadMode::Whole { reason: "first-batch" };
    let (batches, read) = read(&snapshot, "prices", &whole, Portion::Range(PageRange::ALL)).await;
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
    let error = snapshot.survey("design", &ReadMode::Whole { reason: "first-batch" }, None).await.unwrap_err();
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
    assert_eq!(first.ranges("parted").await.unwrap(), [PageRange::ALL]);
    assert_eq!(read(&first, "parted", &whole, Portion::Range(PageRange::ALL)).await.1.rows, 2);
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
