//! `reload`: an empty warehouse, filled from the lake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::json;

use crate::place::Place;
use crate::progress::Progress;
use crate::watch::Watch;

/// Replays what was transformed.
pub(crate) async fn reload(settings: Settings, demo: bool, json: bool) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    let watch = Arc::new(Watch::new(Progress::new()));
    let started = Instant::now();
    let loads = place.pipeline(watch.clone())?.reload().await;
    watch.finish();
    let (loads, seconds) = (loads?, started.elapsed().as_secs_f64());
    if json {
        println!("{}", json!({ "loads": loads, "seconds": seconds }));
        return Ok(());
    }
    let mut appended: BTreeMap<&str, u64> = BTreeMap::new();
    for table in loads.iter().flat_map(|load| &load.report.tables).filter(|table| table.appended > 0) {
        *appended.entry(&table.table).or_default() += table.appended;
    }
    println!("{} loads in {seconds:.2} s", loads.len());
    for (table, versions) in appended {
        println!("{table}: {versions} versions");
    }
    Ok(())
}
