//! The engines, and the components they hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use star_contract::Description;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, Store};

use crate::bindings::{self, Star, StarPre};
use crate::clock::{self, Clock, SystemClock, TICK};
use crate::deserialize::deserialize;
use crate::engine_key::{EngineKey, Metering, STACK_BYTES};
use crate::error::SandboxError;
use crate::state::State;
use crate::transformer::{Call, Transformer};
use crate::{ArtifactClaim, Context, Digest, Limits, StarLimits, VerifiedArtifact};

/// The most components that are kept ready: more were published since the process began than are live.
const KEPT: usize = 32;

/// The configuration artefacts are compiled with and run under; both sides call this.
#[must_use]
pub fn engine_config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(metering != Metering::Nothing)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(STACK_BYTES)
        .wasm_relaxed_simd(false);
    config
}

/// An engine, and what its components may import.
struct Runner {
    engine: Engine,
    linker: Linker<State>,
}

impl Runner {
    fn new(metering: Metering) -> wasmtime::Result<Self> {
        let engine = Engine::new(&engine_config(metering))?;
        let mut linker = Linker::new(&engine);
        bindings::add_to_linker(&mut linker)?;
        Ok(Self { engine, linker })
    }
}

/// The engines of a process, one for each way of metering, with the components it has loaded.
pub struct Sandbox {
    runners: Vec<(EngineKey, Metering, Runner)>,
    limits: StarLimits,
    loaded: Mutex<HashMap<ArtifactClaim, Arc<Loaded>>>,
}

impl Sandbox {
    /// Starts the engines and their clock.
    ///
    /// # Errors
    /// When an engine cannot start here.
    pub fn new(limits: impl Into<StarLimits>) -> Result<Self, SandboxError> {
        Self::with_clock(limits, SystemClock)
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// As for [`Sandbox::new`].
    pub fn with_clock(limits: impl Into<StarLimits>, clock: impl Clock) -> Result<Self, SandboxError> {
        let runner = |metering| Ok((EngineKey::here(metering), metering, Runner::new(metering)?));
        let runners: Vec<_> =
            Metering::ALL.into_iter().map(runner).collect::<wasmtime::Result<_>>().map_err(SandboxError::Engine)?;
        clock::start(clock, runners.iter().map(|(.., runner)| runner.engine.weak()).collect())?;
        Ok(Self { runners, limits: limits.into(), loaded: Mutex::default() })
    }

    /// The limits of a star here.
    #[must_use]
    pub fn limits(&self, star: &str) -> Limits {
        self.limits.of(star)
    }

    /// What a star's artefact must be compiled for to run here: fuel is counted only where it is limited.
    #[must_use]
    pub fn engine_for(&self, star: &str) -> EngineKey {
        EngineKey::here(Metering::of(&self.limits.of(star)))
    }

    /// The component of a claim that was verified and loaded before.
    #[must_use]
    pub fn loaded(&self, claim: &ArtifactClaim) -> Option<Arc<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(claim).cloned()
    }

    /// The component of an artefact, ready to be instantiated; kept for [`Sandbox::loaded`].
    ///
    /// # Errors
    /// When the artefact is for another engine, or does not fit a contract that is served.
    pub fn load(&self, artifact: &VerifiedArtifact) -> Result<Arc<Loaded>, SandboxError> {
        let claim = artifact.claim();
        let runner = self.runners.iter().find(|(key, ..)| *key == claim.engine);
        let Some((_, metering, runner)) = runner else {
            return Err(SandboxError::OtherEngine {
                star: claim.star.clone(),
                expected: self.engine_for(&claim.star).to_string(),
                found: claim.engine.to_string(),
            });
        };
        let contract = |source| SandboxError::Contract { star: claim.star.clone(), source };
        let component = deserialize(&runner.engine, artifact).map_err(contract)?;
        let version = bindings::contract_version(&component, &runner.engine);
        let unserved = || SandboxError::OtherContract { star: claim.star.clone(), found: version.clone() };
        // What an unserved version imports says less than its number.
        if !version.as_deref().is_some_and(|version| star_contract::SERVED_VERSIONS.contains(&version)) {
            return Err(unserved());
        }
        let instance = runner.linker.instantiate_pre(&component).map_err(contract)?;
        let pre = StarPre::new(version.as_deref().unwrap_or_default(), instance).ok_or_else(unserved)?;
        let fresh = Arc::new(Loaded {
            star: claim.star.clone(),
            component: claim.component,
            contract: version.unwrap_or_default(),
            limits: self.limits.of(&claim.star),
            metering: *metering,
            engine: runner.engine.clone(),
            pre: pre.map_err(contract)?,
        });
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.len() >= KEPT {
            loaded.clear();
        }
        loaded.insert(claim.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// A component that is ready to run.
pub struct Loaded {
    star: String,
    component: Digest,
    contract: String,
    limits: Limits,
    metering: Metering,
    engine: Engine,
    pre: StarPre,
}

impl Loaded {
    /// The star it was published for.
    #[must_use]
    pub fn star(&self) -> &str {
        &self.star
    }

    /// The portable component's digest.
    #[must_use]
    pub fn component(&self) -> Digest {
        self.component
    }

    /// The version of the contract it was built against.
    #[must_use]
    pub fn contract(&self) -> &str {
        &self.contract
    }

    /// What it may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks the component what it is, and checks the answer.
    ///
    /// # Errors
    /// When it fails, or describes something that cannot be used.
    pub fn describe(&self) -> Result<Description, SandboxError> {
        let (mut call, star) = self.instantiate(None, "describe")?;
        let description = call.run("describe", |store| star.describe(store))?;
        let context = Box::new(self.context(None, "describe"));
        star_contract::check(&description)
            .map_err(|source| SandboxError::Description { context: context.clone(), source })?;
        // A publisher asks before it knows the star.
        if !self.star.is_empty() && description.star != self.star {
            return Err(SandboxError::Malformed {
                context,
                problem: "it describes another star than it was published for",
            });
        }
        Ok(description)
    }

    /// Starts one batch with a store of its own.
    ///
    /// # Errors
    /// When the component cannot be instantiated within its limits.
    pub fn begin(&self, batch: u64, description: Arc<Description>) -> Result<Transformer, SandboxError> {
        let (call, star) = self.instantiate(Some(batch), "constructor")?;
        Transformer::new(call, star, self.metering, description)
    }

    fn instantiate(&self, batch: Option<u64>, what: &str) -> Result<(Call, Star), SandboxError> {
        let mut store = Store::new(&self.engine, State::new(self.limits.clone()));
        store.limiter(|state| state);
        store.set_hostcall_fuel(self.limits.lifted_bytes);
        if self.metering == Metering::Fuel {
            store.set_fuel(fuel(&self.limits)).map_err(SandboxError::Engine)?;
        }
        let mut call = Call { store, context: self.context(batch, what), took: Duration::ZERO };
        let star = call.run(what, |store| self.pre.instantiate(store))?;
        Ok((call, star))
    }

    fn context(&self, batch: Option<u64>, call: &str) -> Context {
        Context { star: self.star.clone(), component: self.component, batch, call: call.to_owned() }
    }
}

/// The fuel of a batch; where none is set it is only counted.
pub(crate) fn fuel(limits: &Limits) -> u64 {
    if limits.fuel == 0 { u64::MAX } else { limits.fuel }
}

/// The epoch ticks a call may take.
pub(crate) fn ticks(limits: &Limits) -> u64 {
    limits.call_milliseconds.div_ceil(TICK.as_millis() as u64).max(1)
}
