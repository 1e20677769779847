//! What an execution of several functions asks of the stages. Its extraction pins a catalog record; every later stage
//! is told that record's number, so that a publication meanwhile changes nothing for it.

use std::time::Instant;

use futures_util::future::try_join_all;
use serde::Serialize;
use totesys_lake::{Manifest, Micros};
use totesys_warehouse::Warehouse;

use crate::catalog::Pinned;
use crate::pace::Pace;
use crate::status::{LoadedUpTo, current_at, seconds_since, up_to};
use crate::{Extraction, HostError, Pipeline, StarFailure, StarLoad, StarTransformation};

/// What an execution has to do after its extraction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    /// The number of the catalog record that the execution goes by.
    pub catalog: u64,
    /// The newest batch; none before the first.
    pub batch: Option<u64>,
    /// The stars that have a batch to transform or to load, owners of shared dimensions first; none while a backfill is
    /// under way, which comes first.
    pub stars: Vec<String>,
    /// The backfill whose chunks are to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<DueBackfill>,
}

/// A backfill that an extraction planned, or found under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueBackfill {
    /// Its name.
    pub plan: String,
    /// How many chunks there are.
    pub chunks: u32,
}

/// How late the warehouse is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How old what the warehouse says is, in seconds, by the star furthest behind; none while a star that the newest
    /// batch was made for has loaded nothing.
    pub lag_seconds: Option<i64>,
    /// The stars that have not loaded the newest batch.
    pub stars_behind: u64,
}

/// An extraction and what it leaves to do.
#[derive(Debug)]
pub struct Begun {
    /// What was new in the source.
    pub extraction: Extraction,
    /// What is to be done next.
    pub due: Due,
    /// How late the warehouse is, when nothing is to be transformed or loaded.
    pub standing: Option<Standing>,
}

/// What loading all stars came to.
#[derive(Debug)]
pub struct Loading {
    /// What went into the warehouse.
    pub loads: Vec<StarLoad>,
    /// Stars that failed while the others went on.
    pub failures: Vec<StarFailure>,
    /// How late the warehouse is now, if that can be said.
    pub standing: Option<Standing>,
    /// How much of the record ids of the fact that has used most is used, in percent.
    pub record_ids_used: Option<f64>,
}

/// How far a star is, by the records of the lake.
struct Progress<'a> {
    star: &'a str,
    transformed: Option<u64>,
    loaded: Option<LoadedUpTo>,
}

impl Progress<'_> {
    /// Whether the star has something to do. One that has never transformed begins with the first batch that was made
    /// for it, which may be the next one.
    fn is_due(&self, newest: u64, made_for: bool) -> bool {
        match self.transformed {
            None => made_for,
            Some(transformed) => transformed < newest || self.loaded.is_none_or(|(loaded, _)| loaded < newest),
        }
    }
}

impl Pipeline {
    /// Pins the newest catalog record, extracts under it, and says what is to be done.
    ///
    /// # Errors
    /// When no component is live, or the source or the lake fails.
    pub async fn begin_execution(&self) -> Result<Begun, HostError> {
        let pinned = self.retries.run("catalog", async || self.pin().await).await?;
        let extraction = self.retries.run("extract", async || self.extract_pinned(&pinned, None).await).await?;
        let (due, standing) = self.retries.run("due", async || self.due(&pinned, &extraction).await).await?;
        Ok(Begun { extraction, due, standing })
    }

