//! Code that nothing names any more.

use std::collections::BTreeSet;

use totesys_lake::Lake;

use crate::PublishError;

/// Stored code that may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Keys in the code bucket, with their lengths.
    pub objects: Vec<(String, u64)>,
    /// How many objects stay.
    pub kept: usize,
}

/// What was written so recently may belong to a publication that is under way, in seconds.
const RECENT: i64 = 3600;

/// Components and artefacts that neither the newest catalog records nor any transformation names, and that were not
/// written within the hour before `now`, in seconds since 1970: a publication under way names them last of all.
///
/// # Errors
/// When the lake cannot be read.
pub async fn garbage(lake: &Lake, newest_records: u64, now: i64) -> Result<Garbage, PublishError> {
    let (mut components, mut artefacts) = (BTreeSet::new(), BTreeSet::new());
    if let Some(newest) = lake.newest_catalog().await? {
        let first = newest.number.saturating_sub(newest_records.max(1) - 1).max(1);
        for number in first..=newest.number {
            let record = lake.catalog(number).await?.ok_or(PublishError::NoRecord(number))?;
            for entry in record.stars.values() {
                components.insert(entry.digest.clone());
                artefacts.extend(entry.artefacts.values().map(|artefact| artefact.key.clone()));
            }
        }
    }
    // Of what a batch was made with the portable component is kept: from it every artefact can be made again.
    components.extend(lake.components_used().await?);
    let mut garbage = Garbage::default();
    for object in lake.code().await? {
        let component = Lake::component_of(&object.key).unwrap_or_default();
        let is_component = object.key.ends_with(".wasm");
        let named = artefacts.contains(&object.key) || (is_component && components.contains(component));
        if named || object.written_at > now - RECENT {
            garbage.kept += 1;
        } else {
            garbage.objects.push((object.key, object.bytes));
        }
    }
    Ok(garbage)
}
