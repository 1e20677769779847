//! Where the contestants meet: one server, one lake, the same rows for all.

mod sandbox;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use host_lambda::settings::Settings;
use serde_json::{Value, json};
use totesys_postgres::Connection;

use super::data::{self, Expected, connect, execute};
use super::measure::{Measured, reported, watched};
use super::peers::Peers;
use super::{Contestant, Stage, plain};
use crate::cluster::{Cluster, Tuning};
use crate::place::{Place, home};

const SOURCE: &str = "bench_source";
const WAREHOUSE: &str = "bench_warehouse";
/// Where the peers load.
const PEER: &str = "bench_peer";

/// The fact as the domain has it, with a place for its key.
const FACT: &str = "CREATE TABLE $table (
    sales_record_id serial $key, sales_order_id int NOT NULL, created_date date NOT NULL, created_time time NOT NULL,
    last_updated_date date NOT NULL, last_updated_time time NOT NULL, sales_staff_id int NOT NULL,
    counterparty_id int NOT NULL, units_sold int NOT NULL, unit_price numeric(10,2) NOT NULL, currency_id int NOT NULL,
    design_id int NOT NULL, agreed_payment_date date NOT NULL, agreed_delivery_date date NOT NULL,
    agreed_delivery_location_id int NOT NULL)";

/// How many orders change in a round.
pub(super) const CHANGES: u64 = 10_000;

/// The server, the lake and the programs.
pub(super) struct Field {
    cluster: Cluster,
    program: PathBuf,
    folder: PathBuf,
    publisher: String,
    peers: Option<Peers>,
    expected: Expected,
    rows: u64,
    /// Rounds of changes so far, this time and before: each touches other orders.
    changed: u64,
    /// When the last round of changes began, by the server's clock.
    since: String,
    /// Whether the plan has its lake.
    planned: bool,
}

impl Field {
    /// Starts the server, makes the source and puts the components live in an empty lake.
    pub(super) async fn prepare(mut settings: Settings, program: PathBuf, rows: u64, peers: bool) -> Result<Self> {
        let folder = home().join("bench");
        fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let peers = peers.then(|| tokio::task::block_in_place(|| Peers::install(&folder))).transpose()?;
        let cluster = tokio::task::block_in_place(|| Cluster::start(&folder.join("cluster"), Tuning::Durable))?;
        data::prepare(&cluster, SOURCE, rows).await?;
        let expected = data::expected(&connect(&cluster.url(SOURCE)).await?).await?;
        ensure!(expected.rows == rows, "the source has {} orders", expected.rows);
        let administration = connect(&cluster.url("postgres")).await?;
        for database in [WAREHOUSE, PEER] {
            data::recreate(&administration, database).await?;
        }
        emptied(&folder.join("template"))?;
        settings.source.url = Some(cluster.url(SOURCE));
        settings.warehouse.url = Some(cluster.url(WAREHOUSE));
        settings.lake = Default::default();
        settings.lake.folder = Some(folder.join("template"));
        let place = Place::open(settings, false).await?;
        place.make_ready().await?;
        let publisher = place.public_key();
        let changed = u64::from(std::process::id()) % 400;
        let (since, planned) = Default::default();
        Ok(Self { cluster, program, folder, publisher, peers, expected, rows, changed, since, planned })
    }

    pub(super) fn expected(&self) -> Expected {
        self.expected
    }

    /// What every contestant of a round finds.
    pub(super) async fn before_round(&mut self, stage: Stage) -> Result<()> {
        if stage == Stage::Plan {
            self.prepare_plan().await?;
        }
        if stage == Stage::Empty {
            // Somebody else's transaction, so that tables have to be looked at.
            execute(&self.connect("postgres").await?, "SELECT pg_current_xact_id()").await?;
        }
        if stage == Stage::Changes {
            let source = self.connect(SOURCE).await?;
            self.since = source.query_one("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::text", &[]).await?.get(0);
            let every = (self.rows / CHANGES).max(1);
            self.changed += 1;
            let change = format!(
                "UPDATE sales_order SET units_sold = units_sold + 1, last_updated = clock_timestamp() AT TIME ZONE 'UTC'
                 WHERE sales_order_id % {every} = {}",
                self.changed * 7 % every
            );
            execute(&source, &change).await?;
        }
        Ok(())
    }

