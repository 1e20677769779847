//! A whole pipeline of a test's own: source, lake, warehouse and the three published stars.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use host_lambda::{Full, Pipeline, Places, RunReport};
use tokio::sync::Mutex;
use totesys_lake::{Bucket, FileEntry, Lake, LakeSettings};
use totesys_postgres::quote_identifier;
use totesys_publisher::{Publication, Publisher};
use totesys_sandbox::{Limits, StarLimits};
use totesys_simulate::{SCHEMA, TABLES};
use totesys_source::SourceOptions;
use totesys_warehouse::WarehouseOptions;

use crate::{LocalLake, Rows, STARS, TestDatabase, component, publisher, test_publisher};

/// What the source holds at first.
#[derive(Clone, Copy)]
pub enum Data {
    /// Tables without rows.
    Empty,
    /// The sample data.
    Sample,
    /// The real snapshot.
    Snapshot,
}

/// A pipeline with everything it needs.
pub struct Totesys {
    /// The source.
    pub source: TestDatabase,
    /// The warehouse.
    pub warehouse: TestDatabase,
    /// The lake.
    pub lake: Arc<Lake>,
    /// The stages.
    pub pipeline: Pipeline,
    places: Places,
    local: LocalLake,
}

impl Totesys {
    /// Starts one, its source filled and its components published.
    ///
    /// # Panics
    /// When anything of that fails.
    pub async fn start(data: Data) -> Self {
        Box::pin(Self::over(filled_source(data).await, &stars())).await
    }

    /// Starts one with other components than the three stars.
    ///
    /// # Panics
    /// When anything of that fails.
    pub async fn start_with(data: Data, components: &[Vec<u8>]) -> Self {
        Box::pin(Self::over(filled_source(data).await, components)).await
    }

    /// Starts one whose source is on a server of the test's own.
    ///
    /// # Panics
    /// When anything of that fails.
    pub async fn start_on(server_url: &str, data: Data) -> Self {
        Box::pin(Self::over(filled(TestDatabase::create_on(server_url).await, data).await, &stars())).await
    }

    async fn over(source: TestDatabase, components: &[Vec<u8>]) -> Self {
        // The first test compiles the components, the others wait for it.
        static PUBLISHING: Mutex<()> = Mutex::const_new(());
        let warehouse = TestDatabase::create().await;
        let local = LocalLake::start().await.expect("a lake can be made");
        let lake = Arc::new(Lake::open(local.settings()).await.expect("the lake can be opened"));
        let (key, cache) = publisher();
        let turn = PUBLISHING.lock().await;
        let published = Box::pin(Publisher::new(key, &cache).publish(&lake, components, "test")).await;
        drop(turn);
        published.expect("the components can be published");
        let places = Places {
            source: Some(source.settings()),
            source_options: SourceOptions::default(),
            warehouse: Some(warehouse.settings()),
            warehouse_options: warehouse_options(),
            publishers: vec![key.public()],
        };
        let pipeline = pipeline(&lake, &places, Limits::default());
        Self { source, warehouse, lake, pipeline, places, local }
    }

    /// Puts components live.
    ///
    /// # Panics
    /// When they cannot be published.
    pub async fn publish(&self, components: &[Vec<u8>], note: &str) -> Publication {
        let published = Box::pin(test_publisher().publish(&self.lake, components, note)).await;
        published.expect("the components can be published")
    }

    /// Another pipeline over the same, with other limits.
    #[must_use]
    pub fn pipeline_within(&self, limits: impl Into<StarLimits>) -> Pipeline {
        pipeline(&self.lake, &self.places, limits)
    }

    /// Another pipeline into this warehouse, without a source unless it is told how to read it.
    #[must_use]
    pub fn pipeline_into(&self, warehouse: &TestDatabase, full: Option<Full>) -> Pipeline {
        let source = full.as_ref().and(self.places.source.clone());
        let places = Places { source, warehouse: Some(warehouse.settings()), ..self.places.clone() };
        pipeline(&self.lake, &places, Limits::default()).with_full(full.unwrap_or_default())
    }

    /// Reads the source of another from now on.
    ///
    /// # Panics
    /// When the sandbox does not start.
    pub fn share_source(&mut self, other: &Self) {
        self.places.source = Some(other.source.settings());
        self.pipeline = pipeline(&self.lake, &self.places, Limits::default());
    }

    /// Reads the same database of another server from now on.
    ///
    /// # Panics
    /// When the URL cannot be used.
    pub fn move_source(&mut self, server_url: &str) {
        self.source = self.source.on_server(server_url);
        self.places.source = Some(self.source.settings());
        self.pipeline = pipeline(&self.lake, &self.places, Limits::default());
    }

    /// Does something to the file behind the first object with a prefix; gives the object's key.
    ///
    /// # Panics
    /// When there is none.
    pub fn damage(&self, bucket: &str, prefix: &str, inflict: impl Fn(&Path)) -> String {
        let root = self.local.folder().join("buckets").join(bucket);
        let mut folder = root.join(prefix);
        let mut paths: Vec<PathBuf> = Vec::new();
        while paths.is_empty() {
            let entries =
                std::fs::read_dir(&folder).expect("there is such a prefix").flatten().map(|entry| entry.path());
            let entries: Vec<PathBuf> = entries.collect();
            match entries.iter().find(|path| path.is_dir()) {
                Some(inner) => folder = inner.clone(),
                None => paths = entries,
            }
        }
        paths.sort();
        inflict(&paths[0]);
        paths[0].strip_prefix(&root).expect("it lies in the bucket").to_string_lossy().into_owned()
    }

