//! From a component, and from its artefact, to something that runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use host_lambda::settings::Settings;
use serde_json::{Value, json};
use totesys_lake::{Bucket, BucketNames, Lake};
use totesys_sandbox::{Sandbox, VerifiedArtifact};

use crate::{live, median, usage};

/// How often the component is compiled.
const COMPILATIONS: usize = 3;

/// How often a loaded component is instantiated; the median counts.
const INSTANCES: usize = 200;

/// Loads the live artefact once. A process can do this once only: whatever has to do with the engine is new to it.
///
/// The artefact is read from the lake's folder, as from the folder in which a host keeps it, and the engines are
/// started with the rest. This program holds a compiler, which a host does not: its engines start a little slower.
pub(crate) async fn cold(lake: &Lake, settings: &Settings, folder: &Path, star: &str) -> Result<Value> {
    let entry = live::entry(lake, star).await?;
    let (artefact, claim, signature) = live::published(&entry)?;
    let bucket = BucketNames::with_prefix(&settings.lake.prefix).name(Bucket::Code).to_owned();
    let file = folder.join("buckets").join(bucket).join(&artefact.key);
    let (publishers, limits) = (settings.publishers()?, settings.limits());
    let before = usage::resident_bytes()?;

    let began = Instant::now();
    let sandbox = Sandbox::new(limits)?;
    let started = Instant::now();
    let code = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let read = Instant::now();
    let artifact = VerifiedArtifact::verify(claim, code, &signature, &publishers)?;
    let verified = Instant::now();
    let loaded = sandbox.load(&artifact)?;
    let linked = Instant::now();
    let description = loaded.describe()?;
    let described = Instant::now();

    drop(artifact);
    let after = usage::resident_bytes()?;
    ensure!(description == entry.description, "the component describes another star than the catalog");
    let description = Arc::new(description);
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        let started = Instant::now();
        let transformer = loaded.begin(1, Arc::clone(&description))?;
        instances.push(milliseconds(started, Instant::now()));
        drop(transformer);
    }
    Ok(json!({
        "milliseconds": milliseconds(began, described),
        "engines_milliseconds": milliseconds(began, started),
        "read_milliseconds": milliseconds(started, read),
        "verify_milliseconds": milliseconds(read, verified),
        "load_milliseconds": milliseconds(verified, linked),
        "describe_milliseconds": milliseconds(linked, described),
        "instance_milliseconds": median(instances),
        "resident_before": before,
        "resident_after": after,
    }))
}

/// Compiles the live component as it is published.
pub(crate) async fn compile(lake: &Lake, star: &str) -> Result<Value> {
    let entry = live::entry(lake, star).await?;
    let component = lake.get_component(&entry.digest).await?;
    let (mut took, mut bytes) = (Vec::new(), 0);
    for _ in 0..COMPILATIONS {
        let started = Instant::now();
        bytes = totesys_publisher::compile(&component)?.bytes.len();
        took.push(milliseconds(started, Instant::now()));
    }
    Ok(json!({ "milliseconds": took, "component_bytes": component.len(), "artefact_bytes": bytes }))
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64() * 1e3
}
