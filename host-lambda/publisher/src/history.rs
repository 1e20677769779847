//! What was live when: the catalog, read backwards.

use serde::Serialize;
use totesys_lake::Lake;

use crate::PublishError;

/// One catalog record, by what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// The record's number.
    pub record: u64,
    /// When it was published, in microseconds since 1970.
    pub published_at: i64,
    /// Why, in the publisher's words.
    pub note: String,
    /// The stars whose component or generation is another than in the record before.
    pub stars: Vec<StarRelease>,
    /// Stars that the record before had and this one does not.
    pub gone: Vec<String>,
}

/// A star in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StarRelease {
    /// The star.
    pub star: String,
    /// Its component's version.
    pub version: String,
    /// Its component's digest.
    pub digest: String,
    /// The contract it was built against.
    pub contract_version: String,
    /// The digest in the record before, if it had the star.
    pub before: Option<String>,
    /// The generation of the star's transformations.
    pub generation: u64,
    /// The public keys of those who signed its artefacts.
    pub signed_by: Vec<String>,
}

/// The newest records, the newest first.
///
/// # Errors
/// When a record is missing or damaged.
pub async fn releases(lake: &Lake, at_most: usize) -> Result<Vec<Release>, PublishError> {
    let mut releases = Vec::new();
    let mut record = lake.newest_catalog().await?;
    while let Some(current) = record.take().filter(|_| releases.len() < at_most) {
        let before = match current.number.checked_sub(1).filter(|number| *number > 0) {
            Some(number) => Some(lake.catalog(number).await?.ok_or(PublishError::NoRecord(number))?),
            None => None,
        };
        let mut stars = Vec::new();
        for (star, entry) in &current.stars {
            let was = before.as_ref().and_then(|before| before.stars.get(star));
            let generation = current.ledger(star).current();
            let generation_was = before.as_ref().map(|before| before.ledger(star).current());
            if was.map(|was| &was.digest) == Some(&entry.digest) && generation_was == Some(generation) {
                continue;
            }
            let mut signed_by: Vec<String> =
                entry.artefacts.values().map(|artefact| artefact.public_key.clone()).collect();
            signed_by.sort();
            signed_by.dedup();
            stars.push(StarRelease {
                star: star.clone(),
                version: entry.version.clone(),
                digest: entry.digest.clone(),
                contract_version: entry.contract_version.clone(),
                before: was.map(|was| was.digest.clone()),
                generation,
                signed_by,
            });
        }
        let gone =
            before.iter().flat_map(|before| before.stars.keys()).filter(|star| !current.stars.contains_key(*star));
        releases.push(Release {
            record: current.number,
            published_at: current.published_at.0,
            note: current.note.clone(),
            stars,
            gone: gone.cloned().collect(),
        });
        record = before;
    }
    Ok(releases)
}
