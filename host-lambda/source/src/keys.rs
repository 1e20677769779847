//! What says, without the keys themselves, that a table still has every key it had.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use serde::{Deserialize, Serialize};
use star_contract::{Column, ColumnType};
use totesys_postgres::quote_identifier;

/// The number of a table's rows and two sums over their keys: of the keys, and of a hash of them. Rows that were
/// deleted and others that came instead would have to match in all three to go unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeySums {
    /// Rows.
    pub rows: u64,
    /// The sum of the keys.
    #[serde(with = "crate::baseline::as_text")]
    pub sum: i128,
    /// The sum of their hashes.
    #[serde(with = "crate::baseline::as_text")]
    pub hashes: i128,
    /// The greatest key that was ever counted; none for keys that are no single integer, which grow in no order.
    pub greatest: Option<i64>,
}

impl KeySums {
    /// Counts one integer key.
    pub fn add(&mut self, key: i64) {
        self.rows += 1;
        self.sum += i128::from(key);
        self.hashes += i128::from(hash(key));
        self.greatest = self.greatest.max(Some(key));
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn include(&mut self, others: &Self) {
        self.rows += others.rows;
        self.sum += others.sum;
        self.hashes += others.hashes;
        self.greatest = self.greatest.max(others.greatest);
    }

    /// Whether rows, sums and hashes are the same, whatever the greatest key is.
    #[must_use]
    pub fn same_keys(&self, other: &Self) -> bool {
        (self.rows, self.sum, self.hashes) == (other.rows, other.sum, other.hashes)
    }

    /// What is left of these keys without others that are among them.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self {
            rows: self.rows.wrapping_sub(others.rows),
            sum: self.sum - others.sum,
            hashes: self.hashes - others.hashes,
            greatest: self.greatest,
        }
    }
}

/// Counts the keys of a table's rows as they pass: all, and those up to the greatest of the batch before.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyTally {
    /// All keys.
    pub all: KeySums,
    /// Those that are not greater than the bound.
    pub bounded: KeySums,
    bound: Option<i64>,
}

impl KeyTally {
    /// A tally that knows the sums of the batch before.
    #[must_use]
    pub fn after(previous: Option<&KeySums>) -> Self {
        Self { bound: previous.and_then(|previous| previous.greatest), ..Self::default() }
    }

    /// Counts the rows of a batch, if their key is one integer column.
    pub fn count(&mut self, rows: &RecordBatch, key: &str) {
        let Some(column) = rows.column_by_name(key) else { return };
        match column.data_type() {
            DataType::Int16 => {
                column.as_primitive::<Int16Type>().values().iter().for_each(|key| self.add((*key).into()))
            }
            DataType::Int32 => {
                column.as_primitive::<Int32Type>().values().iter().for_each(|key| self.add((*key).into()))
            }
            DataType::Int64 => column.as_primitive::<Int64Type>().values().iter().for_each(|key| self.add(*key)),
            _ => {}
        }
    }

    /// Counts what another tally of the same bound has counted.
    pub fn absorb(&mut self, other: &Self) {
        self.all.include(&other.all);
        self.bounded.include(&other.bounded);
    }

    /// Counts one key.
    pub fn add(&mut self, key: i64) {
        self.all.add(key);
        if Some(key) <= self.bound {
            self.bounded.add(key);
        }
    }
}

/// How a table's keys are summed in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyExpressions {
    /// `coalesce(sum(…), 0)::text` of the keys and of their hashes.
    pub(crate) sums: [String; 2],
    /// The key itself, when it is one integer that grows.
    pub(crate) integer: Option<String>,
}

impl KeyExpressions {
    /// `widened` says that an integer key has another width in the source than described.
    pub(crate) fn of(key: &[String], columns: &[Column], widened: bool) -> Self {
        let total = |of: String| format!("coalesce(sum({of}), 0)::text");
        let single = match key {
            [key] => columns.iter().find(|column| column.name == *key),
            _ => None,
        };
        let hash = match single.map(|column| column.column_type) {
            Some(ColumnType::Int32) if !widened => "hashint4",
            // The same hash, for every width.
            Some(ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64) => "hashint8",
            _ => {
                let names: Vec<_> = key.iter().map(|name| quote_identifier(name)).collect();
                let row = format!("ROW({})::text", names.join(", "));
                let hashed = |seed| total(format!("hashtextextended({row}, {seed})"));
                return Self { sums: [hashed(0), hashed(1)], integer: None };
            }
        };
        let name = quote_identifier(&key[0]);
        Self { sums: [total(name.clone()), total(format!("{hash}({name})"))], integer: Some(name) }
    }
}

/// PostgreSQL's hash of an integer, which is the same for all widths that hold it.
fn hash(key: i64) -> i32 {
    let folded = (key ^ (key >> 63)) >> 32;
    let low = (key & i64::from(u32::MAX)) ^ folded;
    jenkins(u32::try_from(low & i64::from(u32::MAX)).unwrap_or_default()).cast_signed()
}

/// The last mixing of Bob Jenkins' `lookup3`, over one word.
fn jenkins(word: u32) -> u32 {
    let start = 0x9e37_79b9_u32.wrapping_add(4).wrapping_add(3_923_095);
    let (mut a, mut b, mut c) = (start.wrapping_add(word), start, start);
    let mix = |to: &mut u32, from: u32, rotated: u32| *to = (*to ^ from).wrapping_sub(from.rotate_left(rotated));
    mix(&mut c, b, 14);
    mix(&mut a, c, 11);
    mix(&mut b, a, 25);
    mix(&mut c, b, 16);
    mix(&mut a, c, 4);
    mix(&mut b, a, 14);
    mix(&mut c, b, 24);
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_postgresql_s() {
        for (key, expected) in [
            (0, -272_711_505),
            (1, -1_905_060_026),
            (-1, 385_747_274),
            (5_000_000, 722_638_042),
            (i64::from(i32::MAX), -96_758_253),
            (i64::from(i32::MIN), -1_524_351_049),
            (i64::MAX, -1_524_351_049),
            (1 << 32, -1_905_060_026),
        ] {
            assert_eq!(hash(key), expected, "{key}");
        }
    }

    #[test]
    fn what_came_later_is_left_out() {
        let sums = |keys: &[i64]| {
            let mut sums = KeySums::default();
            keys.iter().for_each(|key| sums.add(*key));
            sums
        };
        let before = sums(&[1, 2, 5]);
        for (now, all_there) in [
            (&[1, 2, 5][..], true),
            (&[1, 2, 5, 6, 9], true),
            (&[1, 5, 6], false),
            (&[1, 3, 4], false),
            (&[], false),
            (&[1, 2, 3, 5], false),
        ] {
            let mut tally = KeyTally::after(Some(&before));
            now.iter().for_each(|key| tally.add(*key));
            assert_eq!(tally.all, KeySums { greatest: now.iter().copied().max(), ..sums(now) });
            assert_eq!(tally.bounded.same_keys(&before), all_there, "{now:?}");
            let later: Vec<i64> = now.iter().copied().filter(|key| *key > 5).collect();
            assert!(tally.all.without(&sums(&later)).same_keys(&tally.bounded));
        }
    }
}
