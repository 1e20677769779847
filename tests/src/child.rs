//! A run in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use host_lambda::{Pipeline, Places, Retries};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use totesys_embedded_s3::EmbeddedS3;
use totesys_lake::{Lake, LakeSettings};
use totesys_postgres::ConnectionSettings;
use totesys_publisher::Publisher;
use totesys_sandbox::{Limits, PublisherKey};
use totesys_source::SourceOptions;
use totesys_warehouse::WarehouseOptions;

use crate::lake::settings_for;
use crate::{STARS, component, publisher};

const VARIABLE: &str = "TOTESYS_TEST_RUN";

/// Where a child's lake is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ChildLake {
    /// A folder, which the child serves itself.
    Folder(PathBuf),
    /// A server somebody else runs: endpoint, access key, secret key.
    Server(String, String, String),
}

/// What a child works on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChildRun {
    /// The source's URL.
    pub source: String,
    /// The warehouse's URL.
    pub warehouse: String,
    /// The lake.
    pub lake: ChildLake,
    /// A file with the publisher's private key; made when it is missing.
    pub key: PathBuf,
    /// How long a statement may take and a transaction stand still, in milliseconds.
    pub patience_ms: u64,
    /// Whether what passes is tried again.
    pub retries: bool,
    /// Whether to log everything, on stderr.
    pub trace: bool,
    /// A star to rebuild instead of running.
    #[serde(default)]
    pub rebuild: Option<String>,
    /// Tables with more bytes of pages are read in chunks of so many.
    #[serde(default)]
    pub chunk_bytes: Option<u64>,
}

impl ChildRun {
    /// A run over two databases and a lake in a folder.
    #[must_use]
    pub fn new(source: &str, warehouse: &str, folder: &Path) -> Self {
        Self {
            source: source.to_owned(),
            warehouse: warehouse.to_owned(),
            lake: ChildLake::Folder(folder.join("lake")),
            key: folder.join("publisher.pk8"),
            patience_ms: 60_000,
            retries: false,
            trace: false,
            rebuild: None,
            chunk_bytes: None,
        }
    }

    /// What the environment asks of this process.
    ///
    /// # Panics
    /// When it asks nothing.
    #[must_use]
    pub fn from_environment() -> Self {
        let json = std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} is not set"));
        serde_json::from_str(&json).expect("a child run is JSON")
    }

    /// Starts the child, with a failpoint when there is one. It is killed when it is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, program: &str, failpoint: Option<&str>) -> Result<Child> {
        let mut command = Command::new(program);
        command.env(VARIABLE, serde_json::to_string(self)?).env("RUST_BACKTRACE", "0");
        match failpoint {
            Some(failpoint) => command.env("TOTESYS_FAILPOINT", failpoint),
            None => command.env_remove("TOTESYS_FAILPOINT"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().with_context(|| format!("{program} cannot be started"))
    }

    /// Publishes the stars if they are not live, and runs once; a star that fails fails the run.
    ///
    /// # Errors
    /// When anything fails.
    pub async fn perform(&self) -> Result<serde_json::Value> {
        let settings = host_lambda::settings::LogSettings {
            level: if self.trace { "trace" } else { "warn" }.to_owned(),
            ..Default::default()
        };
        host_lambda::telemetry::start(&settings)?;
        let (lake, _server) = self.open_lake().await?;
        let lake = Arc::new(lake);
        let key = self.publisher_key()?;
        let components: Vec<_> = STARS.iter().map(|star| component(star)).collect();
        let (_, cache) = publisher();
        Box::pin(Publisher::new(&key, &cache).publish(&lake, &components, "test")).await?;
        let patience = Duration::from_millis(self.patience_ms);
        let places = Places {
            source: Some(settings_of(&self.source)?),
            source_options: SourceOptions::default(),
            warehouse: Some(settings_of(&self.warehouse)?),
            warehouse_options: WarehouseOptions {
                schema: "totesys".into(),
                side_schema: None,
                statement_timeout: patience,
                lock_timeout: patience,
            },
            publishers: vec![key.public()],
        };
        let retries = if self.retries { Retries::default() } else { Retries::NONE };
        let mut pipeline = Pipeline::new(lake, places, Limits::default(), Arc::new(()))?.with_retries(retries);
        if let Some(bytes) = self.chunk_bytes {
            pipeline = pipeline.with_chunks(bytes, bytes);
        }
        if let Some(star) = &self.rebuild {
            let rebuilt = Box::pin(pipeline.rebuild(star, None)).await?;
            Box::pin(pipeline.swap_rebuild(&rebuilt)).await?;
            return Ok(serde_json::to_value(&rebuilt)?);
        }
        let report = Box::pin(pipeline.run()).await?;
        match report.failures.first() {
            Some(failure) => bail!("star {}: {:?}", failure.star, failure.error),
            None => Ok(serde_json::to_value(&report)?),
        }
    }

    async fn open_lake(&self) -> Result<(Lake, Option<EmbeddedS3>)> {
        let (settings, server) = match &self.lake {
            ChildLake::Folder(folder) => {
                let server = EmbeddedS3::open(folder).await?;
                (settings_for(&server), Some(server))
            }
            ChildLake::Server(endpoint, access, secret) => {
                (LakeSettings::on_server("totesys", endpoint, access, secret), None)
            }
        };
        let lake = Lake::open(settings).await?;
        lake.create_buckets().await?;
        Ok((lake, server))
    }

    fn publisher_key(&self) -> Result<PublisherKey> {
        if !self.key.exists() {
            std::fs::write(&self.key, PublisherKey::generate()?)?;
        }
        Ok(PublisherKey::from_pkcs8(&std::fs::read(&self.key)?)?)
    }
}

fn settings_of(url: &str) -> Result<ConnectionSettings> {
    Ok(ConnectionSettings::parse(url, &|name| std::env::var(name).ok())?)
}
