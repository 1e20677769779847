//! `quarantine`: rows that could not be transformed or loaded, and what became of them.

mod export;
mod text;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use host_lambda::settings::Settings;
use host_lambda::{Pipeline, QuarantinedRow};
use serde_json::json;

use crate::arguments::{List, Quarantine, Replay, Show};
use crate::place::Place;
use crate::progress::Progress;
use crate::run;
use crate::watch::Watch;

/// Lists, shows, offers again or exports.
pub(crate) async fn quarantine(settings: Settings, demo: bool, verb: &Quarantine) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    match verb {
        Quarantine::List(arguments) => list(&place.pipeline(Arc::new(()))?, arguments).await,
        Quarantine::Show(arguments) => show(&place.pipeline(Arc::new(()))?, arguments).await,
        Quarantine::Replay(arguments) => replay(&place, arguments).await,
        Quarantine::Export(arguments) => export::export(&place.pipeline(Arc::new(()))?, arguments).await,
    }
}

async fn list(pipeline: &Pipeline, arguments: &List) -> Result<()> {
    let star = arguments.star.as_deref();
    if arguments.values {
        let take = |row: QuarantinedRow| -> Result<()> {
            if arguments.output.json {
                println!("{}", serde_json::to_string(&row)?);
            } else {
                println!("{}", text::whole(&row));
            }
            Ok(())
        };
        return pipeline.quarantined_rows(star, take).await;
    }
    let entries = pipeline.quarantine(star).await?;
    match (arguments.by, arguments.output.json) {
        (None, true) => println!("{}", serde_json::to_string(&entries)?),
        (None, false) => print!("{}", text::list(&entries)),
        (Some(_), true) => println!("{}", json!(text::groups(&entries))),
        (Some(_), false) => print!("{}", text::grouped(&text::groups(&entries))),
    }
    Ok(())
}

async fn show(pipeline: &Pipeline, arguments: &Show) -> Result<()> {
    let row = pipeline.quarantined(&arguments.id).await?;
    if arguments.output.json {
        println!("{}", serde_json::to_string(&row)?);
    } else {
        print!("{}", text::whole(&row));
    }
    Ok(())
}

async fn replay(place: &Place, arguments: &Replay) -> Result<()> {
    place.make_ready().await?;
    let watch = Arc::new(Watch::new(Progress::new()));
    let pipeline = place.pipeline(watch.clone())?;
    let started = Instant::now();
    let report = pipeline.replay(arguments.star.as_deref()).await;
    watch.finish();
    run::print(report?, started.elapsed(), arguments.output.json)
}
