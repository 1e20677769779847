//! `run`: one batch, or one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use host_lambda::settings::Settings;
use host_lambda::{Extraction, Full, Pipeline, RunReport};
use serde_json::{Value, json};

use crate::arguments::Run;
use crate::place::Place;
use crate::progress::Progress;
use crate::watch::Watch;

/// Runs once, or every so often until interrupted.
pub(crate) async fn run(settings: Settings, demo: bool, arguments: &Run) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    place.make_ready().await?;
    let watch = Arc::new(Watch::new(Progress::new()));
    let full = match &arguments.full {
        None => Full::No,
        Some(tables) if tables.is_empty() => Full::Everything,
        Some(tables) => Full::Tables(tables.clone()),
    };
    let pipeline = place.pipeline(watch.clone())?.with_full(full);
    let Some(every) = arguments.every else {
        return once(&pipeline, &watch, arguments.output.json).await;
    };
    loop {
        let started = Instant::now();
        // The next run has another try at what this one could not do.
        if let Err(error) = once(&pipeline, &watch, arguments.output.json).await {
            crate::report(&error);
        }
        tokio::time::sleep(every.saturating_sub(started.elapsed())).await;
    }
}

async fn once(pipeline: &Pipeline, watch: &Watch, json: bool) -> Result<()> {
    let (report, took) = timed(pipeline, watch).await?;
    print(report, took, json)
}

/// Says what a run did, and fails if a star did.
pub(crate) fn print(report: RunReport, took: Duration, json: bool) -> Result<()> {
    if json {
        let failures: Vec<Value> = report
            .failures
            .iter()
            .map(|failure| json!({ "star": failure.star, "error": host_lambda::sentence(&failure.error), "hint": failure.error.hint() }))
            .collect();
        let mut value = serde_json::to_value(&report)?;
        value["failures"] = json!(failures);
        value["seconds"] = json!(took.as_secs_f64());
        println!("{value}");
    } else {
        for line in sentences(&report, took) {
            println!("{line}");
        }
    }
    failed(report)
}

/// One run with its progress shown.
pub(crate) async fn timed(pipeline: &Pipeline, watch: &Watch) -> Result<(RunReport, Duration)> {
    let started = Instant::now();
    let report = pipeline.run().await;
    watch.finish();
    Ok((report?, started.elapsed()))
}

/// The first star that failed, as an error.
pub(crate) fn failed(report: RunReport) -> Result<()> {
    match report.failures.into_iter().next() {
        Some(failure) => Err(anyhow::Error::new(failure.error).context(format!("star `{}` failed", failure.star))),
        None => Ok(()),
    }
}

/// What a run did, for a person.
pub(crate) fn sentences(report: &RunReport, took: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    match &report.extraction {
        Extraction::NothingNew { .. } => lines.push("nothing new in the source".to_owned()),
        Extraction::Backfill { chunks, .. } => lines.push(format!("large tables read in {chunks} chunks")),
        Extraction::BackfillUnderWay { chunks, read, .. } => {
            lines.push(format!("large tables read in {chunks} chunks, {read} of which were there"));
        }
        Extraction::Batch { batch, tables, .. } => {
            let (rows, refused) =
                tables.values().fold((0, 0), |sum, table| (sum.0 + table.rows, sum.1 + table.refused));
            let aside = if refused > 0 { format!(", {refused} refused") } else { String::new() };
            lines.push(format!("batch {batch}: {rows} rows of {} tables{aside}", tables.len()));
        }
    }
    for star in &report.transformations {
        let refused: u64 = star.refused.values().sum();
        if refused > 0 {
            let reasons: Vec<String> = star.refused.iter().map(|(code, rows)| format!("{code} {rows}")).collect();
            lines.push(format!("{}: {refused} rows refused ({})", star.star, reasons.join(", ")));
        }
        if star.offered > 0 {
            lines.push(format!("{}: {} of {} rows refused earlier taken now", star.star, star.released, star.offered));
        }
    }
    // A star that caught up with several batches says last how it stands.
    let stand: BTreeMap<&str, u64> =
        report.transformations.iter().map(|star| (star.star.as_str(), star.open)).collect();
    for (star, open) in stand.into_iter().filter(|(_, open)| *open > 0) {
        lines.push(format!("{star}: {open} refused rows are open (`cargo xtask quarantine list`)"));
    }
    for load in &report.loads {
        for table in &load.report.tables {
            let counts = [
                (table.appended, "appended"),
                (table.inserted, "inserted"),
                (table.updated, "updated"),
                (table.waiting, "waiting for a dimension row"),
                (table.superseded, "superseded"),
                (table.deleted, "gone from the source"),
            ];
            let said: Vec<String> =
                counts.iter().filter(|(rows, _)| *rows > 0).map(|(rows, what)| format!("{rows} {what}")).collect();
            if !said.is_empty() {
                lines.push(format!("{} {}: {}", load.star, table.table, said.join(", ")));
            }
        }
    }
    lines.push(format!("done in {:.2} s", took.as_secs_f64()));
    lines
}
