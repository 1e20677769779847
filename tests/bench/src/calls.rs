//! What a call costs by the rows it carries: natively, and in the sandbox by what its engine counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use author_kit::{Outcome, Session};
use host_lambda::settings::Settings;
use serde_json::{Value, json};
use star_contract::{Delivery, MAX_PUSH_ROWS};
use totesys_lake::Lake;
use totesys_publisher::compile_for;
use totesys_sandbox::{Metering, Sandbox, Target, Transformer};

use crate::{live, median};

/// Rows of one call.
const ROWS: [usize; 3] = [1, 1_000, MAX_PUSH_ROWS];

/// The time a runner works before it is another's turn.
const BLOCK: Duration = Duration::from_millis(25);

/// Turns that count: 0.5 s for each runner.
const TURNS: usize = 20;

/// Turns before, in which caches and the component's memory fill.
const WARMING: usize = 3;

/// Pushes the same rows again and again through each runner in turn.
pub(crate) async fn compare(lake: &Lake, settings: &Settings, star: &str) -> Result<Value> {
    ensure!(star == "sales", "only `sales` is linked natively");
    let entry = live::entry(lake, star).await?;
    let manifest = lake.newest_manifest().await?.context("the lake has no batch")?;
    let description = Arc::new(entry.description.clone());
    let mut snapshots = Vec::new();
    for input in description.inputs.iter().filter(|input| input.delivery == Delivery::Snapshot) {
        for rows in live::rows(lake, &manifest, input, None).await? {
            snapshots.push(Push::of(&input.table, &rows)?);
        }
    }
    let input = description.inputs.iter().find(|input| input.delivery == Delivery::Changes);
    let input = input.context("the star reads no changes")?;
    let changes = filled(live::rows(lake, &manifest, input, Some(MAX_PUSH_ROWS)).await?)?;
    let component = lake.get_component(&entry.digest).await?;
    let sandbox = Sandbox::new(settings.limits())?;
    let mut loaded = Vec::new();
    for (name, metering) in [("nothing", Metering::Nothing), ("epochs", Metering::Epochs), ("fuel", Metering::Fuel)] {
        let code = compile_for(&component, Target::here(), metering)?.bytes;
        loaded.push((name, sandbox.load(&live::signed(&entry, metering, code)?)?));
    }
    let mut calls = Vec::new();
    for rows in ROWS {
        let push = Push::of(&input.table, &changes.slice(0, rows))?;
        let mut runners = vec![Runner::new("native", Way::Native(Session::new(Box::new(sales::star()))))];
        for &(name, ref loaded) in &loaded {
            let transformer = loaded.begin(1, Arc::clone(&description))?;
            runners.push(Runner::new(name, Way::Sandbox(Box::new(transformer))));
        }
        calls.extend(race(runners, &snapshots, &push)?);
    }
    Ok(json!({ "calls": calls }))
}

/// As many rows as a push may carry; a small lake's are repeated.
fn filled(mut batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    let schema = batches.first().context("the batch has no rows")?.schema();
    let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
    ensure!(found > 0, "the batch has no rows");
    let once = batches.len();
    let mut rows = found;
    while rows < MAX_PUSH_ROWS {
        batches.extend_from_within(..once);
        rows += found;
    }
    Ok(concat_batches(&schema, &batches)?.slice(0, MAX_PUSH_ROWS))
}

/// Rows on their way.
struct Push {
    table: String,
    rows: usize,
    stream: Vec<u8>,
}

impl Push {
    fn of(table: &str, rows: &RecordBatch) -> Result<Self> {
        Ok(Self { table: table.to_owned(), rows: rows.num_rows(), stream: live::stream(rows)? })
    }
}

enum Way {
    Native(Session),
    Sandbox(Box<Transformer>),
}

/// One way of running the star's code, and what was seen of it.
struct Runner {
    name: &'static str,
    way: Way,
    calls: u64,
    /// Seconds of a call, by turn.
    seconds: Vec<f64>,
}

impl Runner {
    fn new(name: &'static str, way: Way) -> Self {
        Self { name, way, calls: 0, seconds: Vec::new() }
    }

    /// One call, and how long it took.
    fn push(&mut self, push: &Push) -> Result<(Outcome, Duration)> {
        match &mut self.way {
            Way::Native(session) => {
                // The sandbox copies the stream into the component's memory; natively it is handed over.
                let stream = push.stream.clone();
                let started = Instant::now();
                let outcome = session.push(&push.table, stream)?;
                Ok((outcome, started.elapsed()))
            }
            Way::Sandbox(transformer) => {
                let started = Instant::now();
                let outcome = transformer.exchange(&push.table, &push.stream, push.rows)?;
                Ok((outcome, started.elapsed()))
            }
        }
    }

    /// Calls until [`BLOCK`] is over; the mean of their times.
    fn turn(&mut self, push: &Push) -> Result<f64> {
        let (mut calls, mut took) = (0_u32, Duration::ZERO);
        while took < BLOCK {
            took += self.push(push)?.1;
            calls += 1;
        }
        self.calls += u64::from(calls);
        Ok(took.as_secs_f64() / f64::from(calls))
    }

    fn fuel(&self) -> Option<u64> {
        match &self.way {
            Way::Native(_) => None,
            Way::Sandbox(transformer) => transformer.usage().fuel,
        }
    }

    fn memory_bytes(&self) -> Option<u64> {
        match &self.way {
            Way::Native(_) => None,
            Way::Sandbox(transformer) => Some(transformer.usage().memory_bytes),
        }
    }
}

/// Lets runners push the same rows in turn, so that noise meets all alike; each begins in turn.
fn race(mut runners: Vec<Runner>, snapshots: &[Push], push: &Push) -> Result<Vec<Value>> {
    for push in snapshots.iter().chain([push]) {
        agree(&mut runners, push)?;
    }
    let fuel: Vec<Option<u64>> = runners.iter().map(Runner::fuel).collect();
    let count = runners.len();
    for turn in 0..WARMING + TURNS {
        for place in 0..count {
            let runner = &mut runners[(turn + place) % count];
            let seconds = runner.turn(push)?;
            if turn >= WARMING {
                runner.seconds.push(seconds);
            }
        }
    }
    let figures = runners.into_iter().zip(fuel).map(|(runner, before)| {
        let burnt = runner.fuel().zip(before).map(|(after, before)| after.saturating_sub(before));
        let rows = runner.calls as f64 * push.rows as f64;
        json!({
            "rows": push.rows,
            "who": runner.name,
            "calls": runner.calls,
            "memory_bytes": runner.memory_bytes(),
            "fuel_per_row": burnt.map(|burnt| burnt as f64 / rows),
            "microseconds": median(runner.seconds) * 1e6,
        })
    });
    Ok(figures.collect())
}

/// One push through every runner: each must give what the first gives.
fn agree(runners: &mut [Runner], push: &Push) -> Result<()> {
    let mut expected = None;
    for runner in runners {
        let (outcome, _) = runner.push(push)?;
        let expected = expected.get_or_insert_with(|| outcome.clone());
        ensure!(*expected == outcome, "`{}` gives something else than native code", runner.name);
    }
    Ok(())
}
