//! The one settings file, and the environment over it.
//!
//! Every key can be overridden as `TOTESYS_<SECTION>_<KEY>`. `totesys.example.toml` documents them all.

mod secrets;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};
use totesys_lake::{BucketNames, LakeSettings};
use totesys_postgres::ConnectionSettings;
use totesys_sandbox::{LimitOverrides, Limits, PublicKey, StarLimits};
use totesys_source::SourceOptions;
use totesys_warehouse::WarehouseOptions;

/// The file read when none is named.
pub const DEFAULT_FILE: &str = "totesys.toml";

/// Variables of this prefix that are no settings.
const NOT_SETTINGS: &[&str] = &["TOTESYS_SETTINGS", "TOTESYS_STAGE", "TOTESYS_PG_BIN"];

/// What variables begin with that tell tests where things are.
const OF_TESTS: &str = "TOTESYS_TEST_";

/// Looks an environment variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The operational database.
    pub source: SourceSettings,
    /// The star-schema database.
    pub warehouse: WarehouseSettings,
    /// Where batches, records and components are kept.
    pub lake: LakeSection,
    /// Who may publish components.
    pub catalog: CatalogSettings,
    /// What a component may use.
    pub sandbox: Limits,
    /// What differs for a star, by its name.
    pub stars: BTreeMap<String, StarSettings>,
    /// How much of a batch may be refused.
    pub quarantine: QuarantineSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Deployments to AWS, which `cargo xtask` reads.
    pub environments: Environments,
}

/// `[environments.NAME]`. The host does not look into them; what they hold is not printed, for it may be anything.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Environments(Table);

impl Deref for Environments {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0
    }
}

impl fmt::Debug for Environments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `[source]`
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// A PostgreSQL URL; what it leaves out comes from `PG*` variables.
    pub url: Option<String>,
    /// The name or ARN of a secret of AWS Secrets Manager whose value takes the place of `url`.
    pub secret: Option<String>,
    /// The schema of the source tables.
    pub schema: String,
    /// How many connections read at once.
    pub connections: usize,
    /// `table.column` names that are not ingested.
    pub exclude: Vec<String>,
    /// How long to wait for a table lock, in seconds.
    pub lock_timeout: u64,
    /// How long one statement may take, in seconds.
    pub statement_timeout: u64,
    /// A deployed pipeline extracts a table larger than this, in bytes, in chunks at the same time. 0: never.
    pub chunk_above_bytes: u64,
}

/// `[warehouse]`
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarehouseSettings {
    /// A PostgreSQL URL; what it leaves out comes from `PG*` variables.
    pub url: Option<String>,
    /// The name or ARN of a secret of AWS Secrets Manager whose value takes the place of `url`.
    pub secret: Option<String>,
    /// The schema of the stars.
    pub schema: String,
    /// The schema of the side tables; by default the stars' schema with `_totesys` added.
    pub side_schema: Option<String>,
    /// How long to wait for a lock, in seconds.
    pub lock_timeout: u64,
    /// How long one statement may take, in seconds.
    pub statement_timeout: u64,
}

/// `[lake]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeSection {
    /// A folder served by an S3 server in this process; when unset, the buckets are on AWS (or at `endpoint`).
    pub folder: Option<PathBuf>,
    /// What the six buckets' names begin with.
    pub prefix: String,
    /// The AWS region.
    pub region: Option<String>,
    /// Another S3 endpoint than the region's.
    pub endpoint: Option<String>,
}

/// `[catalog]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogSettings {
    /// The public keys (64 hexadecimal digits) whose signatures let a component in.
    pub publishers: Vec<String>,
    /// The file of the private key that `cargo xtask` publishes with. The host never reads it.
    pub key: Option<PathBuf>,
    /// Whether a star goes back to its former component when a new one fails on its first batch and the former does
    /// not. Default false.
    pub automatic_rollback: bool,
}

/// `[stars.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StarSettings {
    /// Limits in the place of those of `[sandbox]`.
    pub sandbox: LimitOverrides,
}

/// `[quarantine]`: a star's batch of which more is refused is stopped before it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuarantineSettings {
    /// The share of the delivered rows that may be refused, from 0 to 1. Default 0.2.
    #[serde(deserialize_with = "share")]
    pub max_refused_share: f64,
    /// Fewer refused rows than this never stop a batch, whatever their share. Default 100.
    pub refused_rows_floor: u64,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `human` or `json`.
    pub format: LogFormat,
    /// A level, or directives such as `info,totesys_source=debug`.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            schema: "public".into(),
            connections: 2,
            exclude: Vec::new(),
            lock_timeout: 30,
            statement_timeout: 600,
            chunk_above_bytes: 0,
        }
    }
}

