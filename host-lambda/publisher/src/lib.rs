//! Putting components live: compile, sign, upload, and one catalog record for all of them.
//!
//! A crate of its own, so that the host's binary holds no compiler.

mod compile;
mod publish;

pub use compile::{Artifact, CompileError, compile};
pub use publish::{Publication, PublishError, Publisher};
