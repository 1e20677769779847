//! An environment as the settings file describes it, checked whole: every mistake is said at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use host_lambda::settings::{DEFAULT_FILE, Settings, SettingsError};
use infra_templates::{Environment, EnvironmentError, RawEnvironment, RawNetwork, RawStage};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::hint::advise;
use crate::place;

/// An environment, and the host's settings in it.
pub(crate) struct Described {
    pub(crate) environment: Environment,
    pub(crate) settings: Settings,
}

/// All mistakes in an environment's settings.
#[derive(Debug)]
pub(crate) struct Mistakes(pub(crate) Vec<EnvironmentError>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, others) = self.0.split_last().ok_or(fmt::Error)?;
        for mistake in others {
            writeln!(f, "{mistake}\nhint: {}", mistake.hint)?;
        }
        write!(f, "{last}")
    }
}

impl std::error::Error for Mistakes {}

impl Mistakes {
    /// What to do about the last of them; the others say theirs themselves.
    pub(crate) fn hint(&self) -> Option<String> {
        self.0.last().map(|mistake| mistake.hint.clone())
    }
}

/// Sections of the host's settings that an environment may not change, with the reason.
const FIXED: &[(&str, &str)] =
    &[("lake", "it follows from `prefix` and `region`"), ("environments", "an environment has no environments")];

/// The databases whose addresses are secrets.
const DATABASES: [&str; 2] = ["source", "warehouse"];

/// The environments a settings file has.
pub(crate) fn names(file: Option<&Path>) -> Result<Vec<String>> {
    Ok(environments(&read(file)?.1).keys().cloned().collect())
}

/// Reads an environment. `variables` go over the host's settings, as everywhere.
pub(crate) fn describe(
    file: Option<&Path>,
    name: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Described> {
    let (path, mut table) = read(file)?;
    let environments = environments(&table);
    let Some(Value::Table(mut own)) = environments.get(name).cloned() else {
        let known: Vec<_> = environments.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(advise(
            format!("{path} has no environment `{name}`; it has: {known}"),
            format!("write [environments.{name}] into it, as totesys.example.toml shows"),
        ));
    };
    table.remove("environments");
    let mut mistakes = Vec::new();
    let overlay = overlay(name, &mut own, &mut mistakes);
    let raw = raw(name, own, &mut mistakes);
    for database in DATABASES {
        // What the top of the file says of addresses is a local pipeline's.
        if let Some(Value::Table(section)) = table.get_mut(database) {
            section.retain(|key, _| key != "url" && key != "secret");
        }
    }
    for (section, keys) in overlay {
        let merged = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let (Value::Table(merged), Value::Table(keys)) = (merged, keys) {
            merged.extend(keys);
        }
    }
    let settings = host_settings(name, &path, table.clone(), &raw, variables);
    let mut functions = functions_settings(&table);
    match &settings {
        Ok(settings) => {
            functions.insert("TOTESYS_CATALOG_PUBLISHERS".into(), publishers(settings)?);
        }
        Err(error) => mistakes.push(EnvironmentError {
            environment: name.to_owned(),
            key: "settings".into(),
            problem: host_lambda::sentence(error.as_ref()),
            hint: crate::hint::of(error).unwrap_or_else(|| "totesys.example.toml lists every setting".into()),
        }),
    }
    match raw.check(name, functions) {
        Ok(environment) if mistakes.is_empty() => Ok(Described { environment, settings: settings? }),
        checked => {
            mistakes.extend(checked.err().into_iter().flatten());
            Err(anyhow::Error::new(Mistakes(mistakes)).context(format!("{path} cannot be used")))
        }
    }
}

fn read(file: Option<&Path>) -> Result<(String, Table)> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        advise(
            format!("the settings file `{name}` cannot be read: {error}"),
            "an environment is described in it: start from totesys.example.toml",
        )
    })?;
    // The host's reader says what is wrong with its own sections, by line.
    Settings::parse(&text, &name, std::iter::empty())?;
    let table = toml::from_str(&text).with_context(|| format!("{name} is no TOML"))?;
    Ok((name, table))
}

fn environments(table: &Table) -> Table {
    match table.get("environments") {
        Some(Value::Table(environments)) => environments.clone(),
        _ => Table::new(),
    }
}

/// The host's settings that the environment has of its own.
fn overlay(name: &str, own: &mut Table, mistakes: &mut Vec<EnvironmentError>) -> Table {
    let mut mistake = |key: String, problem: &str, hint: &str| {
        mistakes.push(EnvironmentError {
            environment: name.to_owned(),
            key,
            problem: problem.to_owned(),
            hint: hint.to_owned(),
        });
    };
    let mut good = Table::new();
    match own.remove("settings") {
        None => {}
        Some(Value::Table(sections)) => {
            for (section, value) in sections {
                if let Some((_, reason)) = FIXED.iter().find(|(fixed, _)| *fixed == section) {
                    mistake(format!("settings.{section}"), "it cannot be set for an environment", reason);
                    continue;
                }
                let Value::Table(keys) = value else {
                    let hint = format!("write [environments.{name}.settings.{section}]");
                    mistake(format!("settings.{section}"), "a table is expected", &hint);
                    continue;
                };
                for (key, value) in keys {
                    match refused_by_host(&section, &key, &value) {
                        Some(problem) => {
                            let hint = "totesys.example.toml lists every setting with its default";
                            mistake(format!("settings.{section}.{key}"), &problem, hint);
                        }
                        None => {
                            let kept = good.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
                            kept.as_table_mut().and_then(|kept| kept.insert(key, value));
                        }
                    }
                }
            }
        }
        Some(_) => mistake("settings".into(), "a table is expected", "write [environments.NAME.settings.SECTION]"),
    }
    good
}

