//! A small generator of our own: the same seed gives the same numbers on every machine and in every release.

/// SplitMix64, for simulations and for tests that leave something to chance.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        let span = u64::try_from(most - least).unwrap_or_default().saturating_add(1);
        least + i64::try_from(self.bits() % span).unwrap_or_default()
    }

    /// From 0 up to, but not including, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens in this share of the cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// One of several, each as likely as the others; none of none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let length = i64::try_from(choices.len()).ok().filter(|length| *length > 0)?;
        choices.get(usize::try_from(self.between(0, length - 1)).ok()?)
    }

    /// How often something happens that happens `mean` times on average.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        // In steps, because the product below would run into the smallest numbers there are.
        let mut count = 0;
        let mut left = mean;
        while left > 0.0 {
            let step = left.min(16.0);
            let least = (-step).exp();
            let mut product = self.fraction();
            while product > least {
                count += 1;
                product *= self.fraction();
            }
            left -= step;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut one, mut other) = (Random::new(7), Random::new(7));
        let numbers: Vec<u64> = (0..5).map(|_| one.bits()).collect();
        assert_eq!(numbers, (0..5).map(|_| other.bits()).collect::<Vec<_>>());
        // As published for SplitMix64.
        assert_eq!(Random::new(1_234_567).bits(), 6_457_827_717_110_365_317);
    }

    #[test]
    fn counts_have_the_mean_and_spread_of_poisson() {
        let mut random = Random::new(1);
        for mean in [0.3, 9.0, 22.0, 220.0] {
            let counts: Vec<f64> = (0..20_000).map(|_| f64::from(random.poisson(mean))).collect();
            let average = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|count| (count - average).powi(2)).sum::<f64>() / 20_000.0;
            assert!((average - mean).abs() < 0.03 * mean + 0.01, "{mean}: {average}");
            assert!((variance - mean).abs() < 0.06 * mean + 0.01, "{mean}: {variance}");
        }
        assert_eq!(random.poisson(0.0), 0);
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::new(3);
        let numbers: Vec<i64> = (0..1000).map(|_| random.between(-2, 2)).collect();
        assert_eq!((numbers.iter().min(), numbers.iter().max()), (Some(&-2), Some(&2)));
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