    /// What another opener of the lake says.
    #[must_use]
    pub fn lake_settings(&self) -> LakeSettings {
        self.local.settings()
    }

    /// The plain file behind an object of the lake, for tests that damage it.
    #[must_use]
    pub fn file_of(&self, bucket: Bucket, key: &str) -> PathBuf {
        self.local.file_of(bucket, key)
    }

    /// What a Parquet file says of itself under a name.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub async fn said_by_file(&self, bucket: Bucket, file: &FileEntry, name: &str) -> Option<String> {
        let bytes = self.lake.read_file(bucket, file).await.expect("the file can be read");
        // Two texts, one after the other, each after its field and its length.
        let length = u8::try_from(name.len()).expect("a short name");
        let mark = [[0x18, length].as_slice(), name.as_bytes(), [0x18].as_slice()].concat();
        let at = bytes.windows(mark.len()).rposition(|window| window == mark)? + mark.len();
        let value = bytes.get(at + 1..at + 1 + usize::from(bytes[at]))?;
        String::from_utf8(value.to_vec()).ok()
    }

    /// Runs a batch in which no star may fail.
    ///
    /// # Panics
    /// When the run or a star fails.
    pub async fn run(&self) -> RunReport {
        let report = Box::pin(self.pipeline.run()).await.unwrap_or_else(|error| panic!("the run failed: {error:?}"));
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        report
    }

    /// Rows of the warehouse, as text.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn warehouse_rows(&self, query: &str) -> Rows {
        self.warehouse.warehouse_rows(query).await
    }

    /// Rows of the source, as text.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn source_rows(&self, query: &str) -> Rows {
        self.source.rows(query).await
    }

    /// One number of the warehouse.
    ///
    /// # Panics
    /// When the query gives anything else.
    pub async fn warehouse_number(&self, query: &str) -> i64 {
        let rows = self.warehouse_rows(query).await;
        let cell = rows.first().and_then(|row| row.first()).and_then(Option::as_ref);
        cell.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no number: {query}"))
    }

    /// Every object of the lake, with its length.
    ///
    /// # Panics
    /// When the lake cannot be listed.
    pub async fn objects(&self) -> Vec<String> {
        let mut objects = Vec::new();
        for bucket in Bucket::ALL {
            let listed = self.lake.list(bucket, "", None).await.expect("the lake can be listed");
            objects.extend(listed.into_iter().map(|entry| format!("{bucket:?} {} {}", entry.key, entry.bytes)));
        }
        objects
    }

    /// Everything in the warehouse, side tables included.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn warehouse_contents(&self) -> Vec<(String, Rows)> {
        let tables = "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
                      WHERE table_schema LIKE 'totesys%' AND table_type = 'BASE TABLE' ORDER BY 1";
        let mut contents = Vec::new();
        for table in self.warehouse_rows(tables).await.into_iter().flatten().flatten() {
            let rows = self.warehouse_rows(&format!("SELECT t.*, t.xmin FROM {table} t ORDER BY t.ctid")).await;
            contents.push((table, rows));
        }
        contents
    }
}

fn pipeline(lake: &Arc<Lake>, places: &Places, limits: impl Into<StarLimits>) -> Pipeline {
    Pipeline::new(Arc::clone(lake), places.clone(), limits, Arc::new(())).expect("the sandbox starts")
}

fn stars() -> Vec<Vec<u8>> {
    STARS.iter().map(|star| component(star)).collect()
}

fn warehouse_options() -> WarehouseOptions {
    let timeout = Duration::from_secs(60);
    WarehouseOptions { schema: "totesys".into(), side_schema: None, statement_timeout: timeout, lock_timeout: timeout }
}

/// A source database with the tables and these rows.
///
/// # Panics
/// When it cannot be made.
pub async fn filled_source(data: Data) -> TestDatabase {
    filled(TestDatabase::create().await, data).await
}

async fn filled(source: TestDatabase, data: Data) -> TestDatabase {
    source.execute(SCHEMA).await;
    match data {
        Data::Empty => {}
        Data::Sample => fill(&source, &Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample")).await,
        Data::Snapshot => fill(&source, &snapshot_folder().expect("the snapshot is there")).await,
    }
    source
}

/// Where the real snapshot lies; `None` when its tests were left out with `--no-snapshot`.
#[must_use]
pub fn snapshot_folder() -> Option<PathBuf> {
    std::env::var_os("TOTESYS_TEST_SNAPSHOT").map(PathBuf::from)
}

async fn fill(source: &TestDatabase, folder: &Path) {
    let connection = source.connect().await;
    for table in TABLES {
        let text = std::fs::read(folder.join(format!("{table}.csv"))).expect("the data has every table");
        let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let header = String::from_utf8_lossy(header).trim().to_owned();
        let copy = format!("COPY {} ({header}) FROM STDIN (FORMAT csv, HEADER)", quote_identifier(table));
        let sink = connection.copy_in(&copy).await.expect("the table takes rows");
        let mut sink = std::pin::pin!(sink);
        sink.send(bytes::Bytes::from(text)).await.expect("the rows are sent");
        sink.finish().await.expect("the rows are taken");
        let sequence = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{table}_id'), max({table}_id)) FROM {}",
            quote_identifier(table)
        );
        connection.batch_execute(&sequence).await.expect("the sequence is set");
    }
}
