//! Whether there is time for another batch.

use std::time::{Duration, Instant};

/// How long batches take, and when the call they are done in has to end. A batch that is cut short is done again from
/// its beginning, so it is better not begun.
pub(crate) struct Pace {
    deadline: Option<Instant>,
    begun: Instant,
    slowest: Duration,
}

impl Pace {
    /// Batches until a deadline, if there is one.
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        Self { deadline, begun: Instant::now(), slowest: Duration::ZERO }
    }

    /// Whether another batch that takes half as long again as the slowest so far would be done in time. To be asked
    /// before each batch.
    pub(crate) fn allows_another(&mut self) -> bool {
        self.allows_another_at(Instant::now())
    }

    fn allows_another_at(&mut self, now: Instant) -> bool {
        self.slowest = self.slowest.max(now - self.begun);
        self.begun = now;
        self.deadline.is_none_or(|deadline| now + self.slowest.mul_f32(1.5) < deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_would_not_be_done_in_time_is_not_begun() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace { deadline: Some(after(100)), begun: start, slowest: Duration::ZERO };
        // The first, then one that took 40 s, one that took 1 s; another of 40 s by half would end at 101 s.
        assert!(pace.allows_another_at(after(0)) && pace.allows_another_at(after(39)));
        assert!(pace.allows_another_at(after(40)));
        assert!(!pace.allows_another_at(after(42)));
        assert!(!Pace { deadline: Some(start), begun: start, slowest: Duration::ZERO }.allows_another_at(after(1)));
        assert!(Pace::until(None).allows_another_at(after(1_000_000)));
    }
}