/// What the host has against a setting, looked at by itself.
fn refused_by_host(section: &str, key: &str, value: &Value) -> Option<String> {
    let keys = Table::from_iter([(key.to_owned(), value.clone())]);
    let alone = Table::from_iter([(section.to_owned(), Value::Table(keys))]);
    let text = toml::to_string(&alone).map_err(|error| error.to_string());
    match text.map(|text| Settings::parse(&text, "", std::iter::empty())) {
        Ok(Ok(_)) => None,
        Ok(Err(SettingsError::Invalid { problem, .. })) => Some(problem),
        Ok(Err(error)) => Some(error.to_string()),
        Err(problem) => Some(problem),
    }
}

/// The environment's own keys. Each is looked at by itself, so that one wrong key does not hide another.
fn raw(name: &str, mut own: Table, mistakes: &mut Vec<EnvironmentError>) -> RawEnvironment {
    let mut nested = |key: &str| own.remove(key);
    let stages = ["extract", "transform", "load"].map(|stage| (stage, nested(stage)));
    let network = nested("network");
    let mut raw: RawEnvironment = each(name, "", own, mistakes);
    let [extract, transform, load] = stages
        .map(|(stage, value)| value.map(|value| part::<RawStage>(name, stage, value, mistakes)).unwrap_or_default());
    (raw.extract, raw.transform, raw.load) = (extract, transform, load);
    raw.network = network.map(|value| part::<RawNetwork>(name, "network", value, mistakes));
    raw
}

fn part<T: DeserializeOwned + Default>(name: &str, key: &str, value: Value, mistakes: &mut Vec<EnvironmentError>) -> T {
    match value {
        Value::Table(table) => each(name, &format!("{key}."), table, mistakes),
        _ => {
            mistakes.push(EnvironmentError {
                environment: name.to_owned(),
                key: key.to_owned(),
                problem: "a table is expected".into(),
                hint: format!("write [environments.{name}.{key}]"),
            });
            T::default()
        }
    }
}

fn each<T: DeserializeOwned + Default>(
    name: &str,
    prefix: &str,
    table: Table,
    mistakes: &mut Vec<EnvironmentError>,
) -> T {
    let mut good = Table::new();
    for (key, value) in table {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        match Value::Table(alone).try_into::<T>() {
            Ok(_) => {
                good.insert(key, value);
            }
            Err(error) => mistakes.push(EnvironmentError {
                environment: name.to_owned(),
                key: format!("{prefix}{key}"),
                problem: error.message().lines().next().unwrap_or_default().to_owned(),
                hint: "totesys.example.toml shows an environment with every key".into(),
            }),
        }
    }
    Value::Table(good).try_into().unwrap_or_default()
}

/// The host's settings where `cargo xtask` works on the environment: its lake, and its secrets in the place of URLs.
fn host_settings(
    name: &str,
    path: &str,
    mut table: Table,
    raw: &RawEnvironment,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Settings> {
    let names = infra_templates::Names::new(raw.prefix.as_deref().unwrap_or("totesys"));
    let mut lake = Table::new();
    lake.insert("prefix".into(), Value::String(names.prefix().to_owned()));
    lake.extend(raw.region.clone().map(|region| ("region".to_owned(), Value::String(region))));
    table.insert("lake".into(), Value::Table(lake));
    for database in DATABASES {
        let section = table.entry(database).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.entry("secret").or_insert_with(|| Value::String(names.secret(database)));
        }
    }
    let text = toml::to_string(&table)?;
    let mut settings = Settings::parse(&text, &format!("{path}, environment `{name}`"), variables)?;
    // Whoever says a URL means it.
    settings.source.secret.take_if(|_| settings.source.url.is_some());
    settings.warehouse.secret.take_if(|_| settings.warehouse.url.is_some());
    Ok(settings)
}

/// What the functions are told of the host's settings, as variables. Addresses and files of this machine are not.
fn functions_settings(table: &Table) -> BTreeMap<String, String> {
    const OWN: &[(&str, &[&str])] =
        &[("source", &["url", "secret"]), ("warehouse", &["url", "secret"]), ("catalog", &["key", "publishers"])];
    let mut variables = BTreeMap::new();
    for (section, value) in table {
        let Value::Table(keys) = value else { continue };
        if section == "lake" {
            continue;
        }
        if section == "stars" {
            variables.insert("TOTESYS_STARS".to_owned(), value.to_string());
            continue;
        }
        let own = OWN.iter().find(|(name, _)| name == section).map(|(_, keys)| *keys).unwrap_or_default();
        for (key, value) in keys.iter().filter(|(key, _)| !own.contains(&key.as_str())) {
            if section == "log" && key == "format" {
                continue;
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            variables.insert(format!("TOTESYS_{}_{}", section.to_uppercase(), key.to_uppercase()), text);
        }
    }
    variables
}

/// Whose components the functions run: those the settings name, or else this machine's publisher.
fn publishers(settings: &Settings) -> Result<String> {
    let keys = if settings.catalog.publishers.is_empty() {
        vec![place::publisher_key(&place::key_file(settings))?.public().to_string()]
    } else {
        settings.catalog.publishers.clone()
    };
    Ok(Value::Array(keys.into_iter().map(Value::String).collect()).to_string())
}

#[cfg(test)]
mod tests;
