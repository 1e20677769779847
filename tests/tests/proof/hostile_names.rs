//! Names are only names: hostile ones for schemas, tables and columns go the whole way and touch nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_array::{RecordBatch, StringArray};
use star_contract::{Column, ColumnType, Delivery, Description, Output, Role};
use totesys_lake::{Attempt, BatchNumber, Bucket, ParquetRoller, PartSpec, keys};
use totesys_source::{PageRange, Portion, ReadMode, SourceOptions, SourceSnapshot, TableRequest};
use totesys_tests::{LocalLake, TestDatabase, read_portion};
use totesys_warehouse::{Begun, LakeStamp, StarBatch, Warehouse, WarehouseOptions};

/// What somebody may call a thing; 55 bytes are what a description may have.
const NAMES: &[&str] = &[
    r#"we"ird; DROP TABLE public.bystander; --"#,
    r#"""; DROP SCHEMA public CASCADE; --"#,
    "it's",
    "'; SELECT pg_sleep(9); --",
    "line\nbreak\r\n",
    "$1",
    "$$ $tag$ $$",
    "%s %I %L {} {0}",
    r"back\slash\'",
    " two words ",
    "select",
    "a.b",
    "../../up",
    "a/*b*/--c",
    "snö ☃ 表 \u{202e}rtl",
    "tab\tand\u{1}control",
    "CamelCase",
    "nul(l)",
    "xmin",
    "fifty-five-bytes-of-a-name-which-is-all-a-name-may-have",
];

fn column(name: &str, column_type: ColumnType) -> Column {
    Column { name: name.to_owned(), column_type, nullable: true, extras: Vec::new() }
}

/// Makes a schema, a table and two columns of this name; the server does the quoting.
async fn make(database: &TestDatabase, name: &str, other: &str) {
    let connection = database.connect().await;
    let make = "SELECT format('CREATE SCHEMA %1$I; CREATE TABLE %1$I.%1$I (id int PRIMARY KEY, %2$I text);
                               INSERT INTO %1$I.%1$I VALUES (1, %3$L)', $1::text, $2::text, $1::text)";
    let sql: String = connection.query_one(make, &[&name, &other]).await.unwrap().get(0);
    connection.batch_execute(&sql).await.unwrap();
}

/// What a system column is called cannot be what another is called.
fn column_name(name: &str) -> String {
    if name == "xmin" { "\"xmin\"".to_owned() } else { name.to_owned() }
}

/// The one row of the table, as it is read from the source.
async fn read(database: &TestDatabase, name: &str) -> RecordBatch {
    let described = [column("id", ColumnType::Int32), column(&column_name(name), ColumnType::Text)];
    let request = TableRequest {
        table: name.to_owned(),
        columns: described.to_vec(),
        key: vec!["id".to_owned()],
        delivery: Delivery::Changes,
    };
    // Excluding is by name too, and touches nothing that is described.
    let exclude_columns = vec![format!("{name}.{name}"), "'; DROP TABLE public.bystander; --".to_owned()];
    let options = SourceOptions { schema: name.to_owned(), exclude_columns, ..SourceOptions::default() };
    let snapshot = SourceSnapshot::open(&database.settings(), &options, &[request]).await.unwrap();
    assert_eq!(snapshot.columns(name), described, "{name:?}");
    let since = ReadMode::Since { xmin: snapshot.baseline().xmin, delivered: vec![] };
    snapshot.survey(name, &since, None).await.unwrap();
    snapshot.ranges(name).await.unwrap();
    let (keys, _) = read_portion(&snapshot, name, &since, &Portion::Keys(PageRange::ALL)).await.unwrap();
    assert_eq!(keys[0].num_columns(), 1, "{name:?}");
    let whole = ReadMode::Whole { reason: "first-batch" };
    let (mut rows, read) = read_portion(&snapshot, name, &whole, &Portion::Range(PageRange::ALL)).await.unwrap();
    assert_eq!(read.rows, 1, "{name:?}");
    let baseline = serde_json::to_string(snapshot.baseline()).unwrap();
    assert_eq!(serde_json::from_str::<totesys_source::Baseline>(&baseline).unwrap(), *snapshot.baseline());
    snapshot.close().await.unwrap();
    rows.remove(0)
}

