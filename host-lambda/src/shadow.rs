//! Components over rows of the lake without anything being written: what they would give, and how two of them differ.

mod differ;
mod fold;
mod inputs;
mod rehearsal;

use std::sync::Arc;

use futures_util::future::try_join_all;
use serde::Serialize;
use star_contract::Description;
use tokio::runtime::Handle;
use totesys_lake::{BatchNumber, CatalogRecord, Manifest};
use totesys_sandbox::{Loaded, Sandbox};

use crate::catalog::Pinned;
use crate::{HostError, Pipeline};

pub use differ::{Example, ExampleKind, TableDifference};
pub(crate) use inputs::Inputs;
pub use rehearsal::{Rehearsal, Side};

/// Manifests read at the same time.
const AT_ONCE: u64 = 32;

/// A component, and what it describes.
#[derive(Clone)]
pub struct Subject {
    /// The component, loaded for the metering it is to run under.
    pub component: Arc<Loaded>,
    /// Its description.
    pub description: Arc<Description>,
}

/// A shadow run: the current state of every input, and the newest batches one by one.
#[derive(Debug, Serialize)]
pub struct ShadowRun {
    /// Over the current state of every input, as if the star were new.
    pub state: Rehearsal,
    /// Over batches with anything for the star in them, the oldest first.
    pub batches: Vec<BatchRehearsal>,
    /// Inputs of which no row was covered: about them nothing can be concluded.
    pub uncovered: Vec<String>,
}

/// A rehearsed batch.
#[derive(Debug, Serialize)]
pub struct BatchRehearsal {
    /// The batch.
    pub batch: u64,
    /// What it came to.
    #[serde(flatten)]
    pub rehearsal: Rehearsal,
}

impl Pipeline {
    /// The sandbox components run in here.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// A star's component as production would run it under a catalog record: fetched, verified and loaded.
    ///
    /// # Errors
    /// When the record does not have the star, or its artefact is refused.
    pub async fn subject(&self, record: &CatalogRecord, star: &str) -> Result<Subject, HostError> {
        let pinned = Pinned { record: record.clone() };
        let component = self.component(&pinned, star).await?;
        Ok(Subject { component, description: Arc::new(pinned.entry(star)?.description.clone()) })
    }

    /// Runs a candidate, and the live component beside it if there is one, over the current state of every input and
    /// over the newest `batches` batches that have anything for the star. Nothing is written.
    ///
    /// # Errors
    /// When the candidate fails, or the lake cannot be read.
    pub async fn shadow(&self, old: Option<&Subject>, new: &Subject, batches: usize) -> Result<ShadowRun, HostError> {
        let described = [old.map(|old| &old.description), Some(&new.description)];
        let described: Vec<&Description> = described.into_iter().flatten().map(AsRef::as_ref).collect();
        let manifests = self.reaching_back(&described, batches).await?;
        let state = Inputs::of_state(&self.lake, &manifests, &described).await?;
        let state = self.rehearse(old, new, state).await?;
        let mut rehearsed = Vec::new();
        for manifest in &manifests {
            if rehearsed.len() == batches {
                break;
            }
            let Ok(inputs) = Inputs::of_batch(manifest, &new.description) else { break };
            let Ok(inputs) = inputs.and_of(manifest, old.map(|old| old.description.as_ref())) else { break };
            if !delivers_as_wanted(manifest, &new.description) {
                continue;
            }
            // A batch in which nothing changed that the star reads is no batch of its.
            if described.iter().all(|description| nothing_for(manifest, description)) {
                continue;
            }
            rehearsed
                .push(BatchRehearsal { batch: manifest.batch.0, rehearsal: self.rehearse(old, new, inputs).await? });
        }
        rehearsed.reverse();
        let covered = |table: &str| state.rows.get(table).is_some_and(|rows| *rows > 0);
        let inputs = new.description.inputs.iter().map(|input| input.table.clone());
        let uncovered = inputs.filter(|table| !covered(table)).collect();
        Ok(ShadowRun { state, batches: rehearsed, uncovered })
    }

    /// Runs a candidate over the newest batch that has rows in every input it describes, as production would; `None`
    /// when no batch has.
    ///
    /// # Errors
    /// When the candidate fails, or the lake cannot be read.
    pub async fn canary(&self, old: Option<&Subject>, new: &Subject) -> Result<Option<BatchRehearsal>, HostError> {
        let mut next = self.lake.newest_manifest().await?.map(|manifest| manifest.batch);
        while let Some(batch) = next {
            let manifest = self.batch(batch).await?;
            let Ok(inputs) = Inputs::of_batch(&manifest, &new.description) else { return Ok(None) };
            if inputs.every_one_has_rows() && delivers_as_wanted(&manifest, &new.description) {
                let Ok(inputs) = inputs.and_of(&manifest, old.map(|old| old.description.as_ref())) else {
                    return Ok(None);
                };
                let rehearsal = self.rehearse(old, new, inputs).await?;
                return Ok(Some(BatchRehearsal { batch: batch.0, rehearsal }));
            }
            next = (batch > BatchNumber::FIRST).then(|| BatchNumber(batch.0 - 1));
        }
        Ok(None)
    }

    /// Runs components over inputs on a thread of its own.
    pub(crate) async fn rehearse(
        &self,
        old: Option<&Subject>,
        new: &Subject,
        inputs: Inputs,
    ) -> Result<Rehearsal, HostError> {
        let (lake, old, new, runtime) = (Arc::clone(&self.lake), old.cloned(), new.clone(), Handle::current());
        let work = move || rehearsal::rehearse(&lake, &runtime, old.as_ref(), &new, &inputs);
        tokio::task::spawn_blocking(work).await.map_err(|_| HostError::Worker)?
    }

    /// Manifests from the newest back to one from which on every described table is held whole, and so many at least.
    async fn reaching_back(&self, described: &[&Description], at_least: usize) -> Result<Vec<Manifest>, HostError> {
        let Some(newest) = self.lake.newest_manifest().await? else { return Err(HostError::NothingLoaded) };
        let mut lacking: Vec<&str> =
            described.iter().flat_map(|description| &description.inputs).map(|input| input.table.as_str()).collect();
        let mut manifests = vec![newest.into_record()];
        loop {
            for manifest in &manifests {
                lacking.retain(|table| manifest.tables.get(*table).is_some_and(|entry| !entry.begins_anew()));
            }
            let Some(oldest) = manifests.last().map(|manifest| manifest.batch.0) else { break };
            if oldest == 1 || (lacking.is_empty() && manifests.len() >= at_least) {
                break;
            }
            let first = oldest.saturating_sub(AT_ONCE).max(1);
            let more = (first..oldest).rev().map(|batch| self.batch(BatchNumber(batch)));
            manifests.extend(try_join_all(more).await?);
        }
        Ok(manifests)
    }
}

/// Whether a batch holds of every input what its description wants: changes alone are no snapshot.
fn delivers_as_wanted(manifest: &Manifest, description: &Description) -> bool {
    description.inputs.iter().all(|input| {
        manifest.tables.get(&input.table).is_some_and(|entry| entry.whole || entry.delivery == input.delivery)
    })
}

/// Whether nothing changed in a batch that the star reads.
fn nothing_for(manifest: &Manifest, description: &Description) -> bool {
    description.inputs.iter().all(|input| manifest.tables.get(&input.table).is_none_or(|entry| !entry.changed))
}