    /// Lets a star transform what it has not transformed yet, under the catalog record of a number. No batch is begun
    /// that might not be done by the deadline; a later call goes on.
    ///
    /// # Errors
    /// When there is no such record or star, or the component, its artefact or the lake fails; the batch waits.
    pub async fn transform_under(
        &self,
        catalog: u64,
        star: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<StarTransformation>, HostError> {
        let pinned = self.retries.run("catalog", async || self.pin_number(catalog).await).await?;
        pinned.entry(star)?;
        let pace = || Pace::until(deadline);
        self.retries.run("transform", async || self.transform_pinned(&pinned, star, pace()).await).await
    }

    /// Lets stars load what they have transformed, under the catalog record of a number and over one connection. A star
    /// that fails does not hold up the others, and no batch is begun that might not be done by the deadline.
    ///
    /// # Errors
    /// When there is no such record or star, or the warehouse cannot be made ready at all.
    pub async fn load_under(
        &self,
        catalog: u64,
        stars: &[String],
        deadline: Option<Instant>,
    ) -> Result<Loading, HostError> {
        let pinned = self.retries.run("catalog", async || self.pin_number(catalog).await).await?;
        for star in stars {
            pinned.entry(star)?;
        }
        let wanted: Vec<&str> = pinned.stars().into_iter().filter(|star| stars.iter().any(|s| s == star)).collect();
        let mut warehouse = self.retries.run("load", async || self.prepared_warehouse(&pinned).await).await?;
        let (loads, failures) = self.load_each(&mut warehouse, &pinned, &wanted, Pace::until(deadline)).await;
        let (standing, record_ids_used) = match &warehouse {
            Some(warehouse) => self.said_by(warehouse, &pinned).await,
            None => (self.standing_of(&pinned).await, Ok(None)),
        };
        Ok(Loading { loads, failures, standing: known(standing), record_ids_used: known(record_ids_used).flatten() })
    }

    /// How late the warehouse is by the records of the lake, for who cannot ask the warehouse.
    ///
    /// # Errors
    /// When there is no catalog record of that number, or the lake cannot be read.
    pub async fn standing(&self, catalog: u64) -> Result<Standing, HostError> {
        self.standing_of(&self.pin_number(catalog).await?).await
    }

    async fn due(&self, pinned: &Pinned, extraction: &Extraction) -> Result<(Due, Option<Standing>), HostError> {
        let (mut check, mut backfill) = (None, None);
        match extraction {
            Extraction::NothingNew { after, taken_at } => check = Some((*after, Micros(*taken_at))),
            Extraction::Backfill { plan, chunks } | Extraction::BackfillUnderWay { plan, chunks, .. } => {
                backfill = Some(DueBackfill { plan: plan.clone(), chunks: *chunks });
            }
            Extraction::Batch { .. } => {}
        }
        let mut due = Due { catalog: pinned.record.number, batch: None, stars: Vec::new(), backfill };
        let Some(newest) = self.newest_batch(pinned).await? else { return Ok((due, None)) };
        due.batch = Some(newest.batch);
        let progress = self.progress(pinned).await?;
        if due.backfill.is_none() {
            let to_do = progress.iter().filter(|star| star.is_due(newest.batch, newest.made_for(star.star)));
            due.stars = to_do.map(|progress| progress.star.to_owned()).collect();
        }
        let loaded = progress.iter().map(|progress| (progress.star, progress.loaded));
        let standing = due.stars.is_empty().then(|| newest.standing(loaded, check));
        Ok((due, standing))
    }

    async fn standing_of(&self, pinned: &Pinned) -> Result<Standing, HostError> {
        let progress = self.progress(pinned).await?;
        self.standing_at(pinned, progress.iter().map(|progress| (progress.star, progress.loaded)).collect()).await
    }

    /// What the warehouse says of itself: how late it is, and how much of its record ids is used, in percent.
    async fn said_by(
        &self,
        warehouse: &Warehouse,
        pinned: &Pinned,
    ) -> (Result<Standing, HostError>, Result<Option<f64>, HostError>) {
        let standing = async {
            let ledger = warehouse.loaded_by_all().await?;
            let loaded = pinned.stars().into_iter().map(|star| (star, up_to(&ledger, star)));
            self.standing_at(pinned, loaded.collect()).await
        };
        let ids = async {
            let highest = warehouse.highest_record_id().await?;
            Ok(highest.map(|id| f64::from(id) / f64::from(i32::MAX) * 100.0))
        };
        (standing.await, ids.await)
    }

    async fn standing_at(
        &self,
        pinned: &Pinned,
        loaded: Vec<(&str, Option<LoadedUpTo>)>,
    ) -> Result<Standing, HostError> {
        let Some(newest) = self.newest_batch(pinned).await? else {
            return Ok(Standing { lag_seconds: None, stars_behind: 0 });
        };
        let check = self.lake.newest_check().await?;
        let check = check.map(|check| (check.after.map(|batch| batch.0), check.taken_at));
        Ok(newest.standing(loaded.into_iter(), check))
    }

    /// How far each star is, in the order in which they load.
    async fn progress<'a>(&self, pinned: &'a Pinned) -> Result<Vec<Progress<'a>>, HostError> {
        let stars = pinned.stars();
        let progress = stars.iter().map(|star| async move {
            let transformed = self.lake.newest_transformation(pinned.ledger(star)).await?;
            let loaded = self.lake.newest_load(star).await?;
            Ok::<_, HostError>(Progress {
                star,
                transformed: transformed.map(|record| record.batch.0),
                loaded: loaded.map(|record| (record.batch.0, record.taken_at)),
            })
        });
        try_join_all(progress).await
    }

    async fn newest_batch(&self, pinned: &Pinned) -> Result<Option<Newest>, HostError> {
        let Some(manifest) = self.lake.newest_manifest().await? else { return Ok(None) };
        let Manifest { batch, taken_at, catalog, .. } = manifest.into_record();
        let record = if catalog == pinned.record.number {
            pinned.record.clone()
        } else {
            // As the transform sees it: without the record nobody can tell whom the batch was made for.
            let stored = self.lake.catalog(catalog).await?;
            stored.ok_or(HostError::NoCatalogRecord { batch: batch.0, number: catalog })?.into_record()
        };
        Ok(Some(Newest { batch: batch.0, taken_at, stars: record.stars.into_keys().collect() }))
    }
}

