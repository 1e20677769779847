//! A source, a lake and a warehouse that child processes work on, and all that is in them, less what differs between
//! any two runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;
use totesys_embedded_s3::EmbeddedS3;
use totesys_tests::{ChildLake, ChildRun, Data, TestDatabase, filled_source};

/// What each batch of a scenario finds: rows that neither codec nor component can take, a silent update, a deletion,
/// a new order.
pub(super) const CHANGES: [&str; 2] = [
    "UPDATE sales_order SET unit_price = 'NaN' WHERE sales_order_id = 4;
     UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 5",
    "UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id IN (1, 2);
     UPDATE sales_order SET unit_price = 'NaN' WHERE sales_order_id = 6;
     UPDATE sales_order SET agreed_delivery_date = 'later' WHERE sales_order_id = 7;
     UPDATE address SET city = 'Elsewhere' WHERE address_id = 1;
     DELETE FROM sales_order WHERE sales_order_id = 3",
];

/// Columns that hold times of a run or names of attempts.
pub(crate) const PASSING_COLUMNS: &[&str] = &[
    "lake_id",
    "stamped_at",
    "snapshot_at",
    "loaded_at",
    "attempt",
    "valid_from",
    "valid_to",
    "deleted_at",
    "_deleted_at",
    "_noticed_at",
    "_snapshot_at",
    "_overtaken_at",
    "system_identifier",
    "database",
    "definition",
];

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Killed,
    Badly(String),
}

/// Everything there is, by part, as text.
pub(super) type State = BTreeMap<String, Vec<String>>;

pub(super) struct World {
    pub(super) source: TestDatabase,
    warehouse: TestDatabase,
    folder: TempDir,
    run: ChildRun,
    server: Option<EmbeddedS3>,
}

impl World {
    pub(super) async fn new() -> Self {
        let (source, warehouse) = (filled_source(Data::Sample).await, TestDatabase::create().await);
        let folder = tempfile::tempdir().unwrap();
        let run = ChildRun::new(&source.url(), &warehouse.url(), folder.path());
        // Children that start together must not each make a key.
        std::fs::write(&run.key, totesys_sandbox::PublisherKey::generate().unwrap()).unwrap();
        Self { source, warehouse, folder, run, server: None }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Serves the lake here, so that several children can use it at once.
    pub(super) async fn share_lake(&mut self) {
        let server = EmbeddedS3::open(&self.folder.path().join("lake")).await.unwrap();
        self.run.lake = ChildLake::Server(
            server.endpoint().to_owned(),
            server.access_key().to_owned(),
            server.secret_key().to_owned(),
        );
        self.server = Some(server);
    }

    pub(super) fn start(&self, failpoint: Option<&str>, patience_ms: u64) -> Child {
        let run = ChildRun { patience_ms, ..self.run.clone() };
        run.start(env!("CARGO_BIN_EXE_stage"), failpoint).unwrap()
    }

    pub(super) async fn run(&self, failpoint: Option<&str>) -> Ended {
        ended(self.start(failpoint, 60_000)).await
    }

    /// A rebuild of a star, swapped in.
    pub(super) async fn rebuild(&self, star: &str, failpoint: Option<&str>) -> Ended {
        let run = ChildRun { rebuild: Some(star.to_owned()), ..self.run.clone() };
        ended(run.start(env!("CARGO_BIN_EXE_stage"), failpoint).unwrap()).await
    }

    /// A run that tries again what passes.
    pub(super) async fn run_patiently(&self) -> Ended {
        let run = ChildRun { retries: true, ..self.run.clone() };
        ended(run.start(env!("CARGO_BIN_EXE_stage"), None).unwrap()).await
    }

    pub(super) async fn source_number(&self, query: &str) -> i64 {
        number(&self.source, query).await
    }

    pub(super) async fn warehouse_number(&self, query: &str) -> i64 {
        number(&self.warehouse, query).await
    }

    /// Sales orders that neither codec nor component take.
    pub(super) async fn quarantined(&self) -> i64 {
        let refused = "SELECT count(*) FROM sales_order
                       WHERE unit_price = 'NaN' OR agreed_delivery_date !~ '^\\d{4}-\\d\\d-\\d\\d$'";
        self.source_number(refused).await
    }

    /// What warehouse, lake and ledger hold.
    pub(super) async fn state(&self) -> State {
        let mut state = self.warehouse.contents_without(PASSING_COLUMNS).await;
        let buckets = self.folder.path().join("lake/buckets");
        objects(&buckets, &buckets, &mut state);
        state
    }
}

async fn ended(child: Child) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    let output = child.wait_with_output().await.unwrap();
    match output.status.signal() {
        Some(9) => Ended::Killed,
        None if output.status.success() => Ended::Well,
        _ => Ended::Badly(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

async fn number(database: &TestDatabase, query: &str) -> i64 {
    database.connect().await.query_one(query, &[]).await.unwrap().get(0)
}

/// Waits until a file is there.
pub(super) async fn appears(path: &Path) {
    for _ in 0..6000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} never appeared", path.display());
}

/// The records of the lake, and the files they list; checks, which say only when nothing was found, are left out.
fn objects(root: &Path, folder: &Path, state: &mut State) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            objects(root, &path, state);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let record = name.ends_with(".json") && !name.contains("/checks/") && !name.ends_with("lake.json");
        if record && !name.starts_with('.') {
            let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            // Its own checksum covers the times; those of the files it lists stay.
            value.as_object_mut().unwrap().remove("sha256");
            timeless(&mut value);
            state.insert(name, vec![value.to_string()]);
        }
    }
}

/// Takes away what two runs cannot have in common: attempts, times, and the transactions of the source.
fn timeless(value: &mut Value) {
    const PASSING: &[&str] = &[
        "attempt",
        "taken_at",
        "started_at",
        "finished_at",
        "published_at",
        "lake_id",
        "baseline",
        "previous",
        "key",
        "signature",
        "public_key",
        "observed_at",
        "used",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !PASSING.contains(&name.as_str()));
            fields.values_mut().for_each(timeless);
        }
        Value::Array(items) => items.iter_mut().for_each(timeless),
        _ => {}
    }
}
