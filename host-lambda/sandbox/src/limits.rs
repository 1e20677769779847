//! What a component may use.

use serde::{Deserialize, Serialize};

/// The limits of one component. Exceeding one is a typed error that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of one transformer, in bytes. Default 512 MiB.
    pub memory_bytes: usize,
    /// Table elements of one transformer. Default 20,000.
    pub table_elements: usize,
    /// Wall time of one call, in milliseconds. Default 30,000.
    pub call_milliseconds: u64,
    /// Bytes lifted out of the component in one call. Default 128 MiB.
    pub lifted_bytes: usize,
    /// Bytes of log messages in one batch; what comes after is dropped and counted. Default 64 KiB.
    pub log_bytes: usize,
    /// Output rows of a batch, as a multiple of its input rows. Default 16.
    pub output_rows_factor: u64,
    /// Output rows a batch may have whatever its input. Default 1,048,576.
    pub output_rows_floor: u64,
    /// Output bytes of a batch, as a multiple of its input bytes. Default 16.
    pub output_bytes_factor: u64,
    /// Output bytes a batch may have whatever its input. Default 64 MiB.
    pub output_bytes_floor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            table_elements: 20_000,
            call_milliseconds: 30_000,
            lifted_bytes: 128 << 20,
            log_bytes: 64 << 10,
            output_rows_factor: 16,
            output_rows_floor: 1 << 20,
            output_bytes_factor: 16,
            output_bytes_floor: 64 << 20,
        }
    }
}