impl Default for WarehouseSettings {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            schema: "totesys".into(),
            side_schema: None,
            lock_timeout: 30,
            statement_timeout: 600,
        }
    }
}

impl Default for LakeSection {
    fn default() -> Self {
        Self { folder: None, prefix: "totesys".into(), region: None, endpoint: None }
    }
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        Self { max_refused_share: 0.2, refused_rows_floor: 100 }
    }
}

impl QuarantineSettings {
    /// Whether this many refused rows are too many.
    pub(crate) fn exceeded(&self, refused: u64, delivered: u64) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "a share of so many rows need not be exact")]
        let allowed = self.max_refused_share * delivered as f64;
        #[allow(clippy::cast_precision_loss, reason = "a share of so many rows need not be exact")]
        let found = refused as f64;
        refused >= self.refused_rows_floor && found > allowed
    }

    /// The bounds as a name: under others a batch may come out otherwise.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.max_refused_share, self.refused_rows_floor)
    }
}

/// A share lies between none and all.
fn share<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(serde::de::Error::custom("a share is a number from 0 to 1"))
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info".into() }
    }
}

// A URL may hold a password, so these two print without it.
impl fmt::Debug for SourceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSettings").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl fmt::Debug for WarehouseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarehouseSettings").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file named is not there or cannot be read.
    #[error("the settings file `{}` cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A syntax error, an unknown key or a value of the wrong kind. The value itself is not shown.
    #[error("{place}: {problem}")]
    Invalid {
        /// The file and line, or the variable.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A value that is needed and missing.
    #[error("`{key}` is not set")]
    Missing {
        /// The setting.
        key: &'static str,
        /// How to set it.
        hint: &'static str,
    },
}

impl SettingsError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => {
                Some("name another file with --settings, or start from totesys.example.toml".into())
            }
            Self::Invalid { .. } => Some("totesys.example.toml lists every setting with its default".into()),
            Self::Missing { hint, .. } => Some((*hint).to_owned()),
        }
    }
}

impl Settings {
    /// Reads `file` (by default `totesys.toml`, which may be missing), then the environment.
    ///
    /// # Errors
    /// When the file or a variable is not what a setting takes.
    pub fn read(file: Option<&Path>, variables: impl Iterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound && file.is_none() => String::new(),
            Err(source) => return Err(SettingsError::Unreadable { file: path.to_owned(), source }),
        };
        Self::parse(&text, &path.display().to_string(), variables)
    }

    /// Takes a file's text, then variables; the file's name is for errors.
    ///
    /// # Errors
    /// As for [`Settings::read`].
    pub fn parse(
        text: &str,
        file: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let invalid = |error: &toml::de::Error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}, line {line}"));
            SettingsError::Invalid { place, problem: without_value(error.message()) }
        };
        // The file is checked by itself first, so that its errors name its lines.
        let _: Self = toml::from_str(text).map_err(|error| invalid(&error))?;
        let mut table: Table = toml::from_str(text).map_err(|error| invalid(&error))?;
        let mut variables: Vec<_> = variables.filter(|(name, _)| name.starts_with("TOTESYS_")).collect();
        variables.sort();
        for (name, value) in variables {
            if !NOT_SETTINGS.contains(&name.as_str()) && !name.starts_with(OF_TESTS) {
                table = override_one(table, &name, &value)?;
            }
        }
        let problem = |error: toml::de::Error| SettingsError::Invalid {
            place: "the settings".into(),
            problem: without_value(error.message()),
        };
        Value::Table(table).try_into().map_err(problem)
    }

    /// Where the source is.
    ///
    /// # Errors
    /// When the URL is no PostgreSQL URL.
    pub fn source_connection(&self, env: Environment<'_>) -> Result<ConnectionSettings, crate::HostError> {
        connection(self.source.url.as_deref(), "source.url", env)
    }

    /// Where the warehouse is.
    ///
    /// # Errors
    /// When the URL is no PostgreSQL URL.
    pub fn warehouse_connection(&self, env: Environment<'_>) -> Result<ConnectionSettings, crate::HostError> {
        connection(self.warehouse.url.as_deref(), "warehouse.url", env)
    }

    /// How the source is read.
    #[must_use]
    pub fn source_options(&self) -> SourceOptions {
        SourceOptions {
            schema: self.source.schema.clone(),
            connections: self.source.connections.max(1),
            exclude_columns: self.source.exclude.clone(),
            lock_timeout: Duration::from_secs(self.source.lock_timeout),
            statement_timeout: Duration::from_secs(self.source.statement_timeout),
            ..SourceOptions::default()
        }
    }

    /// What each star's component may use.
    #[must_use]
    pub fn limits(&self) -> StarLimits {
        let own = self.stars.iter().map(|(star, settings)| (star.clone(), settings.sandbox.clone()));
        StarLimits { all: self.sandbox.clone(), stars: own.collect() }
    }

    /// How the warehouse is written.
    #[must_use]
    pub fn warehouse_options(&self) -> WarehouseOptions {
        WarehouseOptions {
            schema: self.warehouse.schema.clone(),
            side_schema: self.warehouse.side_schema.clone(),
            lock_timeout: Duration::from_secs(self.warehouse.lock_timeout),
            statement_timeout: Duration::from_secs(self.warehouse.statement_timeout),
        }
    }

    /// Where the lake is, when it is not a folder of this machine.
    #[must_use]
    pub fn lake_settings(&self) -> LakeSettings {
        LakeSettings {
            buckets: BucketNames::with_prefix(&self.lake.prefix),
            region: self.lake.region.clone(),
            endpoint: self.lake.endpoint.clone(),
            credentials: None,
            lake_id: None,
        }
    }

    /// The publishers whose components run.
    ///
    /// # Errors
    /// When a key is not 64 hexadecimal digits.
    pub fn publishers(&self) -> Result<Vec<PublicKey>, SettingsError> {
        let read = |text: &String| {
            PublicKey::from_hex(text).ok_or_else(|| SettingsError::Invalid {
                place: "catalog.publishers".into(),
                problem: "a public key has 64 hexadecimal digits".into(),
            })
        };
        self.catalog.publishers.iter().map(read).collect()
    }
}

