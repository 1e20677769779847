//! The sandbox: a star's component, its limits, and nothing else.
//!
//! Only this crate knows wasmtime. It has no compiler: components arrive compiled and signed, and
//! [`VerifiedArtifact`] is the only way in.

mod artifact;
mod bindings;
mod clock;
mod deserialize;
mod digest;
mod engine;
mod engine_key;
mod error;
mod ipc;
mod limits;
mod state;
mod transformer;

pub use artifact::{ArtifactClaim, PublicKey, PublisherKey, Signature, VerifiedArtifact};
pub use clock::{Clock, SystemClock};
pub use digest::Digest;
pub use engine::{Loaded, Sandbox, engine_config};
pub use engine_key::{EngineKey, Metering, Target};
pub use error::{Context, LimitName, SandboxError};
pub use ipc::read_output;
pub use limits::{LimitOverrides, Limits, StarLimits};
pub use transformer::{Produced, Transformer, Usage};
