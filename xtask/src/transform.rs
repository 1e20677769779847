//! `transform`: components, from the first line to the last rebuild.

mod build;
mod catalog_log;
mod explain;
mod gc;
mod inspect;
mod keygen;
mod new;
mod plan;
mod publish;
mod rebuild;
mod record;
mod rollback;
mod test;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use host_lambda::settings::Settings;
use totesys_publisher::{Candidate, Publisher};

use crate::arguments::Transform;
use crate::hint::advise;

pub(crate) use gc::tell as tell_garbage;

/// Does what the verb says; gives the exit code.
pub(crate) async fn transform(settings: Settings, demo: bool, verb: &Transform) -> Result<u8> {
    match verb {
        Transform::New(new) => new::new(new)?,
        Transform::Build(build) => build::build(build)?,
        Transform::Test(test) => test::test(settings, test).await?,
        Transform::Record(record) => record::record(settings, demo, record).await?,
        Transform::Inspect(inspect) => inspect::inspect(settings, demo, inspect).await?,
        Transform::Plan(plan) => return plan::plan(settings, demo, plan).await,
        Transform::Publish(publish) => publish::publish(settings, demo, publish).await?,
        Transform::Rollback(rollback) => rollback::rollback(settings, demo, rollback).await?,
        Transform::Log(log) => catalog_log::log(settings, demo, log).await?,
        Transform::Gc(gc) => gc::gc(settings, demo, gc).await?,
        Transform::Rebuild(rebuild) => rebuild::rebuild(settings, demo, rebuild).await?,
        Transform::Explain(explain) => explain::explain(settings, demo, explain).await?,
        Transform::Keygen(keygen) => keygen::keygen(&settings, keygen)?,
    }
    Ok(0)
}

/// The bytes of a component's file.
fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| {
        advise(
            format!("`{}` cannot be read: {error}", file.display()),
            "name the component's file, such as target/guests/components/sales.wasm; `transform build` prints it",
        )
    })
}

/// A file as a candidate; what is wrong with it names the file.
fn candidate(publisher: &Publisher<'_>, file: &Path) -> Result<Candidate> {
    let component = read(file)?;
    let candidate = tokio::task::block_in_place(|| publisher.candidate(component));
    candidate.with_context(|| format!("`{}`", file.display()))
}

/// The first digits of a digest, as `status` shows them.
fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}
