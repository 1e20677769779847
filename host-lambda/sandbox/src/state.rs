//! What a store knows: the limits, what was refused because of them, and what was used.

use wasmtime::ResourceLimiter;

use crate::error::LimitName;
use crate::limits::Limits;

/// The host's half of one transformer.
pub(crate) struct State {
    limits: Limits,
    log_left: usize,
    log_dropped: u64,
    /// The first growth that was refused, and what was asked for: a trap that follows is its doing.
    denied: Option<(LimitName, u64)>,
    /// The largest linear memory granted.
    memory_bytes: usize,
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { log_left: limits.log_bytes, limits, log_dropped: 0, denied: None, memory_bytes: 0 }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn denied(&self) -> Option<(LimitName, u64)> {
        self.denied
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// How many messages were over the log limit.
    pub(crate) fn log_dropped(&self) -> u64 {
        self.log_dropped
    }

    /// A message is row data, so only its level and length are logged.
    pub(crate) fn log(&mut self, level: &'static str, text: &str) {
        match self.log_left.checked_sub(text.len()) {
            None => self.log_dropped += 1,
            Some(left) => {
                self.log_left = left;
                tracing::debug!(level, bytes = text.len(), "component logged");
            }
        }
    }

    fn grow(&mut self, limit: LimitName, desired: usize, allowed: usize) -> bool {
        if desired > allowed {
            self.denied.get_or_insert((limit, desired as u64));
        }
        desired <= allowed
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.grow(LimitName::Memory, desired, self.limits.memory_bytes);
        if granted {
            self.memory_bytes = self.memory_bytes.max(desired);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(LimitName::Table, desired, self.limits.table_elements))
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        1
    }
}
