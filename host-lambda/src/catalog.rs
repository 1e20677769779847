//! The catalog record a run is pinned to, and its components.

use std::sync::Arc;

use bytes::Bytes;
use star_contract::Description;
use totesys_lake::{ArtefactEntry, CatalogRecord, StarEntry, StarLedger};
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, Loaded, Signature, VerifiedArtifact};

use crate::{HostError, Pipeline};

/// A catalog record that all stages of a run go by: the newest as it was when the run began.
pub(crate) struct Pinned {
    pub(crate) record: CatalogRecord,
}

impl Pinned {
    /// The stars' names, owners of shared dimensions first.
    pub(crate) fn stars(&self) -> Vec<&str> {
        let mut stars: Vec<&str> = self.record.stars.keys().map(String::as_str).collect();
        stars.sort_by_key(|star| !self.record.owners.values().any(|owner| owner == star));
        stars
    }

    pub(crate) fn entry(&self, star: &str) -> Result<&StarEntry, HostError> {
        self.record.stars.get(star).ok_or_else(|| HostError::UnknownStar(star.to_owned()))
    }

    /// Where the star's transformations are recorded.
    pub(crate) fn ledger(&self, star: &str) -> StarLedger {
        self.record.ledger(star)
    }

    pub(crate) fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.record.stars.values().map(|entry| &entry.description)
    }
}

impl Pipeline {
    /// Pins the newest catalog record.
    pub(crate) async fn pin(&self) -> Result<Pinned, HostError> {
        let record = self.lake.newest_catalog().await?.ok_or(HostError::EmptyCatalog)?;
        Ok(Pinned { record: record.into_record() })
    }

    /// Pins the catalog record of a number, which need not be the newest any more.
    pub(crate) async fn pin_number(&self, number: u64) -> Result<Pinned, HostError> {
        let record = self.lake.catalog(number).await?.ok_or(HostError::UnknownCatalog { number })?;
        Ok(Pinned { record: record.into_record() })
    }

    /// A star's component, verified and ready to run.
    pub(crate) async fn component(&self, pinned: &Pinned, star: &str) -> Result<Arc<Loaded>, HostError> {
        let entry = pinned.entry(star)?;
        let engine = self.sandbox.engine_for(star);
        let artefact = entry
            .artefacts
            .get(engine.as_str())
            .ok_or_else(|| HostError::NotCompiled { star: star.to_owned(), engine: engine.to_string() })?;
        let (claim, signature) = claim(star, entry, artefact, engine)?;
        if let Some(known) = self.sandbox.loaded(&claim) {
            return Ok(known);
        }
        if let Some(kept) = self.artefacts.as_ref().and_then(|folder| folder.find(&artefact.sha256, artefact.bytes)) {
            // Whoever may write to the folder may not sign: what is kept is checked like what is fetched.
            match VerifiedArtifact::verify(claim.clone(), kept, &signature, &self.publishers) {
                Ok(verified) => return Ok(self.sandbox.load(&verified)?),
                Err(error) => tracing::warn!(star, %error, "a kept artefact is refused and fetched again"),
            }
        }
        let bytes: Bytes = self.lake.get_artefact(artefact).await?;
        let verified = VerifiedArtifact::verify(claim, bytes.to_vec(), &signature, &self.publishers)?;
        let loaded = self.sandbox.load(&verified)?;
        if let Some(folder) = &self.artefacts {
            folder.keep(&artefact.sha256, &bytes);
        }
        Ok(loaded)
    }
}

pub(crate) fn claim(
    star: &str,
    entry: &StarEntry,
    artefact: &ArtefactEntry,
    engine: EngineKey,
) -> Result<(ArtifactClaim, Signature), HostError> {
    let malformed = |what| HostError::MalformedCatalog { star: star.to_owned(), what };
    let claim = ArtifactClaim {
        component: Digest::from_hex(&entry.digest).ok_or_else(|| malformed("component digest"))?,
        star: star.to_owned(),
        version: entry.version.clone(),
        engine,
        artifact: Digest::from_hex(&artefact.sha256).ok_or_else(|| malformed("artefact digest"))?,
    };
    let signature = Signature::from_hex(&artefact.signature).ok_or_else(|| malformed("signature"))?;
    Ok((claim, signature))
}
