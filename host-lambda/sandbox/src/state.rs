//! What a store knows: the limits, and what was refused because of them.

use wasmtime::ResourceLimiter;

use crate::bindings::log;
use crate::error::LimitName;
use crate::limits::Limits;

/// The host's half of one transformer.
pub(crate) struct State {
    limits: Limits,
    log_left: usize,
    log_dropped: u64,
    /// The first growth that was refused, and what was asked for: a trap that follows is its doing.
    denied: Option<(LimitName, u64)>,
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { log_left: limits.log_bytes, limits, log_dropped: 0, denied: None }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn denied(&self) -> Option<(LimitName, u64)> {
        self.denied
    }

    /// How many messages were over the log limit.
    pub(crate) fn log_dropped(&self) -> u64 {
        self.log_dropped
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
        Ok(self.grow(LimitName::Memory, desired, self.limits.memory_bytes))
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(LimitName::Table, desired, self.limits.table_elements))
    }

    fn instances(&self) -> usize {
        16
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        1
    }
}

impl log::Host for State {
    /// A message is row data, so only its level and length are logged.
    fn message(&mut self, level: log::Level, text: String) {
        match self.log_left.checked_sub(text.len()) {
            None => self.log_dropped += 1,
            Some(left) => {
                self.log_left = left;
                let level = match level {
                    log::Level::Debug => "debug",
                    log::Level::Info => "info",
                    log::Level::Warn => "warn",
                };
                tracing::debug!(level, bytes = text.len(), "component logged");
            }
        }
    }
}
