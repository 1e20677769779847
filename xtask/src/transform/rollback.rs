//! `transform rollback`: back to the components of an earlier record.

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::json;

use super::short;
use crate::arguments::Rollback;
use crate::place::Place;

/// Appends a record with the components of an earlier one.
pub(crate) async fn rollback(settings: Settings, demo: bool, arguments: &Rollback) -> Result<()> {
    let place = Place::open_lake(settings, demo).await?;
    let publisher = place.publisher(&place.targets().await?);
    let published = publisher.roll_back(&place.lake, arguments.to, &arguments.note).await?;
    let record = &published.record;
    if arguments.output.json {
        let stars: Vec<_> =
            record.stars.iter().map(|(star, entry)| json!({ "star": star, "digest": entry.digest })).collect();
        println!("{}", json!({ "record": record.number, "appended": published.appended, "stars": stars }));
        return Ok(());
    }
    if published.appended {
        println!("catalog record {} is live; the next run uses it", record.number);
    } else {
        println!("these components are live already (catalog record {})", record.number);
    }
    for (star, entry) in &record.stars {
        println!("  {star:<12} {:<9} {}", entry.version, short(&entry.digest));
    }
    Ok(())
}
