//! What the rows on their way into an empty fact say of themselves, so that the server need not read them again.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use star_contract::ColumnType;

use crate::shape::Shape;

/// Keys of a dimension that are asked for by name at most; of more the server is quicker.
const MOST_NAMED: u64 = 100_000;

/// A chunk of a set has so many numbers.
const CHUNK: i64 = 1 << 16;

/// Chunks of a set at most, of 8 KiB each.
const MOST_CHUNKS: usize = 4096;

/// The keys and references of rows that have passed.
pub(crate) struct Seen {
    key: Option<usize>,
    keys: IntegerSet,
    /// By reference: its column and what it named.
    references: Vec<(Option<usize>, IntegerSet)>,
}

impl Seen {
    pub(crate) fn of(shape: &Shape) -> Self {
        let position = |name: &str| {
            let position = shape.columns.iter().position(|column| column.name == name)?;
            is_counted(shape.columns[position].column_type).then_some(position)
        };
        let key = match shape.key.as_slice() {
            [key] => position(key),
            _ => None,
        };
        let references = shape.references.iter().map(|reference| (position(&reference.column), IntegerSet::default()));
        Self { key, keys: IntegerSet::default(), references: references.collect() }
    }

    /// Looks at rows that fit the shape.
    pub(crate) fn see(&mut self, rows: &RecordBatch) {
        if let Some(key) = self.key {
            self.keys.extend(rows, key);
        }
        for (column, named) in &mut self.references {
            if let Some(column) = *column {
                named.extend(rows, column);
            }
        }
    }

    /// Whether each key came once; none when that was not followed.
    pub(crate) fn keys_differ(&self) -> Option<bool> {
        (self.key.is_some() && !self.keys.overflown).then_some(!self.keys.repeated)
    }

    /// What the nth reference names; none when that was not followed, or is too much.
    pub(crate) fn named(&self, reference: usize) -> Option<Vec<i64>> {
        let (column, named) = self.references.get(reference)?;
        let followed = column.is_some() && !named.overflown && named.len <= MOST_NAMED;
        followed.then(|| named.numbers())
    }
}

/// Integers, and dates, which are days.
fn is_counted(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Date)
}

/// Integers as bits, in chunks.
#[derive(Default)]
struct IntegerSet {
    chunks: Vec<(i64, Box<[u64; CHUNK as usize / 64]>)>,
    index: HashMap<i64, usize>,
    /// The chunk of the last number: the next one is mostly there too.
    last: usize,
    len: u64,
    repeated: bool,
    /// Set when there were too many chunks; the rest is not followed.
    overflown: bool,
}

impl IntegerSet {
    fn extend(&mut self, rows: &RecordBatch, column: usize) {
        let values = rows.column(column);
        if let Some(values) = values.as_primitive_opt::<Int32Type>() {
            values.iter().flatten().for_each(|value| self.insert(value.into()));
        } else if let Some(values) = values.as_primitive_opt::<Date32Type>() {
            values.iter().flatten().for_each(|value| self.insert(value.into()));
        } else if let Some(values) = values.as_primitive_opt::<Int64Type>() {
            values.iter().flatten().for_each(|value| self.insert(value));
        } else if let Some(values) = values.as_primitive_opt::<Int16Type>() {
            values.iter().flatten().for_each(|value| self.insert(value.into()));
        } else if values.len() > values.null_count() {
            self.overflown = true;
        }
    }

    #[inline]
    fn insert(&mut self, value: i64) {
        let number = value.div_euclid(CHUNK);
        if self.chunks.get(self.last).is_none_or(|(found, _)| *found != number) && !self.turn_to(number) {
            return;
        }
        let Some((_, bits)) = self.chunks.get_mut(self.last) else { return };
        let at = value.rem_euclid(CHUNK) as usize;
        let (word, bit) = (&mut bits[at / 64], 1 << (at % 64));
        if *word & bit == 0 {
            *word |= bit;
            self.len += 1;
        } else {
            self.repeated = true;
        }
    }

    /// Makes a chunk the last one; false when there is none and no room for it.
    #[cold]
    fn turn_to(&mut self, number: i64) -> bool {
        if let Some(position) = self.index.get(&number) {
            self.last = *position;
            return true;
        }
        if self.chunks.len() == MOST_CHUNKS {
            self.overflown = true;
            return false;
        }
        self.last = self.chunks.len();
        self.index.insert(number, self.last);
        self.chunks.push((number, Box::new([0; CHUNK as usize / 64])));
        true
    }

    fn numbers(&self) -> Vec<i64> {
        let mut numbers = Vec::new();
        for (number, bits) in &self.chunks {
            for at in 0..CHUNK {
                if bits[at as usize / 64] & (1 << (at % 64)) != 0 {
                    numbers.push(number * CHUNK + at);
                }
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_what_it_has_and_whether_anything_came_twice() {
        let mut set = IntegerSet::default();
        for value in [0, -1, 70_000, i64::from(i32::MIN), i64::from(i32::MAX), 5] {
            set.insert(value);
        }
        let mut numbers = set.numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, [i64::from(i32::MIN), -1, 0, 5, 70_000, i64::from(i32::MAX)]);
        assert!(!set.repeated);
        set.insert(-1);
        assert!(set.repeated && !set.overflown);
        (0..=MOST_CHUNKS as i64).for_each(|number| set.insert(number * CHUNK));
        assert!(set.overflown);
    }
}
