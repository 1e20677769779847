//! Compiling components ahead of time.

use totesys_sandbox::{EngineKey, TARGET, engine_config};
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

/// Compiles a component for the target artefacts are made for.
///
/// # Errors
/// When the bytes are no component, or use what the engine does not allow.
pub fn compile(component: &[u8]) -> Result<Artifact, CompileError> {
    let mut config = engine_config();
    // A named target has its architecture's baseline only: nothing of the build machine's CPU gets in.
    config.target(TARGET).map_err(CompileError)?;
    let engine = Engine::new(&config).map_err(CompileError)?;
    let bytes = engine.precompile_component(component).map_err(CompileError)?;
    Ok(Artifact { engine: EngineKey::current(), bytes })
}
