//! How it stands: batches, rows, lag, live components.

use std::collections::BTreeMap;

use serde::Serialize;
use totesys_lake::{Micros, TransformationRecord};
use totesys_warehouse::{LedgerRow, TableSummary};

use crate::{HostError, Pipeline};

/// How a pipeline stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The newest batch.
    pub newest_batch: Option<u64>,
    /// When the newest batch's snapshot was taken, in microseconds since 1970.
    pub newest_batch_at: Option<i64>,
    /// When the newest check that found nothing was made, in microseconds since 1970.
    pub newest_check_at: Option<i64>,
    /// How old what the warehouse says is, in seconds; none before every star has loaded a batch.
    pub lag_seconds: Option<i64>,
    /// How old it may be at most, in seconds.
    pub lag_limit_seconds: i64,
    /// What kept the newest extraction from being made, if none succeeded since.
    pub trouble: Option<Trouble>,
    /// The large tables that are being read in chunks.
    pub backfill: Option<BackfillStatus>,
    /// Intervals of which versions may be lacking.
    pub gaps: Vec<HistoryGap>,
    /// The number of the live catalog record.
    pub catalog: Option<u64>,
    /// The stars.
    pub stars: Vec<StarStatus>,
    /// The warehouse's tables.
    pub tables: Vec<TableSummary>,
    /// Rows the codec could not hold and has not been able to since, by source table.
    pub unreadable: BTreeMap<String, u64>,
}

/// Why there was no extraction.
#[derive(Debug, Serialize)]
pub struct Trouble {
    /// When it was tried, in microseconds since 1970.
    pub at: i64,
    /// Why there was none.
    pub reason: String,
}

/// How far a backfill is. Nothing else is extracted until it is finished or given up.
#[derive(Debug, Serialize)]
pub struct BackfillStatus {
    /// Its name.
    pub plan: String,
    /// When it was planned, in microseconds since 1970.
    pub planned_at: i64,
    /// How many chunks there are.
    pub chunks: u32,
    /// How many of them were read.
    pub read: u32,
}

/// An interval in which the source was not followed: what came and went in it nobody has seen.
#[derive(Debug, Serialize)]
pub struct HistoryGap {
    /// Its beginning, in microseconds since 1970.
    pub from: i64,
    /// Its end, in microseconds since 1970.
    pub until: i64,
    /// Why the source was not the one that was followed before.
    pub reason: String,
}

/// How one star stands.
#[derive(Debug, Serialize)]
pub struct StarStatus {
    /// The star.
    pub star: String,
    /// Its live component.
    pub component: LiveComponent,
    /// The newest batch it has transformed.
    pub transformed: Option<u64>,
    /// The newest batch it has loaded.
    pub loaded: Option<u64>,
    /// The newest batch its load records say was loaded, when the warehouse says less: it was restored, and gets the
    /// missing batches again.
    pub recorded: Option<u64>,
    /// Rows its component refused in the newest transformed batch, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Changes, of that batch and earlier ones, that are still refused.
    pub open: u64,
    /// Facts that wait for a dimension row.
    pub waiting: u64,
    /// The batch that waits because too much of it was refused.
    pub stopped: Option<u64>,
    /// The batch that waits because the live component failed on it.
    pub failure: Option<StarTrouble>,
}

