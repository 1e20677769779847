//! What changed in the source database, read under one snapshot, as Arrow record batches.
//!
//! `last_updated` cannot be trusted, so changes are found by the transaction that wrote a row: a batch
//! remembers its [`Baseline`], and the next one reads the rows whose transaction could have been
//! invisible to it ([`ReadMode::Since`]).

mod baseline;
mod catalog;
mod columns;
mod drift;
mod error;
mod keys;
mod mode;
mod read;
mod session;
mod size;
mod snapshot;
mod survey;

pub use baseline::{Baseline, TableShape};
pub use drift::{Drift, drift};
pub use error::SourceError;
pub use keys::{KeySums, KeyTally};
pub use mode::{ReadMode, decide};
pub use read::{PageRange, Portion, PortionRead};
pub use size::TableSize;
pub use snapshot::{SnapshotOrder, SourceOptions, SourceSnapshot, TableRequest};
pub use survey::{Count, Survey};