/// The same rows after they lay in the lake.
async fn through_the_lake(local: &LocalLake, name: &str, rows: &RecordBatch, part: u32) -> RecordBatch {
    let columns = [column("id", ColumnType::Int32), column(&column_name(name), ColumnType::Text)];
    let mut roller = ParquetRoller::new(&columns, PartSpec::default(), 1);
    let written = roller.push(rows).unwrap();
    let written = written.or(roller.finish().unwrap()).expect("one row makes a part");
    let key = keys::ingested(name, BatchNumber::FIRST, &Attempt::random().unwrap(), part);
    assert!(
        key.starts_with("data/") && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=/-".contains(&b)),
        "{key}"
    );
    let file = local.lake.put_part(Bucket::Ingestion, key, name, written).await.unwrap();
    let mut back = local.lake.read_rows(Bucket::Ingestion, &file, &columns, 100).await.unwrap();
    let back = back.next().unwrap().unwrap();
    assert_eq!(back, *rows, "{name:?}");
    back
}

fn star(name: &str) -> Description {
    let output = |table: &str, role, surrogate: Option<String>| Output {
        table: table.to_owned(),
        role,
        columns: vec![
            Column { nullable: false, ..column("id", ColumnType::Int32) },
            column(&column_name(name), ColumnType::Text),
        ],
        business_key: vec!["id".to_owned()],
        surrogate_key: surrogate,
        references: Vec::new(),
        keyed_by: None,
        extras: Vec::new(),
    };
    let surrogate = Some(format!("{}#", &name[..name.floor_char_boundary(50)]));
    Description {
        star: "hostile".to_owned(),
        version: "1".to_owned(),
        inputs: Vec::new(),
        outputs: vec![output("dim_odd", Role::Dimension, None), output("fact_odd", Role::Fact, surrogate)],
        extras: Vec::new(),
    }
}

/// Loads the rows twice into a schema of this name, with side tables in another, and reads them through the views.
async fn load(database: &TestDatabase, name: &str, rows: &RecordBatch) {
    let stamp = LakeStamp { lake_id: name.to_owned(), system_identifier: "1".to_owned(), database: name.to_owned() };
    let side = format!("{}~side", &name[..name.floor_char_boundary(50)]);
    let timeout = Duration::from_secs(60);
    let options = WarehouseOptions {
        schema: name.to_owned(),
        side_schema: Some(side),
        statement_timeout: timeout,
        lock_timeout: timeout,
    };
    for batch in 1..=2 {
        let mut warehouse = Warehouse::connect(&database.settings(), &options, &stamp).await.unwrap();
        let owners = BTreeMap::from([("dim_odd".to_owned(), "hostile".to_owned())]);
        warehouse.prepare(&[star(name)], &owners).await.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        let star_batch = StarBatch {
            generation: 0,
            star: "hostile".to_owned(),
            batch,
            snapshot_micros: i64::try_from(batch).unwrap(),
            component_digest: name.to_owned(),
            attempt: name.to_owned(),
        };
        let Begun::Load(mut load) = warehouse.begin(star_batch).await.unwrap() else { panic!("{name:?} is loaded") };
        for table in ["dim_odd", "fact_odd"] {
            load.stage(table, rows).await.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        }
        load.commit().await.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        warehouse.summary().await.unwrap();
    }
    let connection = database.connect().await;
    for view in ["fact_odd", "fact_odd_current", "fact_odd_history", "dim_odd"] {
        let sql: String = connection
            .query_one(
                "SELECT format('SELECT id, %I FROM %I.%I', $1::text, $2::text, $3::text)",
                &[&column_name(name), &name, &view],
            )
            .await
            .unwrap()
            .get(0);
        let found = connection.query(&sql, &[]).await.unwrap();
        assert_eq!(found.len(), 1, "{name:?} {view}");
        assert_eq!((found[0].get::<_, i32>(0), found[0].get::<_, String>(1).as_str()), (1, name));
    }
}

