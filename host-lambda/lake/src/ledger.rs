//! A star's ledger of transformations, which a rebuild continues in a new generation.

use serde::{Deserialize, Serialize};

use crate::{BatchNumber, number_text};

/// From which batch on a star's transformations are those of a generation. The first generation has number 0 and is
/// listed nowhere; every rebuild makes the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number.
    #[serde(with = "number_text")]
    pub number: u64,
    /// The first batch that counts in it; batches before are those of the generation before.
    pub from: BatchNumber,
}

/// Which generation of a star's transformations counts for which batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarLedger {
    pub(crate) star: String,
    generations: Vec<Generation>,
}

impl StarLedger {
    /// The ledger of a star whose generations after the first these are, the newest last.
    #[must_use]
    pub fn new(star: &str, generations: &[Generation]) -> Self {
        Self { star: star.to_owned(), generations: generations.to_vec() }
    }

    /// The star.
    #[must_use]
    pub fn star(&self) -> &str {
        &self.star
    }

    /// The generation that new transformations belong to.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.generations.last().map_or(0, |generation| generation.number)
    }

    /// The first batch that counts in the current generation.
    #[must_use]
    pub fn first(&self) -> BatchNumber {
        self.generations.last().map_or(BatchNumber::FIRST, |generation| generation.from)
    }

    /// The generations after the first, the newest last.
    #[must_use]
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// The same continued by another generation.
    #[must_use]
    pub fn then(&self, generation: Generation) -> Self {
        let mut next = self.clone();
        next.generations.push(generation);
        next
    }

    /// The generation a batch counts in: that of the newest rebuild that went so far back.
    #[must_use]
    pub fn of(&self, batch: BatchNumber) -> u64 {
        let counts = self.generations.iter().rev().find(|generation| generation.from <= batch);
        counts.map_or(0, |generation| generation.number)
    }

    /// The ledger without its newest generation, and the last batch that counts in it.
    pub(crate) fn before(&self) -> Option<(Self, Option<BatchNumber>)> {
        let (last, rest) = self.generations.split_last()?;
        let batch = last.from.0.checked_sub(1).filter(|batch| *batch > 0).map(BatchNumber);
        Some((Self::new(&self.star, rest), batch))
    }
}

impl From<&str> for StarLedger {
    fn from(star: &str) -> Self {
        Self::new(star, &[])
    }
}

impl From<&StarLedger> for StarLedger {
    fn from(ledger: &StarLedger) -> Self {
        ledger.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_in_the_newest_generation_that_goes_so_far_back() {
        let ledger = StarLedger::from("sales");
        assert_eq!((ledger.current(), ledger.of(BatchNumber(3))), (0, 0));
        let ledger = ledger.then(Generation { number: 1, from: BatchNumber(5) });
        let ledger = ledger.then(Generation { number: 2, from: BatchNumber(3) });
        let of = |batch| ledger.of(BatchNumber(batch));
        assert_eq!([of(2), of(3), of(4), of(5), of(9)], [0, 2, 2, 2, 2]);
        let ledger = ledger.then(Generation { number: 4, from: BatchNumber(8) });
        let of = |batch| ledger.of(BatchNumber(batch));
        assert_eq!([of(2), of(7), of(8)], [0, 2, 4]);
        assert_eq!(ledger.current(), 4);
        let (before, last) = ledger.before().unwrap();
        assert_eq!((before.current(), last), (2, Some(BatchNumber(7))));
    }
}
