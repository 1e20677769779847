//! One environment from nothing to its removal and back, on the snapshot: deployed, started by its schedule, watched,
//! changed, broken, mended.

mod tap;
mod verbs;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tap::Tap;
use totesys_sandbox::Digest;
use totesys_tests::truth::{COUNTS, assert_current, assert_same};
use totesys_tests::{Data, component, rebuilt, snapshot_folder};

use crate::emulator::{Permissions, REGION};
use crate::environment::{Environment, PREFIX, until};
use crate::tools;

const DATA_STACK: &str = "acme-totesys-data";
const PIPELINE_STACK: &str = "acme-totesys-pipeline";

/// The component that the newest batch of sales was made by.
const NEWEST_COMPONENT: &str =
    "SELECT component_digest FROM totesys_totesys.loads WHERE star = 'sales' ORDER BY batch DESC LIMIT 1";

/// What happens at the source while nothing is deployed.
const MEANWHILE: &str =
    "UPDATE sales_order SET units_sold = units_sold + 7, last_updated = now() WHERE sales_order_id IN (3, 4);
     UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 6;
     UPDATE staff SET first_name = 'Renamed', last_updated = now() WHERE staff_id = 1;";

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_lives_from_nothing_to_its_removal_and_back() {
    let Some(tools) = tools::folder() else { return };
    // `cargo xtask test` fails without the snapshot unless it is told `--no-snapshot`.
    let data = if snapshot_folder().is_some() { Data::Snapshot } else { Data::Sample };
    let environment = Environment::new(&tools, Permissions::Ignored, data).await;
    let package = Package::of_tests();

    let tap = deployed_from_nothing(&environment, &package);
    a_failing_run_is_told(&environment, &tap);
    the_schedule_fills_the_warehouse(&environment, &package, matches!(data, Data::Snapshot)).await;
    a_late_warehouse_is_told(&environment, &tap);
    a_published_component_makes_the_next_batch(&environment).await;
    verbs::work_on_an_environment(&environment);
    a_function_changes_its_memory(&environment, &package);
    the_code_alone_changes_and_goes_back(&environment, &package);
    a_failing_update_is_undone_and_named(&environment, &package);
    removed_and_back_nothing_is_lost_or_doubled(&environment, &package).await;
    the_data_goes_for_who_types_its_name(&environment, &package);
}

/// A zip of the functions.
struct Package {
    path: PathBuf,
    /// Its SHA-256.
    digest: Digest,
}

impl Package {
    fn of_tests() -> Self {
        Self::at(tools::package())
    }

    /// The same program in another zip: it has a comment.
    fn other(&self, folder: &Path) -> Self {
        const COMMENT: &[u8] = b"another";
        let mut bytes = std::fs::read(&self.path).unwrap();
        let length = bytes.len() - 2;
        assert_eq!(bytes[length..], [0, 0], "a zip ends with the length of its comment");
        bytes[length] = u8::try_from(COMMENT.len()).unwrap();
        bytes.extend(COMMENT);
        let path = folder.join("another.zip");
        std::fs::write(&path, bytes).unwrap();
        Self::at(path)
    }

    fn at(path: PathBuf) -> Self {
        let digest = Digest::of(&std::fs::read(&path).unwrap());
        Self { path, digest }
    }
}

fn deployed_from_nothing<'a>(environment: &'a Environment, package: &Package) -> Tap<'a> {
    assert_eq!(environment.stack_status(DATA_STACK), None);
    environment.deploy(&package.path);
    for stack in [DATA_STACK, PIPELINE_STACK] {
        assert_eq!(environment.stack_status(stack).as_deref(), Some("CREATE_COMPLETE"));
    }
    let described = environment.emulator.ask("cloudformation", "describe_stacks", json!({ "StackName": DATA_STACK }));
    assert_eq!(described["Stacks"][0]["EnableTerminationProtection"], json!(true));
    let key = format!("functions/{}.zip", package.digest);
    assert!(environment.xtask_well(&["outputs", "--json"]).out.contains(&key));
    runs_code(environment, package);
    Tap::on(environment)
}

