//! Where a verb works: the databases, the lake and the publisher's key.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use host_lambda::settings::Settings;
use host_lambda::{Observer, Pipeline, Places};
use totesys_embedded_s3::EmbeddedS3;
use totesys_lake::{Lake, LakeSettings};
use totesys_postgres::ConnectionSettings;
use totesys_publisher::Publisher;
use totesys_sandbox::{PublisherKey, Target};
use xshell::Shell;

use crate::cluster::{Cluster, Tuning};
use crate::guests::{self, GUESTS};
use crate::hint::advise;

/// The components that are published: every guest that is a star of Totesys.
pub(crate) const STARS: &[&str] = &["sales", "purchases", "payments"];

/// Where a verb works. Dropping it stops what it started.
pub(crate) struct Place {
    pub(crate) settings: Settings,
    pub(crate) lake: Arc<Lake>,
    /// With the private cluster, if it runs for this verb.
    databases: Option<Databases>,
    key: PublisherKey,
    _server: Option<EmbeddedS3>,
}

/// The folder everything of a local run lies in.
pub(crate) fn home() -> PathBuf {
    workspace().join("target/totesys")
}

/// The checkout.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The cargo that runs this program, or whichever there is.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Says something to a person.
#[allow(clippy::print_stderr, reason = "talk goes to stderr, data to stdout")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// The source and the warehouse: those of the settings, or the private cluster's.
pub(crate) struct Databases {
    source: Result<ConnectionSettings>,
    warehouse: Result<ConnectionSettings>,
    pub(crate) cluster: Option<Cluster>,
}

impl Databases {
    /// Finds or starts them. An address that is a secret and cannot be read is an error only for whoever needs it.
    pub(crate) async fn open(settings: &Settings, demo: bool) -> Result<Self> {
        let env = |name: &str| std::env::var(name).ok();
        let named = |url: &Option<String>, secret: &Option<String>| {
            let said = url.is_some() || secret.is_some();
            !demo && (said || env("PGHOST").is_some() || env("PGDATABASE").is_some())
        };
        let source_named = named(&settings.source.url, &settings.source.secret);
        let warehouse_named = named(&settings.warehouse.url, &settings.warehouse.secret);
        let cluster = if source_named && warehouse_named {
            None
        } else {
            Some(tokio::task::block_in_place(|| Cluster::start(&home().join("cluster"), Tuning::Durable))?)
        };
        let (source_name, warehouse_name) = if demo { DEMO_DATABASES } else { ("totesys", "warehouse") };
        let private = async |name: &str| -> Result<ConnectionSettings> {
            let cluster = cluster.as_ref().context("the private cluster is not running")?;
            cluster.create_database(name).await?;
            Ok(ConnectionSettings::parse(&cluster.url(name), &|_| None)?)
        };
        let source = match (source_named, &settings.source.secret) {
            (false, _) => Ok(private(source_name).await?),
            (true, None) => Ok(source_of(settings).await?),
            (true, Some(_)) => noted("source", source_of(settings).await),
        };
        let warehouse = match (warehouse_named, &settings.warehouse.secret) {
            (false, _) => Ok(private(warehouse_name).await?),
            (true, None) => Ok(warehouse_of(settings).await?),
            (true, Some(_)) => noted("warehouse", warehouse_of(settings).await),
        };
        Ok(Self { source, warehouse, cluster })
    }

    /// The source.
    pub(crate) fn source(&self) -> Result<&ConnectionSettings> {
        known(&self.source)
    }

    /// The warehouse.
    pub(crate) fn warehouse(&self) -> Result<&ConnectionSettings> {
        known(&self.warehouse)
    }
}

async fn source_of(settings: &Settings) -> Result<ConnectionSettings> {
    let mut own = settings.clone();
    own.warehouse.secret = None;
    Ok(own.with_secrets().await?.source_connection(&|name| std::env::var(name).ok())?)
}

async fn warehouse_of(settings: &Settings) -> Result<ConnectionSettings> {
    let mut own = settings.clone();
    own.source.secret = None;
    Ok(own.with_secrets().await?.warehouse_connection(&|name| std::env::var(name).ok())?)
}

/// Says at once what may be missed later.
fn noted(database: &str, address: Result<ConnectionSettings>) -> Result<ConnectionSettings> {
    address.inspect_err(|error| say(&format!("the {database}: {}", host_lambda::sentence(error.as_ref()))))
}

fn known(database: &Result<ConnectionSettings>) -> Result<&ConnectionSettings> {
    database.as_ref().map_err(|error| {
        let hint = crate::hint::of(error).unwrap_or_else(|| "`cargo xtask doctor` looks at addresses".into());
        advise(host_lambda::sentence(error.as_ref()), hint)
    })
}

/// The demo's source and warehouse, in the private cluster.
pub(crate) const DEMO_DATABASES: (&str, &str) = ("demo_totesys", "demo_warehouse");

/// The demo's lake.
pub(crate) fn demo_lake() -> PathBuf {
    home().join("demo/lake")
}

impl Place {
    /// Opens the databases and the lake.
    pub(crate) async fn open(settings: Settings, demo: bool) -> Result<Self> {
        let databases = Databases::open(&settings, demo).await?;
        Self::with(settings, demo, Some(databases)).await
    }

    /// Opens the lake alone, for verbs that ask no database.
    pub(crate) async fn open_lake(settings: Settings, demo: bool) -> Result<Self> {
        Self::with(settings, demo, None).await
    }

