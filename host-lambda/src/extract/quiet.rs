//! Checks that find nothing, and those that need not even look.

use std::collections::BTreeMap;

use totesys_lake::{Attempt, CheckRecord, Manifest, Micros};
use totesys_source::{Baseline, ReadMode};

use super::Extraction;
use crate::{HostError, Pipeline};

impl Pipeline {
    /// Whether no transaction of the whole server has ended since the last batch or check, so that no table can have
    /// changed: every write has a transaction number, and the snapshot's xmax follows the last one that ended. Tables
    /// that are read whole are read in any case.
    pub(super) async fn nothing_ended_since(
        &self,
        found: &Baseline,
        modes: &BTreeMap<String, ReadMode>,
        (previous, before): (Option<&Manifest>, Option<&Baseline>),
        catalog: u64,
    ) -> Result<bool, HostError> {
        let (Some(previous), Some(before)) = (previous, before) else { return Ok(false) };
        // Under another record batch and checks may have looked at other tables.
        if previous.catalog != catalog {
            return Ok(false);
        }
        let all_since = modes.values().all(|mode| matches!(mode, ReadMode::Since { .. }));
        // What a replica has replayed is another question.
        if !all_since || !found.is_settled() || found.in_recovery || before.in_recovery {
            return Ok(false);
        }
        if before.is_settled() && before.xmax == found.xmax {
            return Ok(true);
        }
        let check = self.lake.newest_check().await?;
        Ok(check.is_some_and(|check| check.settled && check.after == Some(previous.batch) && check.xmax == found.xmax))
    }

    /// Records that there is nothing new.
    pub(super) async fn note_check(
        &self,
        found: &Baseline,
        previous: Option<&Manifest>,
        attempt: Attempt,
        (started_at, taken_at): (Micros, Micros),
        drift: Vec<String>,
    ) -> Result<Extraction, HostError> {
        let check = CheckRecord {
            attempt,
            taken_at,
            after: previous.map(|manifest| manifest.batch),
            xmax: found.xmax,
            settled: found.is_settled(),
            duration_micros: u64::try_from(Micros::now().0 - started_at.0).unwrap_or_default(),
            drift,
        };
        self.lake.commit_check(&check).await?;
        tracing::info!(after = check.after.map(|batch| batch.0), "nothing new");
        Ok(Extraction::NothingNew { after: check.after.map(|batch| batch.0), taken_at: taken_at.0 })
    }
}