#[tokio::test]
async fn hostile_names_go_the_whole_way_and_touch_nothing_else() {
    let (source, warehouse) = (TestDatabase::create().await, TestDatabase::create().await);
    let local = LocalLake::start().await.unwrap();
    let bystander = "CREATE TABLE public.bystander (id int); INSERT INTO public.bystander VALUES (1);
                     CREATE FUNCTION public.age(xid) RETURNS int LANGUAGE sql AS 'SELECT -1'";
    source.execute(bystander).await;
    warehouse.execute(bystander).await;
    for (part, name) in (0..).zip(NAMES) {
        assert!(name.len() <= 55, "{name:?}");
        make(&source, name, &column_name(name)).await;
        let rows = read(&source, name).await;
        let texts: &StringArray = rows.column(1).as_any().downcast_ref().unwrap();
        assert_eq!(texts.value(0), *name);
        let rows = through_the_lake(&local, name, &rows, part).await;
        load(&warehouse, name, &rows).await;
    }
    for database in [&source, &warehouse] {
        let connection = database.connect().await;
        let rows: i64 = connection.query_one("SELECT count(*) FROM public.bystander", &[]).await.unwrap().get(0);
        assert_eq!(rows, 1);
    }
    // Each name has files of its own.
    let files = local.lake.list(Bucket::Ingestion, "data/", None).await.unwrap();
    let folders: std::collections::BTreeSet<_> = files.iter().map(|file| file.key.split('/').nth(1)).collect();
    assert_eq!(folders.len(), NAMES.len());
}

#[tokio::test]
async fn names_of_63_bytes_are_whole_and_longer_ones_refused() {
    let database = TestDatabase::create().await;
    let whole = "ü".repeat(31) + "x";
    assert_eq!(whole.len(), 63);
    make(&database, &whole, &whole).await;
    let rows = read(&database, &whole).await;
    assert_eq!(rows.num_rows(), 1);
    let stamp = LakeStamp { lake_id: String::new(), system_identifier: String::new(), database: String::new() };
    let timeout = Duration::from_secs(60);
    for (schema, side, expected) in [
        (format!("{whole}y"), None, "it is longer than 63 bytes"),
        (whole.clone(), None, "it is longer than 63 bytes"),
        (whole.clone(), Some(format!("{whole}y")), "it is longer than 63 bytes"),
        ("nul\0".to_owned(), None, "it has a NUL byte"),
        (String::new(), None, "it is empty"),
        ("pg_catalog".to_owned(), None, "PostgreSQL keeps names that begin with `pg_` for itself"),
    ] {
        let options = WarehouseOptions { schema, side_schema: side, statement_timeout: timeout, lock_timeout: timeout };
        let error = Warehouse::connect(&database.settings(), &options, &stamp).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn descriptions_with_impossible_names_are_refused() {
    for (change, expected) in [
        ((|d: &mut Description| d.star = "a; DROP".to_owned()) as fn(&mut Description), "lower-case letters"),
        (|d| d.outputs[0].table = "dim\"x".to_owned(), "lower-case letters"),
        (|d| d.outputs[0].table = "x".repeat(56), "longer than 55 bytes"),
        (|d| d.outputs[0].columns[1].name = "a\0b".to_owned(), "NUL byte"),
        (|d| d.outputs[0].columns[1].name = String::new(), "empty"),
        (|d| d.outputs[1].surrogate_key = Some("id".to_owned()), "also a column"),
    ] {
        let mut description = star("plain");
        change(&mut description);
        let error = star_contract::check(&description).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