/// A URL, or `PG*` variables in its place.
fn connection(
    url: Option<&str>,
    key: &'static str,
    env: Environment<'_>,
) -> Result<ConnectionSettings, crate::HostError> {
    if url.is_none() && env("PGHOST").is_none() && env("PGDATABASE").is_none() {
        let hint = "set it in totesys.toml as postgresql://user@host/database, or set PGHOST and PGDATABASE";
        return Err(SettingsError::Missing { key, hint }.into());
    }
    Ok(ConnectionSettings::parse(url.unwrap_or_default(), env)?)
}

/// Puts one variable over the settings, and checks it by itself so that the error names it.
fn override_one(table: Table, name: &str, value: &str) -> Result<Table, SettingsError> {
    let invalid = |problem: &str| SettingsError::Invalid { place: name.to_owned(), problem: problem.to_owned() };
    let path = name.trim_start_matches("TOTESYS_").to_lowercase();
    // A number, a truth value or a list is written as in the file; everything else is text.
    let literal = toml::from_str::<Table>(&format!("value = {value}")).ok().and_then(|mut table| table.remove("value"));
    if path == "stars" {
        // Stars' names are no part of a variable's: all of them come as one inline table.
        let mut changed = table;
        changed.insert(path, literal.ok_or_else(|| invalid("an inline table is expected, such as {NAME = {…}}"))?);
        let checked = Value::Table(changed.clone()).try_into::<Settings>();
        return checked.map(|_| changed).map_err(|error| invalid(&without_value(error.message())));
    }
    let (section, key) = path.split_once('_').ok_or_else(|| invalid("there is no such setting"))?;
    if section == "environments" {
        return Err(invalid("there is no such setting"));
    }
    let candidates = literal.into_iter().filter(|value| !value.is_str()).chain([Value::String(value.to_owned())]);
    let mut problem = String::new();
    for candidate in candidates {
        let mut changed = table.clone();
        let entry = changed.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(settings) = entry else { return Err(invalid("there is no such setting")) };
        settings.insert(key.to_owned(), candidate);
        match Value::Table(changed.clone()).try_into::<Settings>() {
            Ok(_) => return Ok(changed),
            Err(error) => problem = without_value(error.message()),
        }
    }
    Err(invalid(&problem))
}

/// What is wrong, without the value that is: somebody may have put a URL with its password in the wrong place.
fn without_value(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let quotes_value = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    match (quotes_value.iter().find(|kind| line.starts_with(**kind)), line.rsplit_once(", expected ")) {
        (Some(kind), Some((_, expected))) => format!("{kind}, expected {expected}"),
        (Some(kind), None) => (*kind).to_owned(),
        (None, _) => line.to_owned(),
    }
}

#[cfg(test)]
mod tests;
