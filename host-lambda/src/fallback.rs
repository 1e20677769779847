//! What is done about a component that fails: it is noted, and where the settings want it the former one comes back.

use std::sync::{Arc, PoisonError};

use totesys_lake::{Attempt, BatchNumber, Committed, FailureRecord, Micros, StarEntry, StarLedger, owners};

use crate::catalog::Pinned;
use crate::shadow::{Inputs, Subject};
use crate::{HostError, Pipeline};

/// What became of going back.
enum Fallback {
    /// The former component is live, by this catalog record.
    Done(u64),
    /// It would not help, or there is none.
    Useless,
    /// Somebody published meanwhile.
    Overtaken,
}

impl Pipeline {
    /// Notes the failure for `status`, then goes back to the former component if that may help. Failing at either
    /// changes nothing: the batch waits in any case.
    pub(crate) async fn component_failed(
        &self,
        pinned: &Pinned,
        ledger: &StarLedger,
        batch: BatchNumber,
        error: &HostError,
    ) {
        if let Err(unnoted) = self.note_failure(pinned, ledger, batch, error).await {
            tracing::warn!(%unnoted, "the failure could not be recorded");
        }
        let to_blame = match error {
            HostError::Sandbox(error) => error.is_the_components(),
            _ => true,
        };
        let digest = pinned.entry(ledger.star()).map(|entry| entry.digest.clone()).unwrap_or_default();
        let tried = (ledger.star().to_owned(), batch.0, digest);
        // A batch that waits fails in every run; what is known not to help is not tried again by this process.
        let known = |tried| self.beyond_help.lock().unwrap_or_else(PoisonError::into_inner).contains(tried);
        if !self.automatic_rollback || !to_blame || known(&tried) {
            return;
        }
        match Box::pin(self.fall_back(pinned, ledger, batch, error)).await {
            Ok(Fallback::Done(record)) => {
                tracing::error!(star = ledger.star(), record, "went back to the former component");
            }
            Ok(Fallback::Overtaken) => {}
            Ok(Fallback::Useless) => {
                self.beyond_help.lock().unwrap_or_else(PoisonError::into_inner).insert(tried);
            }
            Err(kept) => tracing::warn!(%kept, "the former component could not be put back"),
        }
    }

    async fn note_failure(
        &self,
        pinned: &Pinned,
        ledger: &StarLedger,
        batch: BatchNumber,
        error: &HostError,
    ) -> Result<(), HostError> {
        let record = FailureRecord {
            batch,
            star: ledger.star().to_owned(),
            attempt: Attempt::random()?,
            digest: pinned.entry(ledger.star())?.digest.clone(),
            reason: error.to_string(),
            failed_at: Micros::now(),
        };
        self.lake.commit_failure(&record).await?;
        Ok(())
    }

    /// When this is the first batch of a new component and the former one takes it, the former is put live again. The
    /// run goes on under the record it has pinned; the next one uses what is live then.
    async fn fall_back(
        &self,
        pinned: &Pinned,
        ledger: &StarLedger,
        batch: BatchNumber,
        error: &HostError,
    ) -> Result<Fallback, HostError> {
        let star = ledger.star();
        let failed = pinned.entry(star)?;
        let Some(last) = self.lake.newest_transformation(ledger).await? else { return Ok(Fallback::Useless) };
        let former = self.lake.catalog(last.catalog).await?.map(|record| Pinned { record: record.into_record() });
        let Some(former) = former.filter(|former| former.record.stars.contains_key(star)) else {
            return Ok(Fallback::Useless);
        };
        let entry = former.entry(star)?;
        if entry.digest == failed.digest || !self.takes(&former, entry, batch).await? {
            return Ok(Fallback::Useless);
        }
        let Some(newest) = self.lake.newest_catalog().await? else { return Ok(Fallback::Overtaken) };
        // Somebody may have mended it meanwhile.
        if newest.stars.get(star).is_none_or(|live| live.digest != failed.digest) {
            return Ok(Fallback::Overtaken);
        }
        let digest: String = failed.digest.chars().take(12).collect();
        let note = format!("automatic rollback of {star}: {digest} failed on batch {}: {error}", batch.0);
        let mut record = newest.next(&note)?;
        record.stars.insert(star.to_owned(), entry.clone());
        // Two stars may have gone live together because they changed what they share: one of them cannot go back alone.
        if star_contract::check_together(record.stars.values().map(|entry| &entry.description)).is_err() {
            return Ok(Fallback::Useless);
        }
        record.owners = owners(&record.stars, &newest.owners, &newest.stars, &[star.to_owned()]);
        match self.lake.commit_catalog(&record).await? {
            Committed::Ours => Ok(Fallback::Done(record.number)),
            Committed::Theirs(_) => Ok(Fallback::Overtaken),
        }
    }

    /// Whether a component takes a batch: it fails on nothing, and refuses no more than is allowed.
    async fn takes(&self, former: &Pinned, entry: &StarEntry, batch: BatchNumber) -> Result<bool, HostError> {
        let component = self.component(former, &entry.description.star).await?;
        let subject = Subject { component, description: Arc::new(entry.description.clone()) };
        let inputs = Inputs::of_batch(&self.batch(batch).await?, &entry.description)?;
        match self.rehearse(None, &subject, inputs).await {
            Ok(rehearsal) => Ok(!rehearsal.exceeds(&entry.description, self.quarantine)),
            Err(HostError::Sandbox(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
