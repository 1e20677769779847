//! From component files to candidates: inspected, compiled and signed; nothing is live yet.

use std::path::Path;
use std::sync::Arc;

use star_contract::Description;
use totesys_sandbox::{
    ArtifactClaim, Digest, EngineKey, Loaded, Metering, PublicKey, PublisherKey, Sandbox, Signature, StarLimits,
    Target, VerifiedArtifact,
};

use crate::cache::Cache;
use crate::{CompileError, Inspected, PublishError, compile_for, inspect};

/// Signs and publishes components.
pub struct Publisher<'a> {
    key: &'a PublisherKey,
    /// Compiled components are kept here by digest.
    cache: Cache,
    targets: Vec<Target>,
    limits: StarLimits,
    trusted: Vec<PublicKey>,
}

/// A component that could go live.
pub struct Candidate {
    /// What it shows from outside.
    pub inspected: Inspected,
    /// What it says about itself.
    pub description: Description,
    pub(crate) bytes: Vec<u8>,
}

/// Compiled code with its publisher's word for it.
pub(crate) struct Signed {
    pub(crate) claim: ArtifactClaim,
    pub(crate) code: Vec<u8>,
    pub(crate) signature: Signature,
}

impl<'a> Publisher<'a> {
    /// A publisher for this machine that keeps compiled components in `cache`.
    #[must_use]
    pub fn new(key: &'a PublisherKey, cache: &Path) -> Self {
        let (cache, limits) = (Cache::new(cache), StarLimits::default());
        Self { key, cache, targets: vec![Target::here()], limits, trusted: Vec::new() }
    }

    /// The same for machines of these targets.
    #[must_use]
    pub fn with_targets(self, targets: &[Target]) -> Self {
        Self { targets: targets.to_vec(), ..self }
    }

    /// The same for hosts with these limits: a star with limited fuel needs code that counts it.
    #[must_use]
    pub fn with_limits(self, limits: StarLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same, taking what these publishers signed for as well as what it signed itself.
    #[must_use]
    pub fn with_trusted(self, trusted: Vec<PublicKey>) -> Self {
        Self { trusted, ..self }
    }

    /// Whose signatures count.
    pub(crate) fn trusted(&self) -> Vec<PublicKey> {
        self.trusted.iter().cloned().chain([self.key.public()]).collect()
    }

    /// The key's public half, in hexadecimal.
    pub(crate) fn public_key(&self) -> String {
        self.key.public().to_string()
    }

    /// What a star has to be compiled for.
    pub(crate) fn engines(&self, star: &str) -> Vec<(Target, Metering)> {
        let metering = Metering::of(&self.limits.of(star));
        self.targets.iter().map(|target| (*target, metering)).collect()
    }

    /// Looks at a component from outside, then asks it what it is.
    ///
    /// # Errors
    /// When it is no component of a star, cannot be compiled, or describes something that cannot be used.
    pub fn candidate(&self, component: Vec<u8>) -> Result<Candidate, PublishError> {
        let inspected = inspect(&component)?;
        // Its star is not known yet, so it is first loaded under none.
        let signed = self.signed(&component, inspected.digest, ("", ""), Target::here(), Metering::Epochs)?;
        let artifact = self.verified(signed)?;
        let description = Sandbox::new(self.limits.clone())?.load(&artifact)?.describe()?;
        Ok(Candidate { inspected, description, bytes: component })
    }

    /// A candidate in a sandbox of the caller's, as it would run if it were live.
    ///
    /// # Errors
    /// When it cannot be compiled or loaded.
    pub fn load(
        &self,
        candidate: &Candidate,
        sandbox: &Sandbox,
        metering: Metering,
    ) -> Result<Arc<Loaded>, PublishError> {
        let of = (candidate.description.star.as_str(), candidate.description.version.as_str());
        let signed = self.signed(&candidate.bytes, candidate.inspected.digest, of, Target::here(), metering)?;
        Ok(sandbox.load(&self.verified(signed)?)?)
    }

    fn verified(&self, signed: Signed) -> Result<VerifiedArtifact, PublishError> {
        let Signed { claim, code, signature } = signed;
        Ok(VerifiedArtifact::verify(claim, code, &signature, &[self.key.public()])?)
    }

    /// Compiles a component, or finds it compiled, and signs for it.
    pub(crate) fn signed(
        &self,
        component: &[u8],
        digest: Digest,
        (star, version): (&str, &str),
        target: Target,
        metering: Metering,
    ) -> Result<Signed, PublishError> {
        let engine = EngineKey::of(target, metering);
        let code = match self.cache.find(digest, &engine)? {
            Some(code) => code,
            None => {
                let started = std::time::Instant::now();
                let code = compile_for(component, target, metering)
                    .map_err(|source: CompileError| PublishError::Compile { digest, source })?
                    .bytes;
                tracing::info!(bytes = code.len(), seconds = started.elapsed().as_secs_f32(), "component compiled");
                self.cache.keep(digest, &engine, &code)?;
                code
            }
        };
        let claim = ArtifactClaim {
            component: digest,
            star: star.to_owned(),
            version: version.to_owned(),
            engine,
            artifact: Digest::of(&code),
        };
        let signature = self.key.sign(&claim);
        Ok(Signed { claim, code, signature })
    }
}
