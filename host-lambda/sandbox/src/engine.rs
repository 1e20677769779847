//! The engine, and the components it holds.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use star_contract::Description;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, Store};

use crate::bindings::{Star, StarPre};
use crate::deserialize::deserialize;
use crate::error::SandboxError;
use crate::state::State;
use crate::transformer::{Call, Transformer};
use crate::{ArtifactClaim, Context, Digest, Limits, VerifiedArtifact};

/// The wasmtime that artefacts are compiled with and run by.
const WASMTIME: &str = "48.0.8";

/// The call stack of a component.
const STACK_BYTES: usize = 1 << 20;

/// How often the epoch advances: the grain of the wall time limit.
const TICK: Duration = Duration::from_millis(10);

/// The configuration artefacts are compiled with and run under; both sides call this.
#[must_use]
pub fn engine_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK_BYTES).wasm_relaxed_simd(false);
    config
}

/// The target artefacts are compiled for: the architecture's baseline, never the build machine's own CPU.
pub const TARGET: &str = match std::env::consts::ARCH.as_bytes() {
    b"aarch64" => "aarch64-unknown-linux-gnu",
    _ => "x86_64-unknown-linux-gnu",
};

/// What an artefact is compiled for: wasmtime's version, the target, its baseline CPU and our configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EngineKey(String);

impl EngineKey {
    /// This build's key.
    #[must_use]
    pub fn current() -> Self {
        let configuration = Digest::of(format!("epochs stack={STACK_BYTES} relaxed-simd=off").as_bytes()).to_string();
        Self(format!("wasmtime-{WASMTIME}-{TARGET}-baseline-{}", &configuration[..8]))
    }

    /// A key read from a catalog record; [`Sandbox::load`] compares it with this engine's.
    #[must_use]
    pub fn recorded(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key as text: plain letters, digits, `.`, `_` and `-`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EngineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One engine per process, with the components it has loaded.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    limits: Limits,
    loaded: Mutex<HashMap<ArtifactClaim, Arc<Loaded>>>,
}

impl Sandbox {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    /// When the engine cannot start here.
    pub fn new(limits: Limits) -> Result<Self, SandboxError> {
        let engine = Engine::new(&engine_config()).map_err(SandboxError::Engine)?;
        let mut linker = Linker::new(&engine);
        Star::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(SandboxError::Engine)?;
        start_clock(&engine)?;
        Ok(Self { engine, linker, limits, loaded: Mutex::default() })
    }

    /// The component of a claim that was verified and loaded before.
    #[must_use]
    pub fn loaded(&self, claim: &ArtifactClaim) -> Option<Arc<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(claim).cloned()
    }

    /// The component of an artefact, ready to be instantiated; kept for [`Sandbox::loaded`].
    ///
    /// # Errors
    /// When the artefact is for another engine, or does not fit the contract.
    pub fn load(&self, artifact: &VerifiedArtifact) -> Result<Arc<Loaded>, SandboxError> {
        let claim = artifact.claim();
        let current = EngineKey::current();
        if claim.engine != current {
            return Err(SandboxError::OtherEngine {
                star: claim.star.clone(),
                expected: current.0,
                found: claim.engine.0.clone(),
            });
        }
        let contract = |source| SandboxError::Contract { star: claim.star.clone(), source };
        let component = deserialize(&self.engine, artifact).map_err(contract)?;
        let instance = self.linker.instantiate_pre(&component).map_err(contract)?;
        let fresh = Arc::new(Loaded {
            star: claim.star.clone(),
            component: claim.component,
            limits: self.limits.clone(),
            engine: self.engine.clone(),
            pre: StarPre::new(instance).map_err(contract)?,
        });
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(claim.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// Advances the epoch while the engine lives. A process that was frozen sees one tick on waking, not a burst.
fn start_clock(engine: &Engine) -> Result<(), SandboxError> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    let clock = std::thread::Builder::new().name("epoch-clock".into()).spawn(tick);
    clock.map(drop).map_err(|error| SandboxError::Engine(error.into()))
}

/// A component that is ready to run.
pub struct Loaded {
    star: String,
    component: Digest,
    limits: Limits,
    engine: Engine,
    pre: StarPre<State>,
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

    /// Asks the component what it is, and checks the answer.
    ///
    /// # Errors
    /// When it fails, or describes something that cannot be used.
    pub fn describe(&self) -> Result<Description, SandboxError> {
        let (mut call, star) = self.instantiate(None, "describe")?;
        let found = call.run("describe", |store| star.totesys_star_transform().call_describe(store))?;
        let description = crate::bindings::description(found);
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
        Transformer::new(call, star, description)
    }

    fn instantiate(&self, batch: Option<u64>, what: &str) -> Result<(Call, Star), SandboxError> {
        let mut store = Store::new(&self.engine, State::new(self.limits.clone()));
        store.limiter(|state| state);
        store.set_hostcall_fuel(self.limits.lifted_bytes);
        let mut call = Call { store, context: self.context(batch, what) };
        let star = call.run(what, |store| self.pre.instantiate(store))?;
        Ok((call, star))
    }

    fn context(&self, batch: Option<u64>, call: &str) -> Context {
        Context { star: self.star.clone(), component: self.component, batch, call: call.to_owned() }
    }
}

/// The epoch ticks a call may take.
pub(crate) fn ticks(limits: &Limits) -> u64 {
    limits.call_milliseconds.div_ceil(TICK.as_millis() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(
            lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"")),
            "set WASMTIME to Cargo.lock's"
        );
    }

    #[test]
    fn the_key_is_plain_text() {
        let key = EngineKey::current();
        assert!(key.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    }
}
