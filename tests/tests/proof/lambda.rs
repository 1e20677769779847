//! The functions as AWS runs them: their program behind a Runtime API, with S3, Secrets Manager and PostgreSQL.

mod function;
mod http;

use std::collections::BTreeSet;

use host_lambda::Extraction;
use serde_json::{Value, json};
use totesys_tests::{Data, STARS, TestDatabase, Totesys};

use function::{Answer, Function, Secrets};

const SOURCE: &str = "acme/source";
const WAREHOUSE: &str = "acme/warehouse";

/// The functions of a deployment.
struct Functions {
    extract: Function,
    transform: Function,
    load: Function,
    secrets: Secrets,
}

impl Functions {
    async fn start(totesys: &Totesys) -> Self {
        let secrets = Secrets::default();
        secrets.set(SOURCE, &totesys.source.url());
        secrets.set(WAREHOUSE, &totesys.warehouse.url());
        let stage = |stage: &'static str, own: Option<(&'static str, &'static str)>| {
            let variables: Vec<_> = [("TOTESYS_STAGE", stage)].into_iter().chain(own).collect();
            let secrets = secrets.clone();
            async move { Function::start(totesys, &secrets, &variables).await }
        };
        Self {
            extract: stage("extract", Some(("TOTESYS_SOURCE_SECRET", SOURCE))).await,
            transform: stage("transform", None).await,
            load: stage("load", Some(("TOTESYS_WAREHOUSE_SECRET", WAREHOUSE))).await,
            secrets,
        }
    }

    /// Does what the state machine does, and gives what the extraction said.
    async fn execute(&mut self) -> Value {
        let begun = self.extract.call(json!({})).await.unwrap();
        let stars = begun["stars"].as_array().unwrap().clone();
        if stars.is_empty() {
            return begun;
        }
        for star in &stars {
            let done = self.transform.call(json!({ "catalog": begun["catalog"], "star": star })).await.unwrap();
            assert_eq!(done, json!({ "star": star, "batches": 1 }));
        }
        let loaded = self.load.call(json!({ "catalog": begun["catalog"], "stars": stars })).await.unwrap();
        assert_eq!(loaded, json!({ "batches": stars.len() }));
        begun
    }

    fn of(&mut self, stage: &str) -> &mut Function {
        match stage {
            "extract" => &mut self.extract,
            "transform" => &mut self.transform,
            _ => &mut self.load,
        }
    }
}

/// The stars an extraction names, which begin with the owner of shared dimensions.
fn stars(begun: &Value) -> Vec<String> {
    let stars: Vec<String> = serde_json::from_value(begun["stars"].clone()).unwrap();
    assert_eq!(stars.first().map(String::as_str), Some("sales"));
    stars
}

fn error_type(answer: Answer) -> String {
    answer.expect_err("it fails").0
}

/// The values of a metric's line, by name.
fn values(line: &Value) -> Vec<(String, f64)> {
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Totesys"), &json!([["Environment"]])));
    assert_eq!(line["Environment"], "totesys");
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|at| at > 1_700_000_000_000));
    let names = directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap());
    names.map(|name| (name.to_owned(), line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}")))).collect()
}

fn names(line: &Value) -> Vec<String> {
    values(line).into_iter().map(|(name, _)| name).collect()
}

