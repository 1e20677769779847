//! `transform gc`: code that nothing names.

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::json;
use totesys_lake::Micros;
use totesys_publisher::{Garbage, garbage};

use crate::arguments::Gc;
use crate::place::{Place, say};

/// Lists the garbage, and deletes it if that is wanted.
pub(crate) async fn gc(settings: Settings, demo: bool, arguments: &Gc) -> Result<()> {
    let place = Place::open_lake(settings, demo).await?;
    let garbage = garbage(&place.lake, arguments.keep, Micros::now().0 / 1_000_000).await?;
    if arguments.yes {
        for (key, _) in &garbage.objects {
            place.lake.delete_code(key).await?;
        }
    }
    tell(&garbage, arguments.yes, arguments.output.json);
    Ok(())
}

/// Says what was deleted, or would be.
pub(crate) fn tell(garbage: &Garbage, deleted: bool, json: bool) {
    let bytes: u64 = garbage.objects.iter().map(|(_, bytes)| bytes).sum();
    if json {
        let objects: Vec<_> =
            garbage.objects.iter().map(|(key, bytes)| json!({ "key": key, "bytes": bytes })).collect();
        let value = json!({ "objects": objects, "bytes": bytes, "kept": garbage.kept, "deleted": deleted });
        println!("{value}");
        return;
    }
    for (key, bytes) in &garbage.objects {
        println!("{bytes:>10}  {key}");
    }
    let what = if deleted { "deleted" } else { "to delete" };
    println!("{} objects of {bytes} bytes {what}, {} kept", garbage.objects.len(), garbage.kept);
    if !deleted && !garbage.objects.is_empty() {
        say("nothing was deleted; with --yes it is");
    }
}
