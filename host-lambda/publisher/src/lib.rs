//! Putting components live: inspect, compile, sign, upload, and one catalog record for all of them; and taking them
//! back.
//!
//! A crate of its own, so that the host's binary holds no compiler.

mod cache;
mod changes;
mod compile;
mod error;
mod gc;
mod history;
mod inspect;
mod prepare;
mod publish;

pub use changes::{Change, Effect, Side, changes};
pub use compile::{Artifact, CompileError, compile, compile_for};
pub use error::PublishError;
pub use gc::{Garbage, garbage};
pub use history::{Release, StarRelease, releases};
pub use inspect::{InspectError, Inspected, inspect};
pub use prepare::{Candidate, Publisher};
pub use publish::{Publication, Staged};