fn value(line: &Value, name: &str) -> f64 {
    let values = values(line);
    values.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}: {line}")).1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_by_requests_fills_the_warehouse_and_is_measured() {
    let totesys = Totesys::start(Data::Sample).await;
    let mut functions = Functions::start(&totesys).await;
    let begun = functions.execute().await;
    let all = stars(&begun);
    assert_eq!(begun, json!({ "catalog": 1, "batch": 1, "stars": all }));
    assert_eq!(BTreeSet::from_iter(all.iter().map(String::as_str)), BTreeSet::from_iter(STARS.iter().copied()));
    let orders = "SELECT sales_order_id, units_sold FROM";
    assert_eq!(
        totesys.warehouse_rows(&format!("{orders} fact_sales_order_current ORDER BY 1")).await,
        totesys.source_rows(&format!("{orders} sales_order ORDER BY 1")).await
    );
    let extracted = functions.extract.metrics().await;
    assert_eq!(names(&extracted), ["Rows", "Bytes", "RefusedRows", "Duration"]);
    assert_eq!((&extracted["stage"], &extracted["batch"]), (&json!("extract"), &json!(1)));
    assert!(value(&extracted, "Rows") > 100.0 && value(&extracted, "Bytes") > 1000.0);
    for star in all {
        let transformed = functions.transform.metrics().await;
        assert_eq!(names(&transformed), ["RefusedRows", "GuestMemory", "Duration"]);
        assert_eq!((&transformed["star"], &transformed["batch"]), (&json!(star), &json!(1)));
        assert!(value(&transformed, "GuestMemory") >= 65_536.0, "{transformed}");
    }
    let loaded = functions.load.metrics().await;
    assert_eq!(names(&loaded), ["Lag", "StarsBehind", "RecordIdsUsed", "Duration"]);
    assert!(value(&loaded, "Lag") < 600.0 && value(&loaded, "StarsBehind") == 0.0);
    let used = value(&loaded, "RecordIdsUsed");
    assert!(used > 0.0 && used < 0.01, "{used} %");

    // Nothing new is nothing to do; what there is to say of the lag the extraction says.
    assert_eq!(functions.execute().await, json!({ "catalog": 1, "batch": 1, "stars": [] }));
    let checked = functions.extract.metrics().await;
    assert_eq!(names(&checked), ["Rows", "Bytes", "RefusedRows", "Lag", "StarsBehind", "Duration"]);
    assert_eq!((value(&checked, "Rows"), value(&checked, "StarsBehind")), (0.0, 0.0));
    assert!(value(&checked, "Lag") < 60.0, "a check that found nothing counts");

    // A process reads its secret once, however often it is called.
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    assert_eq!(functions.execute().await["batch"], 2);
    assert_eq!(functions.secrets.reads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_goes_by_the_record_it_began_with_and_takes_up_what_is_left() {
    let totesys = Totesys::start(Data::Sample).await;
    let mut functions = Functions::start(&totesys).await;
    let begun = functions.extract.call(json!({})).await.unwrap();
    // Published meanwhile: not for this execution.
    totesys.publish(&[totesys_tests::rebuilt(&totesys_tests::component("payments"), "other")], "other").await;
    let star = json!({ "catalog": begun["catalog"], "star": "payments" });
    functions.transform.call(star).await.unwrap();
    let written = totesys.lake.newest_transformation("payments").await.unwrap().unwrap();
    assert_eq!(written.catalog, 1);
    // The other stars' batches wait, and the next execution takes them up, and what was transformed and not loaded.
    let begun = functions.extract.call(json!({})).await.unwrap();
    let all = stars(&begun);
    assert_eq!(begun, json!({ "catalog": 2, "batch": 1, "stars": all }));
    assert_eq!(all.len(), STARS.len());
    let mut transformed = Vec::new();
    for star in &all {
        let done = functions.transform.call(json!({ "catalog": 2, "star": star })).await.unwrap();
        transformed.extend((done["batches"] == 1).then_some(star.as_str()));
    }
    assert!(transformed.len() == 2 && !transformed.contains(&"payments"), "{transformed:?}");
    let loaded = functions.load.call(json!({ "catalog": 2, "stars": all })).await.unwrap();
    assert_eq!(loaded, json!({ "batches": 3 }));
    let report = totesys.run().await;
    assert!(matches!(report.extraction, Extraction::NothingNew { .. }) && report.loads.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_a_type_the_state_machine_knows() {
    let totesys = Totesys::start(Data::Sample).await;
    let mut functions = Functions::start(&totesys).await;
    for (stage, request, expected) in [
        ("extract", json!({ "catalog": 1, "star": "sales" }), "Settings"),
        ("extract", json!({ "backfill": "0123456789abcdef", "chunk": 0 }), "Lake"),
        ("transform", json!({ "catalog": 1, "star": "nobody" }), "Catalog"),
        ("transform", json!({ "catalog": 7, "star": "sales" }), "Catalog"),
        ("transform", json!({}), "Settings"),
        ("transform", json!("sales"), "Settings"),
        ("load", json!({ "catalog": 1, "stars": ["sales", "nobody"] }), "Catalog"),
        ("load", json!({ "catalog": 7, "stars": ["sales"] }), "Catalog"),
        ("load", json!({ "catalog": 1, "star": "sales" }), "Settings"),
    ] {
        let said = request.to_string();
        let (kind, message) = functions.of(stage).call(request).await.expect_err(&said);
        assert_eq!(kind, expected, "{said}: {message}");
        assert!(message.contains("(hint: "), "{said}: {message}");
    }
    // A process that was told nonsense serves the next request.
    functions.execute().await;

    let variables = [("TOTESYS_STAGE", "extract"), ("TOTESYS_SOURCE_COLOUR", "red")];
    let mut misled = Function::start(&totesys, &functions.secrets, &variables).await;
    for _ in 0..2 {
        let (kind, message) = misled.call(json!({})).await.unwrap_err();
        assert!(kind == "Settings" && message.contains("TOTESYS_SOURCE_COLOUR: unknown field"), "{kind}: {message}");
    }
    for (variables, expected) in [
        ([("TOTESYS_STAGE", "dance"), ("TOTESYS_SOURCE_SECRET", SOURCE)], "Settings"),
        ([("TOTESYS_STAGE", "extract"), ("TOTESYS_SOURCE_SCHEMA", "public")], "Settings"),
        ([("TOTESYS_STAGE", "extract"), ("TOTESYS_SOURCE_SECRET", "acme/nothing")], "Secret"),
        ([("TOTESYS_STAGE", "extract"), ("TOTESYS_SOURCE_URL", "postgresql://u@127.0.0.1:1/d")], "SourceUnavailable"),
    ] {
        let mut function = Function::start(&totesys, &functions.secrets, &variables).await;
        assert_eq!(error_type(function.call(json!({})).await), expected, "{variables:?}");
    }
    let nobody = [("TOTESYS_STAGE", "load"), ("TOTESYS_WAREHOUSE_URL", "postgresql://u@127.0.0.1:1/d")];
    let mut load = Function::start(&totesys, &functions.secrets, &nobody).await;
    let request = json!({ "catalog": 1, "stars": ["sales"] });
    assert_eq!(error_type(load.call(request).await), "WarehouseUnavailable");
    // How late it is can be said without the warehouse.
    let line = load.metrics().await;
    assert_eq!(names(&line), ["Lag", "StarsBehind", "Duration"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_that_cannot_be_loaded_does_not_hold_up_the_others() {
    let totesys = Totesys::start(Data::Sample).await;
    let mut functions = Functions::start(&totesys).await;
    functions.execute().await;
    functions.load.metrics().await;
    totesys.source.execute("UPDATE payment SET payment_amount = 7 WHERE payment_id = 2").await;
    totesys.source.execute("UPDATE purchase_order SET item_quantity = 770077 WHERE purchase_order_id = 2").await;
    let begun = functions.extract.call(json!({})).await.unwrap();
    for star in STARS {
        functions.transform.call(json!({ "catalog": 1, "star": star })).await.unwrap();
    }
    totesys.warehouse.execute("ALTER TABLE totesys.fact_purchase_order ADD CHECK (item_quantity <> 770077)").await;
    let load = json!({ "catalog": 1, "stars": begun["stars"] });
    let (kind, message) = functions.load.call(load.clone()).await.unwrap_err();
    assert_eq!(kind, "Warehouse");
    assert!(message.starts_with("star `purchases`: "), "{message}");
    let changed = "SELECT payment_amount FROM fact_payment_current WHERE payment_id = 2";
    assert_eq!(totesys.warehouse_number(&format!("SELECT ({changed})::int")).await, 7);
    let line = functions.load.metrics().await;
    assert_eq!(value(&line, "StarsBehind"), 1.0, "{line}");

    totesys
        .warehouse
        .execute("ALTER TABLE totesys.fact_purchase_order DROP CONSTRAINT fact_purchase_order_item_quantity_check")
        .await;
    assert_eq!(functions.load.call(load).await.unwrap(), json!({ "batches": 1 }));
    assert_eq!(value(&functions.load.metrics().await, "StarsBehind"), 0.0);
}

/// A role of a test's own with a password, and a secret as RDS writes it.
async fn role(database: &TestDatabase, password: &str) -> String {
    let role = format!("rotated{}", database.settings().database().replace("totesys_test", ""));
    database.execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{password}'")).await;
    role
}

fn rds(database: &TestDatabase, role: &str, password: &str) -> String {
    let url = database.url();
    let (_, address) = url.rsplit_once('@').expect("the test server's URL names a host");
    let (address, _) = address.split_once('/').expect("and a database");
    let (host, port) = address.rsplit_once(':').expect("and a port");
    // Over its socket the private server asks for no password; at the same port it does.
    let host = if host.starts_with('%') { "127.0.0.1" } else { host };
    let name = database.settings().database().to_owned();
    json!({ "engine": "postgres", "host": host, "port": port.parse::<u16>().unwrap(), "username": role, "password": password, "dbname": name })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_read_again() {
    let totesys = Totesys::start(Data::Sample).await;
    let mut functions = Functions::start(&totesys).await;
    let role = role(&totesys.source, "hunter-one").await;
    functions.secrets.set(SOURCE, &rds(&totesys.source, &role, "hunter-one"));
    functions.secrets.set(WAREHOUSE, &rds(&totesys.warehouse, &role, "hunter-one"));
    functions.execute().await;
    assert_eq!(functions.secrets.reads(), 2);

    // Rotated: the functions live on with what they read before.
    totesys.source.execute(&format!("ALTER ROLE {role} PASSWORD 'hunter-two'")).await;
    functions.secrets.set(SOURCE, &rds(&totesys.source, &role, "hunter-two"));
    functions.secrets.set(WAREHOUSE, &rds(&totesys.warehouse, &role, "hunter-two"));
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    assert_eq!(functions.execute().await["batch"], 2);
    assert_eq!(functions.secrets.reads(), 4);

    // One that does not fit is tried once more and no oftener, and is not shown.
    totesys.source.execute(&format!("ALTER ROLE {role} PASSWORD 'hunter-three'")).await;
    let (kind, message) = functions.extract.call(json!({})).await.unwrap_err();
    assert_eq!((kind.as_str(), functions.secrets.reads()), ("Source", 5));
    assert!(!message.contains("hunter"), "{message}");

    // A role that owns something cannot be dropped.
    totesys.warehouse.execute(&format!("DROP OWNED BY {role} CASCADE")).await;
    totesys.source.execute(&format!("DROP ROLE {role}")).await;
}