/// How a component failed on a batch; later ones wait behind it.
#[derive(Debug, Serialize)]
pub struct StarTrouble {
    /// The batch.
    pub batch: u64,
    /// The component's digest.
    pub digest: String,
    /// Why.
    pub reason: String,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// A live component.
#[derive(Debug, Serialize)]
pub struct LiveComponent {
    /// Its digest.
    pub digest: String,
    /// Its version.
    pub version: String,
    /// The contract it was built for.
    pub contract_version: String,
}

/// A change must be visible within this time.
const LAG_LIMIT_SECONDS: i64 = 30 * 60;

impl Pipeline {
    /// Says how it stands. Reads only, but for a warehouse that has not been prepared yet.
    ///
    /// # Errors
    /// When the lake or the warehouse cannot be read.
    pub async fn status(&self) -> Result<Status, HostError> {
        let catalog = self.lake.newest_catalog().await?;
        let manifest = self.lake.newest_manifest().await?;
        let check = self.lake.newest_check().await?;
        let (loaded, tables) = self.warehouse_status().await?;

        let mut stars = Vec::new();
        for (record, star, entry) in
            catalog.iter().flat_map(|record| record.stars.iter().map(move |(star, entry)| (record, star, entry)))
        {
            let transformation =
                self.lake.newest_transformation(record.ledger(star)).await?.map(|record| record.into_record());
            let done = transformation.as_ref().map_or(0, |record| record.batch.0);
            let stopped = self.current_stop(star, done).await?.map(|stop| stop.batch.0);
            let failure = self.lake.current_failure(star, done, &entry.digest).await?;
            let own = tables.iter().filter(|table| entry.description.output(&table.table).is_some());
            let in_warehouse = loaded.iter().find(|row| row.star == *star).map(|row| row.batch);
            let recorded = self.lake.newest_load(star).await?.map(|record| record.batch.0);
            stars.push(StarStatus {
                star: star.clone(),
                component: LiveComponent {
                    digest: entry.digest.clone(),
                    version: entry.version.clone(),
                    contract_version: entry.contract_version.clone(),
                },
                transformed: transformation.as_ref().map(|record| record.batch.0),
                loaded: in_warehouse,
                recorded: recorded.filter(|recorded| Some(*recorded) > in_warehouse),
                open: transformation.as_ref().map(TransformationRecord::open_rows).unwrap_or_default(),
                waiting: own.map(|table| table.waiting).sum(),
                stopped,
                failure: failure.map(|failure| StarTrouble {
                    batch: failure.batch.0,
                    digest: failure.digest,
                    reason: failure.reason,
                    at: failure.failed_at.0,
                }),
                refused: transformation.map(|record| record.refused_by_code).unwrap_or_default(),
            });
        }
        let mut unreadable = BTreeMap::new();
        for open in manifest.iter().flat_map(|manifest| &manifest.unreadable) {
            *unreadable.entry(open.table.clone()).or_insert(0) += open.count();
        }
        let newest = manifest.as_ref().map(|manifest| (manifest.batch.0, manifest.taken_at));
        let check = check.map(|check| (check.after.map(|batch| batch.0), check.taken_at));
        let names: Vec<&str> = stars.iter().map(|star| star.star.as_str()).collect();
        let seen_at = newest.map(|(_, at)| at).max(check.map(|(_, at)| at));
        let trouble = self.lake.newest_trouble().await?.filter(|trouble| Some(trouble.at) > seen_at);
        let gaps = manifest.iter().flat_map(|manifest| &manifest.gaps).map(|gap| HistoryGap {
            from: gap.from.0,
            until: gap.until.0,
            reason: gap.reason.clone(),
        });
        let current_at = current_at(names.iter().map(|star| up_to(&loaded, star)), newest, check);
        let backfill = self.open_backfill().await?;
        Ok(Status {
            backfill,
            newest_batch: newest.map(|(batch, _)| batch),
            newest_batch_at: newest.map(|(_, taken_at)| taken_at.0),
            newest_check_at: check.map(|(_, taken_at)| taken_at.0),
            lag_seconds: current_at.map(seconds_since),
            lag_limit_seconds: LAG_LIMIT_SECONDS,
            trouble: trouble.map(|trouble| Trouble { at: trouble.at.0, reason: trouble.reason.clone() }),
            gaps: gaps.collect(),
            catalog: catalog.map(|record| record.number),
            stars,
            tables,
            unreadable,
        })
    }

    /// The newest backfill, if it has not ended.
    async fn open_backfill(&self) -> Result<Option<BackfillStatus>, HostError> {
        let Some(backfill) = self.lake.newest_backfill().await? else { return Ok(None) };
        if self.lake.backfill_end(&backfill.attempt).await?.is_some() {
            return Ok(None);
        }
        let read = self.lake.chunk_progress(&backfill.attempt).await?.read;
        let (plan, planned_at) = (backfill.attempt.to_string(), backfill.planned_at.0);
        Ok(Some(BackfillStatus { plan, planned_at, chunks: backfill.chunks(), read }))
    }

    async fn warehouse_status(&self) -> Result<(Vec<LedgerRow>, Vec<TableSummary>), HostError> {
        if self.lake.identity().await?.is_none() {
            return Ok(Default::default());
        }
        let Some(warehouse) = self.prepared_warehouse(&self.pin().await?).await? else { return Ok(Default::default()) };
        let summary = warehouse.summary().await?;
        Ok((summary.stars, summary.tables))
    }
}

/// How far a star is loaded: its newest batch in the warehouse and when that batch's snapshot was taken.
pub(crate) type LoadedUpTo = (u64, Micros);

/// How far a star is loaded, by the warehouse's ledger.
pub(crate) fn up_to(ledger: &[LedgerRow], star: &str) -> Option<LoadedUpTo> {
    ledger.iter().find(|row| row.star == star).map(|row| (row.batch, Micros(row.snapshot_micros)))
}

/// The snapshot time of the newest batch, or later check, up to which every star is loaded.
pub(crate) fn current_at(
    stars: impl Iterator<Item = Option<LoadedUpTo>>,
    newest: Option<LoadedUpTo>,
    check: Option<(Option<u64>, Micros)>,
) -> Option<Micros> {
    let loaded: Option<Vec<LoadedUpTo>> = stars.collect();
    let (batch, at_batch) = loaded?.into_iter().min_by_key(|(batch, _)| *batch)?;
    let (newest_batch, _) = newest?;
    match check {
        Some((after, taken_at)) if batch == newest_batch && after == Some(newest_batch) => Some(taken_at.max(at_batch)),
        _ => Some(at_batch),
    }
}

/// The whole seconds since a time, none if it has not come yet.
pub(crate) fn seconds_since(at: Micros) -> i64 {
    (Micros::now().0 - at.0).max(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_star_furthest_behind_decides() {
        let at = |batch: u64| Some((batch, Micros(i64::try_from(batch * 100).unwrap())));
        let newest = Some((3, Micros(300)));
        let check = Some((Some(3), Micros(350)));
        for (stars, check, expected) in [
            ([at(3), at(3)], check, Some(350)),
            ([at(3), at(3)], None, Some(300)),
            ([at(3), at(3)], Some((Some(2), Micros(250))), Some(300)),
            ([at(3), at(1)], check, Some(100)),
            ([at(3), None], check, None),
        ] {
            assert_eq!(current_at(stars.into_iter(), newest, check).map(|at| at.0), expected);
        }
    }
}
