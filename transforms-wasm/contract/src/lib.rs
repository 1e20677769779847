//! The contract between the host and a star's transform, as plain Rust values.
//!
//! `wit/star.wit` is the contract itself; these types are its image on both sides, so that the
//! author kit and the host speak of the same things without either knowing the other's bindings.

mod check;
mod describe;
mod outcome;
mod types;

pub use check::{DescriptionError, check};
pub use describe::{Column, Delivery, Description, Extras, Input, Output, Reference, Role};
pub use outcome::{Outcome, OutputBatch, RefusedRow};
pub use types::ColumnType;

/// The WIT package version these types are the image of.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// The most rows one push may carry.
pub const MAX_PUSH_ROWS: usize = 64 * 1024;

/// The most bytes one pushed Arrow IPC stream may have.
pub const MAX_PUSH_BYTES: usize = 8 * 1024 * 1024;