    /// What the next stages need of this one, outside all measurements.
    pub(super) async fn after(&mut self, stage: Stage) -> Result<()> {
        if stage == Stage::Load {
            // The other stars catch up, so that a run finds everything done.
            tokio::task::block_in_place(|| reported(self.ours("run")))?;
            for database in [WAREHOUSE, PEER] {
                execute(&self.connect(database).await?, "VACUUM (ANALYZE)").await?;
            }
            if self.peers.is_some() {
                let merge = format!(
                    "CREATE INDEX ON fact_sales_order (sales_order_id); {}",
                    FACT.replace("$table", "staged").replace("serial $key", "int")
                );
                execute(&self.connect(PEER).await?, &merge).await?;
            }
        }
        Ok(())
    }

    /// One run of one contestant, everything before it undone.
    pub(super) async fn run(&self, stage: Stage, who: Contestant) -> Result<Vec<(Contestant, Measured)>> {
        self.clear(stage, who).await?;
        execute(&self.connect("postgres").await?, "CHECKPOINT").await?;
        let measured = tokio::task::block_in_place(|| match who {
            Contestant::Totesys if stage == Stage::Component => self.component(),
            Contestant::Totesys if stage == Stage::Plan => self.plan().map(|measured| vec![(who, measured)]),
            Contestant::Totesys => self.totesys(stage).map(|measured| vec![(who, measured)]),
            Contestant::Psql | Contestant::PsqlTwoRanges | Contestant::PsqlNoKey => {
                self.psql(stage, who).map(|measured| vec![(who, measured)])
            }
            _ => self.peer(stage, who).map(|measured| vec![(who, measured)]),
        })?;
        if stage == Stage::Load && who == Contestant::Totesys {
            self.check_warehouse().await?;
        }
        Ok(measured)
    }

    async fn connect(&self, database: &str) -> Result<Connection> {
        connect(&self.cluster.url(database)).await
    }

    /// Undoes what an earlier round left.
    async fn clear(&self, stage: Stage, who: Contestant) -> Result<()> {
        let buckets = self.lake().join("buckets");
        match (stage, who) {
            (Stage::Extract, Contestant::Totesys) => {
                emptied(&self.lake())?;
                copied(&self.folder.join("template"), &self.lake())?;
            }
            (Stage::Transform, Contestant::Totesys) => {
                for bucket in ["totesys-transformed-data", "totesys-transformation-times"] {
                    emptied(&buckets.join(bucket))?;
                }
            }
            (Stage::Load, Contestant::Totesys) => {
                emptied(&buckets.join("totesys-load-times"))?;
                data::recreate(&self.connect("postgres").await?, WAREHOUSE).await?;
            }
            (Stage::Load, _) => {
                let table = FACT.replace("$table", "fact_sales_order").replace("$key", "PRIMARY KEY");
                let again = format!("DROP TABLE IF EXISTS fact_sales_order; {table}");
                execute(&self.connect(PEER).await?, &again).await?;
            }
            (Stage::Copy, _) => {
                let key = if who == Contestant::Psql { "PRIMARY KEY" } else { "" };
                let table = FACT.replace("$table", "copied").replace("$key", key);
                execute(&self.connect(PEER).await?, &format!("DROP TABLE IF EXISTS copied; {table}")).await?;
            }
            _ => {}
        }
        Ok(())
    }

    fn lake(&self) -> PathBuf {
        self.folder.join("lake")
    }

    /// Our part, in a process of its own.
    fn ours(&self, stage: &str) -> Command {
        let mut command = plain(&self.program);
        command
            .arg(stage)
            .arg("sales")
            .current_dir(&self.folder)
            .env("TOTESYS_SOURCE_URL", self.cluster.url(SOURCE))
            .env("TOTESYS_WAREHOUSE_URL", self.cluster.url(WAREHOUSE))
            .env("TOTESYS_LAKE_FOLDER", self.lake())
            .env("TOTESYS_CATALOG_PUBLISHERS", format!("['{}']", self.publisher))
            .env("TOTESYS_LOG_LEVEL", "warn");
        command
    }

    fn totesys(&self, stage: Stage) -> Result<Measured> {
        let (word, files) = match stage {
            Stage::Extract => ("extract", Some("totesys-ingestion/data/sales_order")),
            Stage::Transform => ("transform", Some("totesys-transformed-data/parquets/fact_sales_order")),
            Stage::Load => ("load", None),
            _ => ("run", None),
        };
        let (mut measured, value) = reported(self.ours(word))?;
        match (stage, files, &self.peers) {
            (Stage::Empty | Stage::Quiet, ..) => {
                ensure!(measured.rows == 0, "the empty run found {} rows", measured.rows)
            }
            (Stage::Changes, ..) => {
                let appended = value["appended"].as_u64().unwrap_or_default();
                ensure!(appended == CHANGES, "{appended} versions were appended");
                measured.rows = CHANGES;
            }
            (_, Some(files), Some(peers)) => {
                let files = self.lake().join("buckets").join(files).join("*/*.parquet");
                let found = peers.run("check", &json!({ "files": files }))?.1;
                self.same(&found)?;
                measured.rows = self.rows;
            }
            _ => measured.rows = self.rows,
        }
        Ok(measured)
    }