/// All functions run this code and no other.
fn runs_code(environment: &Environment, package: &Package) {
    for stage in ["extract", "transform", "load"] {
        let found = environment.function(stage)["CodeSha256"].as_str().unwrap().to_owned();
        assert_eq!(found, base64(&package.digest.to_string()), "{stage}");
    }
}

/// Nobody has said where the databases are, so the first execution fails.
fn a_failing_run_is_told(environment: &Environment, tap: &Tap<'_>) {
    let failed = environment.next_scheduled(&environment.executions());
    assert_eq!(failed.status, "FAILED", "{failed:?}");
    assert!(failed.outcome.contains("Secret"), "{failed:?}");
    let told = tap.next(|message| message.contains(&failed.arn));
    assert!(told.contains("Secret"), "{told}");
}

async fn the_schedule_fills_the_warehouse(environment: &Environment, package: &Package, snapshot: bool) {
    let mut besides = environment.executions();
    environment.set_secrets();
    let mut ended = environment.next_scheduled(&besides);
    if ended.status == "FAILED" && ended.outcome.contains("Secret") {
        // It was started before everything was said.
        besides.push(ended.arn);
        ended = environment.next_scheduled(&besides);
    }
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    let machine = format!("{}:", Environment::machine().replace(":stateMachine:", ":execution:"));
    assert!(ended.arn.starts_with(&machine), "{ended:?}");
    assert_eq!(environment.entered(&ended.arn), ["Extract", "TransformStars", "Load"]);
    runs_code(environment, package);
    if snapshot {
        for (table, rows) in COUNTS {
            let counted = environment.warehouse.warehouse_rows(&format!("SELECT count(*) FROM {table}")).await;
            assert_eq!(counted, [[Some(rows.to_string())]], "{table}");
        }
    }
    assert_same(&environment.warehouse, &environment.source).await;
    // Another one finds nothing to do, and says so at once.
    let quiet = environment.next_scheduled(&environment.executions());
    assert_eq!(quiet.status, "SUCCEEDED", "{quiet:?}");
    assert_eq!(environment.entered(&quiet.arn), ["Extract"]);
    assert_eq!(environment.xtask_well(&["status", "--aws"]).code, Some(0));
}

/// The emulator makes no metrics of log lines as AWS does. A line's own metric is put in its place, with another value.
fn a_late_warehouse_is_told(environment: &Environment, tap: &Tap<'_>) {
    // The emulator may hear the last line of a call with the next call alone, and only the extraction is called again.
    let line = until("the lag is logged as a metric", || {
        let lines = ["load", "extract"].into_iter().flat_map(|stage| environment.logged(stage));
        let mut documents = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        documents.find(|line| line.get("Lag").is_some())
    });
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    let metrics = directive["Metrics"].as_array().unwrap();
    let lag = metrics.iter().find(|metric| metric["Name"] == "Lag").unwrap();
    assert_eq!(directive["Dimensions"], json!([["Environment"]]));
    assert_eq!(line["Environment"], json!(PREFIX));
    let late = json!({ "Namespace": directive["Namespace"], "MetricData": [{
        "MetricName": "Lag", "Unit": lag["Unit"], "Value": 1500.0,
        "Dimensions": [{ "Name": "Environment", "Value": line["Environment"] }],
    }] });
    environment.emulator.ask("cloudwatch", "put_metric_data", late);
    let told = tap.next(|message| message.contains("ALARM") && message.contains("-lag"));
    assert!(told.contains(PREFIX), "{told}");
}

async fn a_published_component_makes_the_next_batch(environment: &Environment) {
    let built = rebuilt(&component("sales"), "second");
    let (before, wanted) = (Digest::of(&component("sales")).to_string(), Digest::of(&built).to_string());
    assert_eq!(environment.warehouse.rows(NEWEST_COMPONENT).await, [[Some(before)]]);
    let file = environment.folder.path().join("sales.wasm");
    std::fs::write(&file, built).unwrap();
    environment.xtask_well(&["transform", "publish", file.to_str().unwrap(), "--note", "the second build"]);
    environment.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    let ended = environment.next_scheduled(&environment.executions());
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    assert_eq!(environment.warehouse.rows(NEWEST_COMPONENT).await, [[Some(wanted)]]);
    assert_current(&environment.warehouse, &environment.source).await;
}

