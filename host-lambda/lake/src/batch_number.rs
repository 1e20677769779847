//! The number of a batch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{keys, number_text};

/// Batches are numbered 1, 2, 3 and so on, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchNumber(#[serde(with = "number_text")] pub u64);

impl BatchNumber {
    /// The first batch of a lake.
    pub const FIRST: Self = Self(1);

    /// The batch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Twenty digits that sort newest first, so that a listing of one key finds the newest.
    #[must_use]
    pub fn inverted_key(self) -> String {
        keys::inverted(self.0)
    }
}

impl fmt::Display for BatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
