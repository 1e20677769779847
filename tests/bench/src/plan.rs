//! What `transform plan` does: the live component beside itself over the rows of the lake.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use host_lambda::{Pipeline, Rehearsal, Subject};
use serde_json::{Value, json};
use star_contract::Delivery;
use totesys_lake::Lake;
use totesys_publisher::compile_for;
use totesys_sandbox::{Metering, Target};

use crate::live;

/// As many batches as the verb takes without being told.
const BATCHES: usize = 20;

/// Compiles the live component as a plan runs it, into a file: the compiler's memory is not the plan's.
pub(crate) async fn prepare(lake: &Lake, star: &str, file: &Path) -> Result<Value> {
    let entry = live::entry(lake, star).await?;
    let component = lake.get_component(&entry.digest).await?;
    let code = compile_for(&component, Target::here(), Metering::Fuel)?.bytes;
    fs::write(file, code).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(json!({ "rows": 0 }))
}

/// Rehearses the component that [`prepare`] compiled. Every row is compared, and all are the same.
///
/// `rows` are those of the current state that are delivered as changes. A young lake's batches hold rows of it too,
/// which are pushed once more: `pushed` are all that each of the two sides was pushed.
pub(crate) async fn rehearse(lake: &Lake, pipeline: &Pipeline, star: &str, file: &Path) -> Result<Value> {
    let entry = live::entry(lake, star).await?;
    let code = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let component = pipeline.sandbox().load(&live::signed(&entry, Metering::Fuel, code)?)?;
    let subject = Subject { component, description: Arc::new(entry.description) };
    let started = Instant::now();
    let run = pipeline.shadow(Some(&subject), &subject, BATCHES).await?;
    let seconds = started.elapsed().as_secs_f64();
    let rehearsals = || run.batches.iter().map(|batch| &batch.rehearsal).chain([&run.state]);
    ensure!(rehearsals().all(Rehearsal::is_same), "a component differs from itself");
    let changes = subject.description.inputs.iter().filter(|input| input.delivery == Delivery::Changes);
    Ok(json!({
        "seconds": seconds,
        "rows": changes.filter_map(|input| run.state.rows.get(&input.table)).sum::<u64>(),
        "pushed": rehearsals().flat_map(|rehearsal| rehearsal.rows.values()).sum::<u64>(),
        "calls_milliseconds": rehearsals().map(calls_milliseconds).sum::<u64>(),
        "memory_bytes": rehearsals().map(|rehearsal| rehearsal.new.memory_bytes).max(),
    }))
}

/// The time both sides spent in calls.
fn calls_milliseconds(rehearsal: &Rehearsal) -> u64 {
    rehearsal.new.milliseconds + rehearsal.old.as_ref().map_or(0, |old| old.milliseconds)
}
