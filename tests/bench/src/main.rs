//! One stage of the pipeline in a process of its own, so that its time and memory are its own.
//!
//! `cargo xtask bench` builds this for release, names databases and lake by `TOTESYS_*` variables and starts it once
//! for each measurement: `bench extract|transform|load|run|component|compile|loading|calls STAR`, or
//! `bench prepare-plan|plan STAR FILE`. It prints one line of JSON.

mod calls;
mod component;
mod live;
mod loading;
mod plan;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use host_lambda::settings::Settings;
use host_lambda::{Extraction, Pipeline, Places};
use serde_json::{Value, json};
use totesys_embedded_s3::EmbeddedS3;
use totesys_lake::{Lake, LakeSettings};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let stage = arguments.next().context("the first argument is a stage")?;
    let star = arguments.next().unwrap_or_else(|| "sales".to_owned());
    let file = arguments.next().map(PathBuf::from).context("the third argument is a file");
    let started = Instant::now();
    let settings = Settings::read(None, std::env::vars())?;
    host_lambda::telemetry::start(&settings.log)?;
    let folder = settings.lake.folder.as_ref().context("TOTESYS_LAKE_FOLDER is not set")?;
    let server = EmbeddedS3::open(folder).await?;
    let lake = Arc::new(Lake::open(local(&settings.lake.prefix, &server)).await?);
    let measured = match stage.as_str() {
        "component" => Box::pin(component::compare(&lake, &settings, &star)).await?,
        "compile" => Box::pin(loading::compile(&lake, &star)).await?,
        "loading" => Box::pin(loading::cold(&lake, &settings, folder, &star)).await?,
        "calls" => Box::pin(calls::compare(&lake, &settings, &star)).await?,
        "prepare-plan" => Box::pin(plan::prepare(&lake, &star, &file?)).await?,
        "plan" => Box::pin(plan::rehearse(&lake, &pipeline(&lake, &settings)?, &star, &file?)).await?,
        _ => {
            let pipeline = pipeline(&lake, &settings)?;
            let mut measured = Box::pin(work(&pipeline, &stage, &star)).await?;
            measured["seconds"] = json!(started.elapsed().as_secs_f64());
            measured
        }
    };
    println!("{}", usage::added_to(measured)?);
    Ok(())
}

async fn work(pipeline: &Pipeline, stage: &str, star: &str) -> Result<Value> {
    match stage {
        "extract" => Ok(extracted(&pipeline.extract().await?)),
        "transform" => {
            let done = pipeline.transform(star).await?;
            let rows: u64 = done.iter().flat_map(|batch| batch.rows.values()).sum();
            Ok(json!({ "rows": rows }))
        }
        "load" => {
            let done = pipeline.load(star).await?;
            let tables = done.iter().flat_map(|batch| &batch.report.tables);
            Ok(json!({ "rows": tables.map(|table| table.appended + table.inserted).sum::<u64>() }))
        }
        "run" => {
            let report = pipeline.run().await?;
            if let Some(failure) = report.failures.first() {
                bail!("star `{}` failed: {}", failure.star, failure.error);
            }
            let tables = report.loads.iter().flat_map(|load| &load.report.tables);
            let mut measured = extracted(&report.extraction);
            measured["appended"] = json!(tables.map(|table| table.appended).sum::<u64>());
            Ok(measured)
        }
        other => bail!("there is no stage `{other}`"),
    }
}

fn extracted(extraction: &Extraction) -> Value {
    match extraction {
        Extraction::NothingNew { .. } | Extraction::Backfill { .. } | Extraction::BackfillUnderWay { .. } => {
            json!({ "rows": 0, "bytes": 0 })
        }
        Extraction::Batch { tables, .. } => json!({
            "rows": tables.values().map(|table| table.rows).sum::<u64>(),
            "bytes": tables.values().map(|table| table.bytes).sum::<u64>(),
        }),
    }
}

fn pipeline(lake: &Arc<Lake>, settings: &Settings) -> Result<Pipeline> {
    let env = |name: &str| std::env::var(name).ok();
    let places = Places {
        source: Some(settings.source_connection(&env)?),
        source_options: settings.source_options(),
        warehouse: Some(settings.warehouse_connection(&env)?),
        warehouse_options: settings.warehouse_options(),
        publishers: settings.publishers()?,
    };
    Ok(Pipeline::new(Arc::clone(lake), places, settings.sandbox.clone(), Arc::new(()))?)
}

fn local(prefix: &str, server: &EmbeddedS3) -> LakeSettings {
    LakeSettings::on_server(prefix, server.endpoint(), server.access_key(), server.secret_key())
}

/// The middle one.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