fn a_function_changes_its_memory(environment: &Environment, package: &Package) {
    let zip = package.path.to_str().unwrap();
    environment.write_settings("[environments.test.transform]\nmemory = 1280");
    let difference = environment.xtask(&["diff", "--package", zip]);
    assert_eq!(difference.code, Some(2), "{difference:#?}");
    assert!(difference.out.contains("MemorySize") && difference.out.contains("1280"), "{difference:#?}");
    let rest = [environment.function("extract"), environment.function("load")];
    // What one machine has planned another may do, once.
    let plan = environment.folder.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    environment.xtask_well(&["deploy", "--plan", plan, "--package", zip]);
    assert_ne!(environment.function("transform")["MemorySize"], json!(1280));
    environment.xtask_well(&["deploy", "--yes", "--apply", plan]);
    assert_eq!(environment.xtask(&["deploy", "--yes", "--apply", plan]).code, Some(1));
    assert_eq!(environment.function("transform")["MemorySize"], json!(1280));
    let memory = |function: &Value| function["MemorySize"].clone();
    for (before, stage) in rest.iter().zip(["extract", "load"]) {
        assert_eq!(memory(&environment.function(stage)), memory(before), "{stage}");
    }
    assert_eq!(environment.stack_status(PIPELINE_STACK).as_deref(), Some("UPDATE_COMPLETE"));
    // Once more, there is nothing to do, and that is well.
    assert_eq!(environment.xtask(&["diff", "--package", zip]).code, Some(0));
    let again = environment.deploy(&package.path);
    assert!(again.all().to_lowercase().contains("no changes"), "{again:#?}");
}

fn the_code_alone_changes_and_goes_back(environment: &Environment, package: &Package) {
    let other = package.other(environment.folder.path());
    let changed =
        environment.xtask_well(&["deploy", "--yes", "--code-only", "--package", other.path.to_str().unwrap()]);
    runs_code(environment, &other);
    assert!(changed.all().contains(&other.digest.to_string()[..8]), "{changed:#?}");
    environment.xtask_well(&["rollback", "--yes"]);
    runs_code(environment, package);
    assert_eq!(environment.function("transform")["MemorySize"], json!(1280));
}

