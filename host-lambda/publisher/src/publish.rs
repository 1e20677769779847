//! From component files to the live catalog record.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use star_contract::{CONTRACT_VERSION, Description, Role};
use totesys_failpoint as failpoint;
use totesys_lake::{ArtefactEntry, Attempt, CatalogRecord, Committed, Lake, LakeError, Micros, StarEntry};
use totesys_sandbox::{
    ArtifactClaim, Digest, EngineKey, Limits, PublisherKey, Sandbox, SandboxError, VerifiedArtifact,
};

use crate::{CompileError, compile};

/// A publication that did not come about; what was live stays live.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A component cannot be compiled.
    #[error("component {digest}")]
    Compile {
        /// Its digest.
        digest: Digest,
        /// Why.
        #[source]
        source: CompileError,
    },
    /// A component cannot be used.
    #[error(transparent)]
    Component(#[from] SandboxError),
    /// Two of the components are for one star.
    #[error("two components are for the star `{0}`")]
    StarTwice(String),
    /// The lake refused.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Another publisher was faster.
    #[error("another publisher put catalog record {0} live meanwhile")]
    Overtaken(u64),
    /// The folder of compiled components cannot be used.
    #[error("the folder of compiled components cannot be used: `{}`", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl PublishError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Compile { .. } => {
                Some("a core module has to be made a component first: `cargo xtask build` does both".into())
            }
            Self::Component(error) => error.hint(),
            Self::StarTwice(_) => Some("publish one component per star".into()),
            Self::Lake(error) => error.hint(),
            Self::Overtaken(_) => Some("look at what is live now, then publish again".into()),
            Self::Cache { .. } => Some("is it writable, and is there room?".into()),
        }
    }
}

/// What a publication came to.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The live record.
    pub record: CatalogRecord,
    /// Whether this publication appended it; otherwise just these components were live already.
    pub appended: bool,
}

/// Signs and publishes components.
pub struct Publisher<'a> {
    key: &'a PublisherKey,
    /// Compiled components are kept here by digest.
    cache: PathBuf,
}

impl<'a> Publisher<'a> {
    /// A publisher that keeps compiled components in `cache`.
    #[must_use]
    pub fn new(key: &'a PublisherKey, cache: &Path) -> Self {
        Self { key, cache: cache.to_owned() }
    }

    /// Puts these components live together, in the place of everything that was.
    ///
    /// A dimension that several of them write is owned by the first of those in `components`.
    ///
    /// # Errors
    /// When a component cannot be used, or another publisher was faster.
    pub async fn publish(&self, lake: &Lake, components: &[Vec<u8>], note: &str) -> Result<Publication, PublishError> {
        let newest = lake.newest_catalog().await?;
        let mut stars = BTreeMap::new();
        let mut owners = Owners::default();
        for component in components {
            let known = newest.as_ref().map(|record| &record.stars);
            let entry = self.entry(lake, component, known).await?;
            owners.add(&entry.description);
            if let Some(twice) = stars.insert(entry.description.star.clone(), entry) {
                return Err(PublishError::StarTwice(twice.description.star));
            }
        }
        let owners = owners.shared();
        if let Some(live) = &newest
            && live.stars == stars
            && live.owners == owners
        {
            return Ok(Publication { record: live.clone().into_record(), appended: false });
        }
        let record = CatalogRecord {
            number: newest.as_ref().map_or(1, |record| record.number + 1),
            attempt: Attempt::random()?,
            previous: newest.as_ref().map(|record| record.sha256().to_owned()),
            published_at: Micros::now(),
            note: note.to_owned(),
            stars,
            owners,
        };
        match lake.commit_catalog(&record).await? {
            Committed::Ours => {
                failpoint::pass("publish:cataloged");
                tracing::info!(record = record.number, stars = record.stars.len(), "components published");
                Ok(Publication { record, appended: true })
            }
            Committed::Theirs(theirs) => Err(PublishError::Overtaken(theirs.number)),
        }
    }