/// The newest batch.
struct Newest {
    batch: u64,
    taken_at: Micros,
    /// The stars that were live when it was made.
    stars: Vec<String>,
}

impl Newest {
    fn made_for(&self, star: &str) -> bool {
        self.stars.iter().any(|known| known == star)
    }

    /// How late a warehouse is that has loaded so much. A star that begins with the next batch is not late.
    fn standing<'a>(
        &self,
        stars: impl Iterator<Item = (&'a str, Option<LoadedUpTo>)>,
        check: Option<(Option<u64>, Micros)>,
    ) -> Standing {
        let counted = stars.filter(|(star, loaded)| loaded.is_some() || self.made_for(star));
        let loaded: Vec<Option<LoadedUpTo>> = counted.map(|(_, loaded)| loaded).collect();
        let behind = loaded.iter().filter(|loaded| loaded.is_none_or(|(batch, _)| batch < self.batch)).count();
        let at = current_at(loaded.into_iter(), Some((self.batch, self.taken_at)), check);
        Standing { lag_seconds: at.map(seconds_since), stars_behind: behind as u64 }
    }
}

/// What could not be found out is left out and said in the log: the stage itself has done its work.
fn known<T>(found: Result<T, HostError>) -> Option<T> {
    found.inspect_err(|error| tracing::warn!(%error, "how it stands cannot be said")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(batch: u64) -> Option<LoadedUpTo> {
        Some((batch, Micros(i64::try_from(batch).unwrap() * 1_000_000)))
    }

    #[test]
    fn a_star_is_due_from_the_first_batch_that_was_made_for_it() {
        for (transformed, loaded, made_for, due) in [
            (None, None, false, false),
            (None, None, true, true),
            (Some(3), None, true, true),
            (Some(2), at(2), true, true),
            (Some(3), at(2), true, true),
            (Some(3), at(3), true, false),
            (Some(2), at(2), false, true),
        ] {
            let progress = Progress { star: "a", transformed, loaded };
            assert_eq!(progress.is_due(3, made_for), due, "{transformed:?} {loaded:?}");
        }
    }

    #[test]
    fn a_star_that_begins_with_the_next_batch_is_not_late() {
        let newest = Newest { batch: 3, taken_at: Micros(3_000_000), stars: vec!["a".into(), "b".into()] };
        let now = Micros::now().0 / 1_000_000;
        for (stars, check, age, behind) in [
            (vec![("a", at(3)), ("b", at(3)), ("new", None)], None, Some(3), 0),
            (vec![("a", at(3)), ("b", at(3))], Some((Some(3), Micros(9_000_000))), Some(9), 0),
            (vec![("a", at(1)), ("b", at(3))], Some((Some(3), Micros(9_000_000))), Some(1), 1),
            (vec![("a", at(3)), ("b", None)], None, None, 1),
            (vec![], None, None, 0),
        ] {
            let standing = newest.standing(stars.into_iter(), check);
            let taken_at = standing.lag_seconds.map(|lag| now - lag);
            assert_eq!(standing.stars_behind, behind);
            assert!(taken_at.zip(age).is_none_or(|(found, age)| (found - age).abs() <= 2), "{standing:?}");
            assert_eq!(taken_at.is_some(), age.is_some());
        }
    }
}
