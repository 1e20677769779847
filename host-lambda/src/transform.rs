//! The second stage: one star's component over one batch.

mod flow;
mod kept;
mod outputs;
mod overtaken;
pub(crate) mod pushes;
mod refusals;
mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use totesys_failpoint as failpoint;
use totesys_lake::{
    Attempt, BatchNumber, Committed, Manifest, Micros, StarLedger, TableEntry, TableOutput, TransformationRecord, Used,
};
use totesys_sandbox::Usage;
use tracing::{Instrument, info_span};

use crate::catalog::Pinned;
use crate::pace::Pace;
use crate::{HostError, Pipeline};

use flow::{Flow, Produced};

/// What a star made of one batch.
#[derive(Debug, Clone, Serialize)]
pub struct StarTransformation {
    /// The star.
    pub star: String,
    /// The batch.
    pub batch: u64,
    /// Output rows by warehouse table.
    pub rows: BTreeMap<String, u64>,
    /// Refused rows of the batch by reason.
    pub refused: BTreeMap<String, u64>,
    /// Changes, of this batch and earlier ones, that are still refused.
    pub open: u64,
    /// Rows refused in earlier batches that were offered again.
    pub offered: u64,
    /// Those of them that were taken.
    pub released: u64,
    /// The most memory the component's instance had, in bytes; 0 when it did not have to run.
    pub memory_bytes: u64,
}

impl Pipeline {
    /// Transforms every batch the star has not transformed yet, in order.
    ///
    /// # Errors
    /// When the component, its artefact or the lake fails; the batch waits.
    pub async fn transform(&self, star: &str) -> Result<Vec<StarTransformation>, HostError> {
        let pinned = self.pin().await?;
        self.transform_pinned(&pinned, star, Pace::until(None)).await
    }

    pub(crate) async fn transform_pinned(
        &self,
        pinned: &Pinned,
        star: &str,
        mut pace: Pace,
    ) -> Result<Vec<StarTransformation>, HostError> {
        let Some(newest) = self.lake.newest_manifest().await?.map(|manifest| manifest.batch) else {
            return Ok(Vec::new());
        };
        let mut done = Vec::new();
        let ledger = pinned.ledger(star);
        let mut next = self.first_untransformed(pinned, star, newest).await?;
        while next <= newest && pace.allows_another() {
            let outcome = self.transform_one(pinned, &ledger, next).await;
            if let Err(error @ (HostError::Sandbox(_) | HostError::TooManyRefused { .. })) = &outcome {
                self.component_failed(pinned, &ledger, next, error).await;
            }
            done.push(outcome?);
            next = next.next();
        }
        Ok(done)
    }

    /// Transforms one batch, which must be the next of the star's ledger.
    pub(crate) async fn transform_one(
        &self,
        pinned: &Pinned,
        ledger: &StarLedger,
        batch: BatchNumber,
    ) -> Result<StarTransformation, HostError> {
        let span = info_span!("transform", star = ledger.star(), batch = batch.0);
        Box::pin(self.transform_batch(pinned, ledger, batch)).instrument(span).await
    }

    async fn first_untransformed(
        &self,
        pinned: &Pinned,
        star: &str,
        newest: BatchNumber,
    ) -> Result<BatchNumber, HostError> {
        match self.lake.newest_transformation(pinned.ledger(star)).await? {
            Some(last) => Ok(last.batch.next()),
            None => self.first_known(star, newest).await,
        }
    }

    /// The first batch that was made under a catalog that knew the star, and since when it always did.
    pub(crate) async fn first_known(&self, star: &str, newest: BatchNumber) -> Result<BatchNumber, HostError> {
        // A star begins with the first batch that was made under a catalog that knew it, which may be the next one.
        let mut first = newest.next();
        while first > BatchNumber::FIRST {
            let before = self.batch(BatchNumber(first.0 - 1)).await?;
            // Without its record nobody could tell whether the star knew the batch, and it must not be skipped.
            let catalog = self
                .lake
                .catalog(before.catalog)
                .await?
                .ok_or(HostError::NoCatalogRecord { batch: before.batch.0, number: before.catalog })?;
            if !catalog.stars.contains_key(star) {
                break;
            }
            first = before.batch;
        }
        Ok(first)
    }

    /// A batch that must exist.
    pub(crate) async fn batch(&self, batch: BatchNumber) -> Result<Manifest, HostError> {
        let stored = self.lake.manifest(batch).await?.ok_or(HostError::NoManifest { batch: batch.0 })?;
        Ok(stored.into_record())
    }

