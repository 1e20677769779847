//! The stack of Glue tables: golden files of it and of its views' SQL, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use infra_templates::{Environment, RawEnvironment, TablesError, Template, tables_stack};
use serde_json::Value;
use star_contract::{Column, ColumnType, Description};

/// What the bundled components describe, as the catalog keeps it.
const STARS: &str = include_str!("tables/stars.json");

#[test]
fn the_stack_of_the_bundled_stars_is_the_golden_one() {
    let stack = tables_stack(&environment(), &bundled()).unwrap();
    golden("tables.json", &stack.pretty());
    let views = views(&stack);
    let sql: String = views.iter().map(|(name, view)| format!("-- {name}\n{};\n\n", view.sql)).collect();
    golden("tables.sql", &sql);
}

#[test]
fn a_shared_dimension_is_one_table_and_every_fact_has_its_views() {
    let stack = tables_stack(&environment(), &bundled()).unwrap();
    let names: Vec<&str> =
        stack.resources.values().filter_map(|table| table.properties["TableInput"]["Name"].as_str()).collect();
    for (name, id) in [
        ("dim_date", "DimDateTable"),
        ("dim_date_current", "DimDateCurrentView"),
        ("fact_sales_order", "FactSalesOrderTable"),
        ("fact_sales_order_current", "FactSalesOrderCurrentView"),
        ("fact_sales_order_deleted", "FactSalesOrderDeletedView"),
        ("lake_keys_sales_order", "LakeKeysSalesOrderTable"),
        ("lake_files", "LakeFilesView"),
    ] {
        assert_eq!(names.iter().filter(|there| **there == name).count(), 1, "{name}");
        assert_eq!(stack.resources[id].properties["TableInput"]["Name"], name);
    }
    // The owner of a shared dimension is for the catalog to say; who writes one alone owns it.
    let views = views(&stack);
    assert!(views["dim_date_current"].sql.contains("FROM lake_owners WHERE dimension = 'dim_date'"));
    assert!(views["dim_design_current"].sql.contains("SELECT 'sales' AS star"));
}

#[test]
fn a_view_says_the_columns_that_its_table_has() {
    let views = views(&tables_stack(&environment(), &bundled()).unwrap());
    let view = &views["fact_payment_current"];
    let columns: Vec<(&str, &str)> = view.columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    assert_eq!(
        columns[..4],
        [
            ("payment_id", "integer"),
            ("created_date", "date"),
            ("created_time", "varchar"),
            ("last_updated_date", "date"),
        ]
    );
    assert_eq!(columns.last(), Some(&("lake_batch", "bigint")));
    assert!(columns.contains(&("paid", "boolean")));
}

#[test]
fn a_fact_that_is_keyed_by_no_table_has_no_view_of_deletions() {
    let mut stars = bundled();
    let outputs = &mut stars.get_mut("sales").unwrap().outputs;
    outputs.iter_mut().for_each(|output| output.keyed_by = None);
    let views = views(&tables_stack(&environment(), &stars).unwrap());
    assert!(views.contains_key("fact_sales_order_current") && !views.contains_key("fact_sales_order_deleted"));
    assert!(!views["fact_sales_order_current"].sql.contains("lake_key_sets"));
}

#[test]
fn what_cannot_be_a_stack_is_an_error_with_a_hint() {
    let refused = |change: &dyn Fn(&mut BTreeMap<String, Description>)| {
        let mut stars = bundled();
        change(&mut stars);
        let error = tables_stack(&environment(), &stars).unwrap_err();
        assert!(!error.hint().is_empty());
        error
    };
    let rename = |name: &'static str| {
        move |stars: &mut BTreeMap<String, Description>| {
            stars.get_mut("payments").unwrap().outputs[0].table = name.to_owned()
        }
    };
    for name in ["lake_files", "lake_keys_payment", "fact_payment_current"] {
        assert_eq!(refused(&rename(name)), TablesError::TwoOfOneName { name: name.to_owned() });
    }
    let column = |name: &'static str| {
        move |stars: &mut BTreeMap<String, Description>| {
            stars.get_mut("payments").unwrap().outputs[0].columns.push(text(name))
        }
    };
    assert!(refused(&column("lake_batch")).to_string().starts_with("column `lake_batch` of `dim_counterparty`"));
    assert!(refused(&column("a;b")).to_string().contains("other characters"));
    assert!(matches!(refused(&|stars| many(stars, 250, 1)), TablesError::TooMany { resources: 536 }));
    assert!(matches!(refused(&|stars| many(stars, 200, 30)), TablesError::TooLarge { .. }));
}

