//! Proofs across crates, each through the real thing.

mod changes;
mod codec;
mod connection;
mod deletes;
mod faults;
mod invariants;
mod lake;
mod pipeline;
mod quarantine;
mod recovery;
mod refusals;
mod sandbox;
mod simulate;
mod snapshot;
mod source;
mod stars;
mod warehouse;
