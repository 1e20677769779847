//! From candidates to the live catalog record, and back to an earlier one.

use std::collections::BTreeMap;

use bytes::Bytes;
use totesys_failpoint as failpoint;
use totesys_lake::{ArtefactEntry, Attempt, CatalogRecord, Committed, Lake, Micros, StarEntry, Stored, owners};
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, Signature};

use crate::{Candidate, PublishError, Publisher};

/// A catalog record that could be appended: everything it names is in the lake.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The record.
    pub record: CatalogRecord,
    /// The stars whose component is another than the live one.
    pub changed: Vec<String>,
    /// Whether the live record says the same already.
    pub is_live: bool,
}

/// What a publication came to.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The live record.
    pub record: CatalogRecord,
    /// Whether this publication appended it; otherwise just these components were live already.
    pub appended: bool,
}

impl Publisher<'_> {
    /// Puts these components live together; other stars stay as they are.
    ///
    /// A dimension that several stars write keeps its owner; a new one is owned by the first of `components` that
    /// writes it.
    ///
    /// # Errors
    /// When a component cannot be used, or another publisher was faster.
    pub async fn publish(&self, lake: &Lake, components: &[Vec<u8>], note: &str) -> Result<Publication, PublishError> {
        let candidates: Vec<Candidate> =
            components.iter().map(|component| self.candidate(component.clone())).collect::<Result<_, _>>()?;
        let staged = self.stage(lake, &candidates, note).await?;
        self.commit(lake, staged).await
    }

    /// Compiles, signs and uploads candidates, and says what the catalog would be. Nothing is live before
    /// [`Publisher::commit`].
    ///
    /// # Errors
    /// When a component cannot be compiled or the lake refuses.
    pub async fn stage(&self, lake: &Lake, candidates: &[Candidate], note: &str) -> Result<Staged, PublishError> {
        self.proposal(lake, candidates, note, true).await
    }

    /// What the catalog would be, without uploading anything: its new entries name no artefacts.
    ///
    /// # Errors
    /// When the candidates cannot be live beside the other stars, or the lake cannot be read.
    pub async fn propose(&self, lake: &Lake, candidates: &[Candidate]) -> Result<Staged, PublishError> {
        self.proposal(lake, candidates, "", false).await
    }

    async fn proposal(
        &self,
        lake: &Lake,
        candidates: &[Candidate],
        note: &str,
        upload: bool,
    ) -> Result<Staged, PublishError> {
        let newest = lake.newest_catalog().await?;
        let live = newest.as_ref().map(|record| record.stars.clone()).unwrap_or_default();
        let mut stars = live.clone();
        let mut order = Vec::new();
        for candidate in candidates {
            let star = &candidate.description.star;
            if order.contains(star) {
                return Err(PublishError::StarTwice(star.clone()));
            }
            order.push(star.clone());
            stars.insert(star.clone(), described_entry(candidate, live.get(star)));
        }
        // One star that cannot be read or loaded beside the others would stop them all.
        star_contract::check_together(stars.values().map(|entry| &entry.description))
            .map_err(PublishError::Together)?;
        for candidate in candidates.iter().filter(|_| upload) {
            if let Some(entry) = stars.get_mut(&candidate.description.star) {
                self.upload_missing(lake, candidate, entry).await?;
            }
        }
        let owned = newest.as_ref().map(|record| record.owners.clone()).unwrap_or_default();
        let owners = owners(&stars, &owned, &live, &order);
        proposal(newest.as_ref(), stars, owners, note)
    }

    /// Appends a staged record.
    ///
    /// # Errors
    /// When another publisher was faster.
    pub async fn commit(&self, lake: &Lake, staged: Staged) -> Result<Publication, PublishError> {
        // What was uploaded long ago for a publication that failed may have been collected since.
        for entry in staged.changed.iter().filter_map(|star| staged.record.stars.get(star)) {
            let mut stored = lake.has_component(&entry.digest).await?;
            for artefact in entry.artefacts.values() {
                stored &= lake.has_code(&artefact.key).await?;
            }
            if !stored {
                return Err(PublishError::Collected { digest: entry.digest.clone() });
            }
        }
        commit(lake, staged).await
    }

    /// Goes back to the components of an earlier record, by default to the newest with others than the live one. The
    /// record is appended: the catalog is the release history.
    ///
    /// # Errors
    /// When there is no such record, or a component of it cannot be compiled for this engine.
    pub async fn roll_back(&self, lake: &Lake, to: Option<u64>, note: &str) -> Result<Publication, PublishError> {
        let newest = lake.newest_catalog().await?.ok_or(PublishError::EmptyCatalog)?;
        let target = match to {
            Some(number) => lake.catalog(number).await?.ok_or(PublishError::NoRecord(number))?,
            None => before(lake, &newest).await?,
        };
        let (own, mut stars) = (self.public_key(), BTreeMap::new());
        for (star, entry) in &target.stars {
            // Who goes back vouches for what goes live, as who publishes does.
            stars.insert(star.clone(), self.ready(lake, entry, Some(&own)).await?);
        }
        commit(lake, proposal(Some(&newest), stars, target.owners.clone(), note)?).await
    }

    /// Compiles every live component that is not compiled for the engines of this publisher, as after an update of the
    /// engine. Says whether a record was appended.
    ///
    /// # Errors
    /// When a component cannot be compiled, or another publisher was faster.
    pub async fn make_ready(&self, lake: &Lake, note: &str) -> Result<Publication, PublishError> {
        let newest = lake.newest_catalog().await?.ok_or(PublishError::EmptyCatalog)?;
        let mut stars = BTreeMap::new();
        for (star, entry) in &newest.stars {
            stars.insert(star.clone(), self.ready(lake, entry, None).await?);
        }
        commit(lake, proposal(Some(&newest), stars, newest.owners.clone(), note)?).await
    }

    /// An entry with an artefact for each engine of this publisher, signed by a key if one is demanded; the component
    /// itself is in the lake.
    async fn ready(&self, lake: &Lake, entry: &StarEntry, by: Option<&str>) -> Result<StarEntry, PublishError> {
        let mut entry = entry.clone();
        let star = entry.description.star.clone();
        for (target, metering) in self.engines(&star) {
            let engine = EngineKey::of(target, metering);
            // One that was collected since is made again.
            let stored = match entry.artefacts.get(engine.as_str()) {
                Some(artefact) if by.is_some_and(|key| artefact.public_key != key) => false,
                Some(artefact) => lake.has_code(&artefact.key).await?,
                None => false,
            };
            if !stored {
                self.check_vouched(&entry)?;
                let component = lake.get_component(&entry.digest).await?;
                let digest = Digest::of(&component);
                let version = entry.version.clone();
                let signed = self.signed(&component, digest, (&star, &version), target, metering)?;
                let artefact = self.upload(lake, signed).await?;
                entry.artefacts.insert(engine.as_str().to_owned(), artefact);
            }
        }
        Ok(entry)
    }

    /// Whoever may write to the lake may add a record that names any component. It is signed for only if a trusted
    /// publisher signed for it before, for whatever engine.
    fn check_vouched(&self, entry: &StarEntry) -> Result<(), PublishError> {
        let vouched = |(engine, artefact): (&String, &ArtefactEntry)| {
            let claim = ArtifactClaim {
                component: Digest::from_hex(&entry.digest)?,
                star: entry.description.star.clone(),
                version: entry.version.clone(),
                engine: EngineKey::recorded(engine),
                artifact: Digest::from_hex(&artefact.sha256)?,
            };
            Some(claim.is_signed(&Signature::from_hex(&artefact.signature)?, &self.trusted()))
        };
        if entry.artefacts.iter().any(|artefact| vouched(artefact) == Some(true)) {
            return Ok(());
        }
        Err(PublishError::Unvouched { star: entry.description.star.clone(), digest: entry.digest.clone() })
    }

    /// Compiles, signs and uploads what an entry of a candidate lacks.
    async fn upload_missing(
        &self,
        lake: &Lake,
        candidate: &Candidate,
        entry: &mut StarEntry,
    ) -> Result<(), PublishError> {
        let (digest, own) = (candidate.inspected.digest, self.public_key());
        let Candidate { description, .. } = candidate;
        for (target, metering) in self.engines(&description.star) {
            let engine = EngineKey::of(target, metering);
            if entry.artefacts.get(engine.as_str()).is_some_and(|artefact| artefact.public_key == own) {
                continue;
            }
            lake.put_component(Bytes::copy_from_slice(&candidate.bytes)).await?;
            failpoint::pass("publish:component-stored");
            let of = (description.star.as_str(), description.version.as_str());
            let artefact = self.upload(lake, self.signed(&candidate.bytes, digest, of, target, metering)?).await?;
            entry.artefacts.insert(engine.as_str().to_owned(), artefact);
        }
        Ok(())
    }

    async fn upload(&self, lake: &Lake, signed: crate::prepare::Signed) -> Result<ArtefactEntry, PublishError> {
        let crate::prepare::Signed { claim, code, signature } = signed;
        let (sha256, bytes) = (claim.artifact.to_string(), code.len() as u64);
        let key = lake.put_artefact(&claim.component.to_string(), claim.engine.as_str(), Bytes::from(code)).await?;
        failpoint::pass("publish:artefact-stored");
        Ok(ArtefactEntry { key, sha256, bytes, signature: signature.to_string(), public_key: self.public_key() })
    }
}