    /// In the sandbox and natively.
    fn component(&self) -> Result<Vec<(Contestant, Measured)>> {
        let (wasm, value) = reported(self.ours("component"))?;
        let seconds = value["native_seconds"].as_f64().context("no native time")?;
        let native = Measured { seconds, rows: self.rows, ..Measured::default() };
        // Both ran in one process, whose CPU time and memory are nobody's alone.
        let wasm = Measured { seconds: wasm.seconds, rows: self.rows, ..Measured::default() };
        Ok(vec![(Contestant::Totesys, wasm), (Contestant::Native, native)])
    }

    fn psql(&self, stage: Stage, who: Contestant) -> Result<Measured> {
        let copy = |database: &str, sql: &str| {
            let mut psql = plain("psql");
            psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", &self.cluster.url(database), "-c", sql]);
            psql
        };
        let measured = if stage == Stage::Floor {
            let pages = self.expected.heap_bytes / 8192;
            let half = |condition: &str| {
                let sql = format!("COPY (SELECT * FROM sales_order{condition}) TO STDOUT (FORMAT binary)");
                let mut psql = copy(SOURCE, &sql);
                psql.stdout(Stdio::null());
                psql
            };
            watched(match who {
                Contestant::PsqlTwoRanges => vec![
                    half(&format!(" WHERE ctid < '({},0)'::tid", pages / 2)),
                    half(&format!(" WHERE ctid >= '({},0)'::tid", pages / 2)),
                ],
                _ => vec![half("")],
            })?
        } else {
            let file = self.folder.join("fact.copy");
            let mut dump = copy(WAREHOUSE, "COPY totesys.fact_sales_order TO STDOUT (FORMAT binary)");
            watched(vec![{
                dump.stdout(File::create(&file)?);
                dump
            }])?;
            let mut load = copy(PEER, "COPY copied FROM STDIN (FORMAT binary)");
            load.stdin(File::open(&file)?);
            let measured = watched(vec![load])?;
            fs::remove_file(&file)?;
            measured
        };
        Ok(Measured { rows: self.rows, ..measured })
    }

    fn peer(&self, stage: Stage, who: Contestant) -> Result<Measured> {
        let peers = self.peers.as_ref().context("the peers are not installed")?;
        let buckets = self.lake().join("buckets");
        let work = match (stage, who) {
            (Stage::Extract, Contestant::ConnectorX) => "extract_connectorx",
            (Stage::Extract, _) => "extract_duckdb",
            (Stage::Transform, Contestant::Polars) => "transform_polars",
            (Stage::Transform, _) => "transform_duckdb",
            (Stage::Load, _) => "load_duckdb",
            _ => "changes_duckdb",
        };
        let parameters = json!({
            "folder": self.folder.join("peer").join(work),
            "source": self.cluster.url(SOURCE),
            "warehouse": self.cluster.url(PEER),
            "ingested": buckets.join("totesys-ingestion/data"),
            "transformed": buckets.join("totesys-transformed-data/parquets"),
            "since": self.since,
        });
        let (measured, found) = peers.run(work, &parameters)?;
        match stage {
            Stage::Changes => ensure!(measured.rows == CHANGES, "{work} appended {} rows", measured.rows),
            _ => self.same(&found)?,
        }
        Ok(measured)
    }

    /// Whether these are the rows of the source.
    fn same(&self, found: &Value) -> Result<()> {
        let found = ["rows", "units", "cents"].map(|key| found[key].as_u64());
        let Expected { rows, units, cents, .. } = self.expected;
        ensure!(found == [Some(rows), Some(units), Some(cents)], "found {found:?} instead of {:?}", self.expected);
        Ok(())
    }

    async fn check_warehouse(&self) -> Result<()> {
        let query =
            "SELECT count(*), sum(units_sold)::int8, (sum(unit_price) * 100)::int8 FROM totesys.fact_sales_order";
        let row = self.connect(WAREHOUSE).await?.query_one(query, &[]).await?;
        let number = |position| row.get::<_, Option<i64>>(position).unwrap_or_default();
        self.same(&json!({ "rows": number(0), "units": number(1), "cents": number(2) }))
    }
}

/// An empty folder.
pub(super) fn emptied(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{} cannot be emptied", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

/// Copies what is in a folder.
fn copied(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copied(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
