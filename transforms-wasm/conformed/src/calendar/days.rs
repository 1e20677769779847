//! A set of days, as bits: every row of a fact names several, and almost all are known.

use std::collections::BTreeMap;

/// Days that share a chunk of bits.
const CHUNK: i32 = 1 << 12;

/// Days since 1970-01-01.
#[derive(Default)]
pub(super) struct Days {
    chunks: BTreeMap<i32, [u64; CHUNK as usize / 64]>,
}

impl Days {
    pub(super) fn extend(&mut self, days: impl Iterator<Item = i32>) {
        let mut days = days.peekable();
        while let Some(number) = days.peek().map(|day| day.div_euclid(CHUNK)) {
            let bits = self.chunks.entry(number).or_insert([0; CHUNK as usize / 64]);
            while let Some(day) = days.next_if(|day| day.div_euclid(CHUNK) == number) {
                let at = day.rem_euclid(CHUNK) as usize;
                bits[at / 64] |= 1 << (at % 64);
            }
        }
    }

    pub(super) fn in_order(self) -> impl Iterator<Item = i32> {
        self.chunks.into_iter().flat_map(|(number, bits)| {
            let is_set = move |at: &i32| bits[*at as usize / 64] & (1 << (at % 64)) != 0;
            (0..CHUNK).filter(is_set).map(move |at| number * CHUNK + at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Days;

    #[test]
    fn days_come_back_once_and_in_order() {
        let mut days = Days::default();
        days.extend([5, -1, 5, 20_000, i32::MAX, -4096, i32::MIN, 4096, 4095].into_iter());
        days.extend([0, 5].into_iter());
        let found: Vec<i32> = days.in_order().collect();
        assert_eq!(found, [i32::MIN, -4096, -1, 0, 5, 4095, 4096, 20_000, i32::MAX]);
    }
}