/// The catalog's entry of a candidate: the live one if it is the same component.
fn described_entry(candidate: &Candidate, live: Option<&StarEntry>) -> StarEntry {
    let digest = candidate.inspected.digest.to_string();
    match live {
        Some(live) if live.digest == digest && live.description == candidate.description => live.clone(),
        _ => StarEntry {
            digest,
            contract_version: candidate.inspected.contract.clone(),
            version: candidate.description.version.clone(),
            description: candidate.description.clone(),
            artefacts: BTreeMap::new(),
        },
    }
}

/// The newest record before the live one that has other components.
async fn before(lake: &Lake, live: &Stored<CatalogRecord>) -> Result<Stored<CatalogRecord>, PublishError> {
    let digests = |record: &CatalogRecord| -> BTreeMap<String, String> {
        record.stars.iter().map(|(star, entry)| (star.clone(), entry.digest.clone())).collect()
    };
    for number in (1..live.number).rev() {
        let record = lake.catalog(number).await?.ok_or(PublishError::NoRecord(number))?;
        if digests(&record) != digests(live) {
            return Ok(record);
        }
    }
    Err(PublishError::NothingBefore(live.number))
}

/// The record that would follow the newest one.
fn proposal(
    newest: Option<&Stored<CatalogRecord>>,
    stars: BTreeMap<String, StarEntry>,
    owners: BTreeMap<String, String>,
    note: &str,
) -> Result<Staged, PublishError> {
    let live = newest.map(|record| &record.stars);
    let is_new = |(star, entry): &(&String, &StarEntry)| {
        live.and_then(|live| live.get(*star)).is_none_or(|live| live.digest != entry.digest)
    };
    let changed = stars.iter().filter(is_new).map(|(star, _)| star.clone()).collect();
    if let Some(live) = newest
        && live.stars == stars
        && live.owners == owners
    {
        return Ok(Staged { record: live.clone().into_record(), changed, is_live: true });
    }
    // Which generation counts is no matter of which component is live.
    let record = match newest {
        Some(live) => CatalogRecord { stars, owners, ..live.next(note)? },
        None => CatalogRecord {
            number: 1,
            attempt: Attempt::random()?,
            previous: None,
            published_at: Micros::now(),
            note: note.to_owned(),
            stars,
            owners,
            generations: BTreeMap::new(),
        },
    };
    Ok(Staged { record, changed, is_live: false })
}

async fn commit(lake: &Lake, staged: Staged) -> Result<Publication, PublishError> {
    let Staged { record, is_live, .. } = staged;
    if is_live {
        return Ok(Publication { record, appended: false });
    }
    match lake.commit_catalog(&record).await? {
        Committed::Ours => {
            failpoint::pass("publish:cataloged");
            tracing::info!(record = record.number, stars = record.stars.len(), "components published");
            Ok(Publication { record, appended: true })
        }
        Committed::Theirs(theirs) => Err(PublishError::Overtaken(theirs.number)),
    }
}