/// Set by `cargo xtask test` to where its tools lie, DuckDB among them; `none` when it was told `--no-aws`.
const TOOLS: &str = "TOTESYS_TEST_TOOLS";

/// The golden file's views, run by an engine that reads the same SQL but for one construct. Whoever runs this crate's
/// tests alone has no such engine.
#[test]
fn the_views_say_what_they_should_of_a_lake_made_by_hand() {
    let Some(tools) = std::env::var_os(TOOLS).filter(|tools| tools != "none") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables/on_duckdb.py");
    let python = Path::new(&tools).join("venv/bin/python");
    let ran = std::process::Command::new(&python).arg(script).output();
    let ran = ran.unwrap_or_else(|error| panic!("{} cannot be run: {error}", python.display()));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn every_table_has_what_athena_asks_for_though_it_has_none() {
    let stack = tables_stack(&environment(), &bundled()).unwrap();
    for (id, table) in &stack.resources {
        let input = &table.properties["TableInput"];
        assert!(input["PartitionKeys"].is_array(), "{id}");
        assert!(input["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].is_string(), "{id}");
    }
}

/// Adds so many dimensions of so many columns.
fn many(stars: &mut BTreeMap<String, Description>, dimensions: usize, columns: usize) {
    let outputs = &mut stars.get_mut("sales").unwrap().outputs;
    let first = outputs[0].clone();
    for number in 0..dimensions {
        let mut another = first.clone();
        another.table = format!("dim_number_{number}");
        another.columns.extend((0..columns).map(|column| text(&format!("a_column_of_many_more_{column}"))));
        outputs.push(another);
    }
}

fn text(name: &str) -> Column {
    Column { name: name.to_owned(), column_type: ColumnType::Text, nullable: true, extras: Vec::new() }
}

fn bundled() -> BTreeMap<String, Description> {
    serde_json::from_str(STARS).unwrap()
}

fn environment() -> Environment {
    let raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("acme-totesys".to_owned()),
        ..RawEnvironment::default()
    };
    raw.check("production", BTreeMap::new()).unwrap()
}

/// A view as Athena would read it from the catalog.
struct View {
    sql: String,
    columns: Vec<(String, String)>,
}

fn views(stack: &Template) -> BTreeMap<String, View> {
    let mut views = BTreeMap::new();
    for table in stack.resources.values() {
        let input = &table.properties["TableInput"];
        let Some(text) = input["ViewOriginalText"].as_str() else { continue };
        let encoded = text.strip_prefix("/* Presto View: ").unwrap().strip_suffix(" */").unwrap();
        let view: Value = serde_json::from_slice(&decoded(encoded)).unwrap();
        let said = |part: &Value| part.as_str().unwrap().to_owned();
        let columns: Vec<_> = view["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| (said(&column["name"]), said(&column["type"])))
            .collect();
        let names: BTreeSet<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let glue = input["StorageDescriptor"]["Columns"].as_array().unwrap();
        assert_eq!(names, glue.iter().map(|column| column["Name"].as_str().unwrap()).collect());
        views.insert(said(&input["Name"]), View { sql: said(&view["originalSql"]), columns });
    }
    views
}

fn decoded(base64: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = base64.bytes().filter(|byte| *byte != b'=').map(|byte| u32::from(digit(byte))).collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

/// Compares with a file of `golden/`; with `UPDATE_GOLDEN` set it is written.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "golden/{name} is another: (hint: UPDATE_GOLDEN=1 writes it; then read `git diff`)");
}
