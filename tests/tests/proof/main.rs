//! Proofs across crates, each through the real thing.

mod access;
mod changes;
mod codec;
mod connection;
mod deletes;
mod drift;
mod faults;
mod fuzz_corpus;
mod hostile_names;
mod invariants;
mod lake;
mod pipeline;
mod quarantine;
mod questions;
mod recovery;
mod refusals;
mod sandbox;
mod secrets;
mod simulate;
mod snapshot;
mod soak;
mod source;
mod stars;
mod supply;
mod warehouse;