/// More memory than a new account may have: the settings are fine, the change set is made, and then AWS refuses.
fn a_failing_update_is_undone_and_named(environment: &Environment, package: &Package) {
    environment.write_settings("[environments.test.transform]\nmemory = 4096");
    let failed = environment.xtask(&["deploy", "--yes", "--package", package.path.to_str().unwrap()]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    let cause = failed.err.lines().find(|line| line.starts_with("cause:")).unwrap_or_default();
    assert!(cause.contains("TransformFunction") && cause.contains("less than or equal to 3008"), "{failed:#?}");
    for beginning in ["error: ", "hint: "] {
        assert!(failed.err.lines().any(|line| line.starts_with(beginning)), "{failed:#?}");
    }
    assert_eq!(environment.stack_status(PIPELINE_STACK).as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert_eq!(environment.function("transform")["MemorySize"], json!(1280));
    runs_code(environment, package);
    environment.write_settings("[environments.test.transform]\nmemory = 1280");
}

async fn removed_and_back_nothing_is_lost_or_doubled(environment: &Environment, package: &Package) {
    let removed = environment.xtask_well(&["destroy", "--yes"]);
    assert!(removed.all().contains(PIPELINE_STACK) && removed.all().contains(DATA_STACK), "{removed:#?}");
    assert_eq!(environment.stack_status(PIPELINE_STACK), None);
    assert_eq!(environment.stack_status(DATA_STACK).as_deref(), Some("CREATE_COMPLETE"));
    let before = versions(environment).await;
    environment.source.execute(MEANWHILE).await;

    let besides = environment.executions();
    environment.deploy(&package.path);
    assert_eq!(environment.stack_status(PIPELINE_STACK).as_deref(), Some("CREATE_COMPLETE"));
    let ended = environment.next_scheduled(&besides);
    assert_eq!(ended.status, "SUCCEEDED", "{ended:?}");
    assert_current(&environment.warehouse, &environment.source).await;
    // Three orders have changed, one of them silently; nothing else has another version.
    assert_eq!(versions(environment).await, before + 3);
}

async fn versions(environment: &Environment) -> i64 {
    let counted = environment.warehouse.warehouse_rows("SELECT count(*) FROM fact_sales_order").await;
    counted[0][0].as_deref().unwrap().parse().unwrap()
}

/// What was overwritten, deleted or never finished goes as well. The emulator deletes buckets that are not empty, which AWS
/// does not: so what was in them is asked for again.
fn the_data_goes_for_who_types_its_name(environment: &Environment, package: &Package) {
    const BUCKET: &str = "acme-totesys-ingestion";
    let ask = |service, operation, arguments| environment.emulator.ask(service, operation, arguments);
    let left = || {
        let (buckets, topics) = (ask("s3", "list_buckets", json!({})), ask("sns", "list_topics", json!({})));
        let secrets = ask("secretsmanager", "list_secrets", json!({ "IncludePlannedDeletion": true }));
        let databases = ask("glue", "get_databases", json!({}));
        let [buckets, topics, secrets, databases] =
            [&buckets["Buckets"], &topics["Topics"], &secrets["SecretList"], &databases["DatabaseList"]].map(|found| {
                found.as_array().unwrap().iter().filter(|found| found.to_string().contains("acme")).count()
            });
        [buckets, topics, secrets, databases]
    };
    let whole = json!({ "Bucket": BUCKET });
    let key = ask("s3", "list_objects_v2", whole.clone())["Contents"][0]["Key"].clone();
    ask("s3", "delete_object", json!({ "Bucket": BUCKET, "Key": key }));
    ask("s3", "create_multipart_upload", json!({ "Bucket": BUCKET, "Key": "unfinished" }));
    assert_eq!(left(), [6, 1, 2, 1]);
    let refused = environment.xtask(&["destroy", "--yes", "--delete-data", "--confirm", PIPELINE_STACK]);
    assert_eq!((refused.code, left()), (Some(3), [6, 1, 2, 1]), "{refused:#?}");

    let destroyed = environment.xtask_well(&["destroy", "--yes", "--delete-data", "--confirm", DATA_STACK]);
    assert_eq!(left(), [0; 4], "{destroyed:#?}");
    assert_eq!([DATA_STACK, PIPELINE_STACK].map(|stack| environment.stack_status(stack)), [None, None]);
    for named in ["bucket acme-totesys-code", "/source", "/warehouse", "-alerts", "Glue database acme_totesys"] {
        assert!(destroyed.out.contains(named), "{named}: {destroyed:#?}");
    }
    ask(
        "s3",
        "create_bucket",
        json!({ "Bucket": BUCKET, "CreateBucketConfiguration": { "LocationConstraint": REGION } }),
    );
    let versions = ask("s3", "list_object_versions", whole.clone());
    assert_eq!((&versions["Versions"], &versions["DeleteMarkers"]), (&Value::Null, &Value::Null), "{destroyed:#?}");
    assert_eq!(ask("s3", "list_multipart_uploads", whole.clone())["Uploads"], Value::Null);
    ask("s3", "delete_bucket", whole);
    let anew = environment.deploy(&package.path);
    assert!(anew.out.contains("deployment 1 is live"), "{anew:#?}");
}

/// What hexadecimal digits say, as Lambda writes it.
fn base64(digits: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u32> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u32::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | byte) << (8 * (3 - group.len()));
        let letter = |place: usize| char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]);
        text.extend((0..4).map(|place| if place <= group.len() { letter(place) } else { '=' }));
    }
    text
}