    /// The catalog's entry of a component: the live one if it serves, otherwise compiled, signed and uploaded.
    async fn entry(
        &self,
        lake: &Lake,
        component: &[u8],
        live: Option<&BTreeMap<String, StarEntry>>,
    ) -> Result<StarEntry, PublishError> {
        let digest = Digest::of(component);
        let engine = EngineKey::current();
        let public_key = self.key.public().to_string();
        let serves = |entry: &&StarEntry| {
            let artefact = entry.artefacts.get(engine.as_str());
            entry.digest == digest.to_string() && artefact.is_some_and(|artefact| artefact.public_key == public_key)
        };
        if let Some(entry) = live.into_iter().flat_map(BTreeMap::values).find(serves) {
            return Ok(entry.clone());
        }
        let code = self.compiled(component, digest, &engine)?;
        let description = self.describe(digest, &engine, &code)?;
        let claim = claim(digest, &description, &engine, &code);
        let signature = self.key.sign(&claim).to_string();
        let (sha256, bytes) = (claim.artifact.to_string(), code.len() as u64);
        lake.put_component(Bytes::copy_from_slice(component)).await?;
        failpoint::pass("publish:component-stored");
        let key = lake.put_artefact(&digest.to_string(), engine.as_str(), Bytes::from(code)).await?;
        failpoint::pass("publish:artefact-stored");
        let artefact = ArtefactEntry { key, sha256, bytes, signature, public_key };
        Ok(StarEntry {
            digest: digest.to_string(),
            contract_version: CONTRACT_VERSION.to_owned(),
            version: description.version.clone(),
            description,
            artefacts: BTreeMap::from([(engine.as_str().to_owned(), artefact)]),
        })
    }

    /// The compiled component, from the cache if it is there.
    fn compiled(&self, component: &[u8], digest: Digest, engine: &EngineKey) -> Result<Vec<u8>, PublishError> {
        let path = self.cache.join(digest.to_string()).join(format!("{engine}.cwasm"));
        let failed = |source| PublishError::Cache { path: path.clone(), source };
        match fs::read(&path) {
            Ok(kept) => {
                if let Some(code) = unsealed(kept) {
                    return Ok(code);
                }
                tracing::warn!("a kept compiled component is damaged and is compiled again");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let started = std::time::Instant::now();
        let code = compile(component).map_err(|source| PublishError::Compile { digest, source })?.bytes;
        tracing::info!(bytes = code.len(), seconds = started.elapsed().as_secs_f32(), "component compiled");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        // Written beside and renamed, so that nobody reads half of it.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&fresh, sealed(&code)).map_err(failed)?;
        fs::rename(&fresh, &path).map_err(failed)?;
        Ok(code)
    }

    /// Asks the component itself, in the sandbox it will run in.
    fn describe(&self, digest: Digest, engine: &EngineKey, code: &[u8]) -> Result<Description, PublishError> {
        // Its star is not known yet, so it is first loaded under none.
        let claim = ArtifactClaim {
            component: digest,
            star: String::new(),
            version: String::new(),
            engine: engine.clone(),
            artifact: Digest::of(code),
        };
        let signature = self.key.sign(&claim);
        let artifact = VerifiedArtifact::verify(claim, code.to_vec(), &signature, &[self.key.public()])?;
        Ok(Sandbox::new(Limits::default())?.load(&artifact)?.describe()?)
    }
}

/// Code as it is kept: its digest goes before it.
fn sealed(code: &[u8]) -> Vec<u8> {
    [Digest::of(code).to_string().as_bytes(), code].concat()
}

/// The code, if it is still what was kept.
fn unsealed(mut kept: Vec<u8>) -> Option<Vec<u8>> {
    let code = if kept.len() < 64 { return None } else { kept.split_off(64) };
    (Digest::of(&code).to_string().as_bytes() == kept).then_some(code)
}

fn claim(component: Digest, description: &Description, engine: &EngineKey, code: &[u8]) -> ArtifactClaim {
    ArtifactClaim {
        component,
        star: description.star.clone(),
        version: description.version.clone(),
        engine: engine.clone(),
        artifact: Digest::of(code),
    }
}

/// Who writes which dimension.
#[derive(Default)]
struct Owners(BTreeMap<String, Vec<String>>);

impl Owners {
    fn add(&mut self, description: &Description) {
        for output in description.outputs.iter().filter(|output| output.role == Role::Dimension) {
            self.0.entry(output.table.clone()).or_default().push(description.star.clone());
        }
    }

    /// The first writer of each dimension that has several.
    fn shared(self) -> BTreeMap<String, String> {
        let several = self.0.into_iter().filter(|(_, stars)| stars.len() > 1);
        several.filter_map(|(table, stars)| Some((table, stars.into_iter().next()?))).collect()
    }
}