    async fn transform_batch(
        &self,
        pinned: &Pinned,
        ledger: &StarLedger,
        batch: BatchNumber,
    ) -> Result<StarTransformation, HostError> {
        let (star, started_at) = (ledger.star(), Micros::now());
        let manifest = self.batch(batch).await?;
        let entry = pinned.entry(star)?;
        let attempt = Attempt::random()?;
        let last = self.lake.newest_transformation(ledger).await?;
        // Another component may make something else of inputs that did not change.
        let mut changed = last.as_ref().is_none_or(|last| last.digest != entry.digest);
        let mut inputs: Vec<TableEntry> = Vec::new();
        for input in &entry.description.inputs {
            let table = manifest.tables.get(&input.table).ok_or_else(|| HostError::TableNotIngested {
                batch: batch.0,
                table: input.table.clone(),
                star: star.to_owned(),
            })?;
            changed |= table.changed;
            inputs.push(table.clone());
        }
        let under = replay::basis(&entry.digest, &entry.description.inputs, &inputs);
        let open = last.as_ref().map(|last| last.open.clone()).unwrap_or_default();
        let asked = manifest.replay.as_ref().is_some_and(|replay| replay.means(star));
        let due =
            !open.is_empty() && (asked || last.as_ref().and_then(|last| last.offered_under.as_ref()) != Some(&under));
        if changed && let Some(stop) = self.lake.stop(star, batch, &entry.digest, &self.quarantine.name()).await? {
            // Once is enough to know what the same component makes of the same rows.
            return Err(refusals::too_many(&stop, self.quarantine.max_refused_share));
        }
        let component = if changed || due { Some(self.component(pinned, star).await?) } else { None };
        let flow = Arc::new(Flow {
            lake: Arc::clone(&self.lake),
            observer: Arc::clone(&self.observer),
            description: Arc::new(entry.description.clone()),
            digest: entry.digest.clone(),
            contract: entry.contract_version.clone(),
            generation: ledger.current(),
            batch,
            taken_at: manifest.taken_at,
            attempt: attempt.clone(),
            limits: self.quarantine,
        });
        let Produced { outputs, refused, used } = match &component {
            Some(component) if changed => flow.run(Arc::clone(component), inputs.clone()).await?,
            _ => Produced::default(),
        };
        let kept = kept::keep(&flow, &inputs, &open, &refused).await?;
        let mut queue = replay::advance(&flow, component.filter(|_| due), inputs, open, refused.changes).await?;
        queue.open.extend(kept);

        let record = TransformationRecord {
            batch,
            star: star.to_owned(),
            attempt,
            generation: ledger.current(),
            digest: entry.digest.clone(),
            version: entry.version.clone(),
            contract_version: entry.contract_version.clone(),
            catalog: pinned.record.number,
            outputs,
            refused: refused.by_code.values().sum(),
            refused_by_code: refused.by_code,
            quarantine: refused.quarantine,
            open: queue.open,
            released: queue.released,
            released_rows: queue.released_rows,
            offered_under: Some(under),
            limits: self.sandbox.limits(star).by_name(),
            used: used.map(used_by),
            started_at,
            finished_at: Micros::now(),
        };
        failpoint::pass("transform:before-record");
        let record = match self.lake.commit_transformation(&record).await? {
            Committed::Ours => record,
            // Another run was faster; what it recorded is what counts.
            Committed::Theirs(theirs) => theirs.into_record(),
        };
        failpoint::pass("transform:recorded");
        let open = record.open_rows();
        let memory_bytes = record.used.as_ref().map_or(0, |used| used.memory_bytes);
        let rows: BTreeMap<_, _> = record.outputs.iter().map(|output| (output.table.clone(), output.rows)).collect();
        tracing::info!(rows = rows.values().sum::<u64>(), refused = record.refused, open, "batch transformed");
        Ok(StarTransformation {
            star: record.star,
            batch: batch.0,
            rows,
            refused: record.refused_by_code,
            open,
            offered: queue.offered_rows,
            released: record.released_rows,
            memory_bytes,
        })
    }
}

/// The outputs in described order, so that a load meets dimensions before facts.
fn in_described_order(mut outputs: Vec<TableOutput>, description: &star_contract::Description) -> Vec<TableOutput> {
    outputs.sort_by_key(|output| description.outputs.iter().position(|described| described.table == output.table));
    outputs
}

fn used_by(usage: Usage) -> Used {
    Used {
        milliseconds: u64::try_from(usage.time.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: usage.memory_bytes,
        fuel: usage.fuel,
    }
}
