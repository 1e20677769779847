//! The one `unsafe` of the project.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::VerifiedArtifact;

/// Turns a verified artefact into a component.
#[allow(unsafe_code, reason = "wasmtime trusts the bytes of an artefact; `VerifiedArtifact` is why it may")]
pub(crate) fn deserialize(engine: &Engine, artifact: &VerifiedArtifact) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are what a trusted publisher compiled with wasmtime and signed, unchanged:
    // `VerifiedArtifact` cannot be made otherwise. wasmtime itself checks version and configuration.
    unsafe { Component::deserialize(engine, artifact.bytes()) }
}
