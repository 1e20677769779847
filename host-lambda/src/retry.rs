//! Trying a stage again when what stopped it is likely to pass.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::HostError;

/// How often, and after which waits, a stage is tried again. Only what [`HostError::is_transient`] says is: a stage
/// begins from what is recorded, so trying it again repeats nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Tries in all, the first included.
    pub tries: u32,
    /// The longest wait before the second try; each later one is twice the one before.
    pub first_wait: Duration,
    /// No wait is longer.
    pub longest_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries: 4, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(10) }
    }
}

impl Retries {
    /// No second try.
    pub const NONE: Self = Self { tries: 1, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };

    /// Tries until it succeeds, fails for good, or was tried often enough; the last failure is the outcome.
    ///
    /// # Errors
    /// The last failure.
    pub async fn run<T>(
        &self,
        what: &'static str,
        mut once: impl AsyncFnMut() -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let mut tried = 1;
        loop {
            match once().await {
                Err(error) if error.is_transient() && tried < self.tries => {
                    let wait = self.wait(tried);
                    tracing::warn!(what, %error, tried, wait_ms = wait.as_millis(), "trying again");
                    tokio::time::sleep(wait).await;
                    tried += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Between half and the whole of the wait that is due, so that runs that failed together do not try together.
    fn wait(&self, tried: u32) -> Duration {
        let due = self.first_wait.saturating_mul(1 << (tried - 1).min(16)).min(self.longest_wait);
        // Every `RandomState` has keys of its own: all the chance a wait needs.
        let chance = RandomState::new().hash_one(tried) % 1024;
        due / 2 + due.mul_f64(f64::from(u32::try_from(chance).unwrap_or_default()) / 2048.0)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use totesys_source::SourceError;

    use super::*;

    fn transient() -> HostError {
        SourceError::ReplicaBehind { seen: 2, found: 1 }.into()
    }

    fn lasting() -> HostError {
        HostError::EmptyCatalog
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        for (failures, failure, tries, succeeds) in [
            (0, transient as fn() -> HostError, 1, true),
            (2, transient, 3, true),
            (9, transient, 4, false),
            (9, lasting, 1, false),
        ] {
            let tried = Cell::new(0);
            let outcome = Retries { first_wait: Duration::ZERO, ..Retries::default() }
                .run("extract", async || {
                    tried.set(tried.get() + 1);
                    if tried.get() <= failures { Err(failure()) } else { Ok(()) }
                })
                .await;
            assert_eq!((tried.get(), outcome.is_ok()), (tries, succeeds), "{failures} failures");
        }
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let retries = Retries::default();
        for (tried, least, most) in
            [(1, 500, 1000), (2, 1000, 2000), (4, 4000, 8000), (5, 5000, 10_000), (99, 5000, 10_000)]
        {
            let wait = retries.wait(tried).as_millis();
            assert!((least..=most).contains(&wait), "{tried}: {wait} ms");
        }
    }
}
