//! Compiling components ahead of time.

use totesys_sandbox::{EngineKey, Metering, Target, engine_config};
use wasmtime::Engine;

/// A compiled component.
pub struct Artifact {
    /// What it was compiled for.
    pub engine: EngineKey,
    /// The code.
    pub bytes: Vec<u8>,
}

/// A component that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("the component cannot be compiled")]
pub struct CompileError(#[source] wasmtime::Error);

/// Compiles a component for this machine as production runs it.
///
/// # Errors
/// As for [`compile_for`].
pub fn compile(component: &[u8]) -> Result<Artifact, CompileError> {
    compile_for(component, Target::here(), Metering::Epochs)
}

/// Compiles a component for a target and a way of metering.
///
/// # Errors
/// When the bytes are no component, or use what the engine does not allow.
pub fn compile_for(component: &[u8], target: Target, metering: Metering) -> Result<Artifact, CompileError> {
    let mut config = engine_config(metering);
    // A named target has its architecture's baseline only: nothing of the build machine's CPU gets in.
    config.target(target.triple()).map_err(CompileError)?;
    let engine = Engine::new(&config).map_err(CompileError)?;
    let bytes = engine.precompile_component(component).map_err(CompileError)?;
    Ok(Artifact { engine: EngineKey::of(target, metering), bytes })
}
