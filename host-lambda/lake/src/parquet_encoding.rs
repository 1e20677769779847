//! Which encoding suits a column, judged by the first rows of a part.

use std::collections::HashSet;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;
use star_contract::{Column, ColumnType};

/// So many rows say enough of a column.
const SAMPLE_ROWS: usize = 8192;

/// Sets every column's encoding: deltas where neighbours are close, a dictionary where values repeat. To look each
/// value up in a dictionary takes several times as long as to write it, so it has to halve the column.
pub(crate) fn set(
    mut builder: WriterPropertiesBuilder,
    columns: &[Column],
    keys: &[String],
    rows: &RecordBatch,
) -> WriterPropertiesBuilder {
    let sample = rows.slice(0, rows.num_rows().min(SAMPLE_ROWS));
    for (column, values) in columns.iter().zip(sample.columns()) {
        let (dictionary, encoding) = suiting(column, keys.contains(&column.name), values);
        let path = ColumnPath::new(vec![column.name.clone()]);
        builder = builder.set_column_dictionary_enabled(path.clone(), dictionary).set_column_encoding(path, encoding);
    }
    builder
}

fn suiting(column: &Column, key: bool, values: &ArrayRef) -> (bool, Encoding) {
    use ColumnType as T;
    match column.column_type {
        T::Date | T::Time | T::Timestamp | T::Timestamptz => (false, Encoding::DELTA_BINARY_PACKED),
        T::Int16 => integer(key, values.as_primitive::<Int16Type>().iter().flatten()),
        T::Int32 => integer(key, values.as_primitive::<Int32Type>().iter().flatten()),
        T::Int64 => integer(key, values.as_primitive::<Int64Type>().iter().flatten()),
        // Up to 18 digits are stored as integers.
        T::Decimal { precision: ..=18, .. } => integer(key, values.as_primitive::<Decimal128Type>().iter().flatten()),
        T::Decimal { .. } | T::Float64 => (!key, Encoding::PLAIN),
        T::Text if key => (false, Encoding::DELTA_BYTE_ARRAY),
        T::Text => (repeats(values.as_string::<i32>().iter().flatten()), Encoding::DELTA_LENGTH_BYTE_ARRAY),
        T::Json | T::Bytes => (false, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        T::Bool | T::Uuid => (false, Encoding::PLAIN),
    }
}

fn integer(key: bool, values: impl Iterator<Item = impl Into<i128> + Copy>) -> (bool, Encoding) {
    (!key && dictionary_halves(values.map(Into::into)), Encoding::DELTA_BINARY_PACKED)
}

/// Whether positions in a dictionary have half the bits of differences, or fewer.
fn dictionary_halves(values: impl Iterator<Item = i128>) -> bool {
    let (mut least, mut most, mut distinct, mut count) = (i128::MAX, i128::MIN, HashSet::new(), 0_usize);
    for value in values {
        (least, most, count) = (least.min(value), most.max(value), count + 1);
        distinct.insert(value);
    }
    if count == 0 || distinct.len() * 4 > count {
        return false;
    }
    let bits = |number: u128| u128::BITS - number.leading_zeros();
    // A difference has a sign.
    let difference = bits(most.abs_diff(least)) + 1;
    bits(distinct.len() as u128 - 1) * 2 <= difference
}

/// Whether most values have been there before.
fn repeats<T: Hash + Eq>(values: impl Iterator<Item = T>) -> bool {
    let (mut distinct, mut count) = (HashSet::new(), 0_usize);
    for value in values {
        distinct.insert(value);
        count += 1;
    }
    count == 0 || distinct.len() * 2 <= count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_get_a_dictionary_where_it_halves_them() {
        let of = |value: &dyn Fn(i128) -> i128| dictionary_halves((0..8192).map(value));
        for (what, values, expected) in [
            ("keys that count up", &(|n| n) as &dyn Fn(i128) -> i128, false),
            ("twenty small ids", &|n| 1 + n * 7 % 20, false),
            ("twenty account numbers", &|n| 10_000_000 + n * 7 % 20 * 123_457, true),
            ("one number", &|_| 5, true),
            ("numbers all over the place", &|n| n * 7_919 % 99_991, false),
        ] {
            assert_eq!(of(values), expected, "{what}");
        }
        assert!(!dictionary_halves(std::iter::empty()));
    }

    #[test]
    fn text_gets_a_dictionary_where_it_repeats() {
        assert!(repeats((0..100).map(|n| n % 50)));
        assert!(!repeats(0..100));
    }
}