    async fn with(settings: Settings, demo: bool, databases: Option<Databases>) -> Result<Self> {
        let remote = !demo && (settings.lake.region.is_some() || settings.lake.endpoint.is_some());
        let folder = match (&settings.lake.folder, remote) {
            (Some(_), true) => {
                return Err(advise(
                    "lake.folder is set together with lake.region or lake.endpoint",
                    "a lake is either a folder or buckets: leave one of them out",
                ));
            }
            (_, true) => None,
            (Some(folder), false) if !demo => Some(folder.clone()),
            (_, false) => Some(if demo { demo_lake() } else { home().join("lake") }),
        };
        let (lake, server) = match &folder {
            None => (Lake::open(settings.lake_settings()).await?, None),
            Some(folder) => {
                let server = EmbeddedS3::open(folder).await?;
                let lake = Lake::open(local(&settings.lake.prefix, &server)).await?;
                lake.create_buckets().await?;
                (lake, Some(server))
            }
        };
        let key = publisher_key(&key_file(&settings))?;
        let lake = Arc::new(lake);
        Ok(Self { settings, databases, lake, key, _server: server })
    }

    /// The source.
    pub(crate) fn source(&self) -> Result<&ConnectionSettings> {
        self.databases.as_ref().context("this verb opened no database")?.source()
    }

    /// The warehouse.
    pub(crate) fn warehouse(&self) -> Result<&ConnectionSettings> {
        self.databases.as_ref().context("this verb opened no database")?.warehouse()
    }

    /// The pipeline over this place.
    pub(crate) fn pipeline(&self, observer: Arc<dyn Observer>) -> Result<Pipeline> {
        let mut publishers = self.settings.publishers()?;
        publishers.push(self.key.public());
        let places = Places {
            source: self.source().ok().cloned(),
            source_options: self.settings.source_options(),
            warehouse: self.warehouse().ok().cloned(),
            warehouse_options: self.settings.warehouse_options(),
            publishers,
        };
        let pipeline = Pipeline::new(Arc::clone(&self.lake), places, self.settings.limits(), observer)?;
        Ok(pipeline
            .with_quarantine(self.settings.quarantine)
            .with_automatic_rollback(self.settings.catalog.automatic_rollback)
            .with_artefacts_in(home().join("fetched")))
    }

    /// The publisher of this machine, for these targets or for this machine alone.
    pub(crate) fn publisher(&self, targets: &[Target]) -> Publisher<'_> {
        let publisher = Publisher::new(&self.key, &home().join("artefacts"))
            .with_limits(self.settings.limits())
            // What cannot be read as keys is said by whoever needs them.
            .with_trusted(self.settings.publishers().unwrap_or_default());
        if targets.is_empty() { publisher } else { publisher.with_targets(targets) }
    }

    /// This machine, and what the live components are compiled for: a component that takes their place must run there.
    pub(crate) async fn targets(&self) -> Result<Vec<Target>> {
        let live = self.lake.newest_catalog().await?;
        let entries = live.iter().flat_map(|record| record.stars.values());
        let keys: Vec<&String> = entries.flat_map(|entry| entry.artefacts.keys()).collect();
        let compiled_for = |target: &Target| keys.iter().any(|key| key.contains(target.triple()));
        Ok(Target::ALL.into_iter().filter(|target| *target == Target::here() || compiled_for(target)).collect())
    }

    /// The publisher whose components run here, in hexadecimal.
    pub(crate) fn public_key(&self) -> String {
        self.key.public().to_string()
    }

    /// The components of this checkout, built if their sources changed.
    pub(crate) fn bundled(&self) -> Result<Vec<Vec<u8>>> {
        let built = tokio::task::block_in_place(|| guests::build(&Shell::new()?, &workspace(), &say))?;
        debug_assert_eq!(built.len(), GUESTS.len());
        let mut components = Vec::new();
        for star in STARS {
            let guest = built.iter().find(|guest| guest.name == *star);
            let path = &guest.with_context(|| format!("the component `{star}` was not built"))?.path;
            components.push(fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?);
        }
        Ok(components)
    }

    /// Sees to it that something is live and runs here: the bundled components go live when nothing ever was, and
    /// what is live is compiled for an engine it was not compiled for.
    pub(crate) async fn make_ready(&self) -> Result<()> {
        let publisher = self.publisher(&self.targets().await?);
        if self.lake.newest_catalog().await?.is_some() {
            let ready = publisher.make_ready(&self.lake, "compiled for another engine").await?;
            if ready.appended {
                say(&format!(
                    "the live components are compiled for this engine (catalog record {})",
                    ready.record.number
                ));
            }
            return Ok(());
        }
        let published = publisher.publish(&self.lake, &self.bundled()?, "bundled components").await?;
        say(&format!("components {} are live (catalog record {})", STARS.join(", "), published.record.number));
        Ok(())
    }
}

/// Where the publisher's private key lies.
pub(crate) fn key_file(settings: &Settings) -> PathBuf {
    settings.catalog.key.clone().unwrap_or_else(|| home().join("publisher.pk8"))
}

fn local(prefix: &str, server: &EmbeddedS3) -> LakeSettings {
    LakeSettings::on_server(prefix, server.endpoint(), server.access_key(), server.secret_key())
}

/// This machine's publisher key; made on first use, for its owner's eyes only.
pub(crate) fn publisher_key(path: &Path) -> Result<PublisherKey> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => file.write_all(&PublisherKey::generate()?)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
    let document = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(PublisherKey::from_pkcs8(&document)?)
}
