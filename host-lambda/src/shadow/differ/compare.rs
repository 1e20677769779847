//! Whether values of two columns are the same, in the eyes of a warehouse: NULL is the same as NULL, and a number is
//! the same in whatever digits.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayAccessor, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use serde_json::Value;

use crate::quarantine::cell;

/// Fewer rows than this are compared one by one: cutting them out of their columns would cost more.
const WORTH_CUTTING: usize = 16;

/// Says of a row of the old column and a row of the new one whether their values are the same.
pub(super) type Same<'a> = Box<dyn Fn(usize, usize) -> bool + 'a>;

/// Says of a pair whether it differs.
pub(super) type Differs<'a> = Box<dyn Fn(usize) -> bool + 'a>;

/// Whether two columns differ in any of so many pairs, from a row of each on: `None` when they are known not to. A
/// column that only one side has differs where it is not NULL.
pub(super) fn differences<'a>(
    (old, i): (Option<&'a ArrayRef>, usize),
    (new, j): (Option<&'a ArrayRef>, usize),
    pairs: usize,
) -> Option<Differs<'a>> {
    match (old, new) {
        (Some(old), Some(new)) => {
            if pairs >= WORTH_CUTTING && all_same(old, i, new, j, pairs) {
                return None;
            }
            let same = same(old, new);
            Some(Box::new(move |pair| !same(i + pair, j + pair)))
        }
        (Some(old), None) => Some(Box::new(move |pair| old.is_valid(i + pair))),
        (None, Some(new)) => Some(Box::new(move |pair| new.is_valid(j + pair))),
        (None, None) => None,
    }
}

/// Whether so many rows of two columns are the same bit by bit. Where they are not, their values still may be.
pub(super) fn all_same(old: &ArrayRef, i: usize, new: &ArrayRef, j: usize, rows: usize) -> bool {
    old.data_type() == new.data_type() && old.slice(i, rows) == new.slice(j, rows)
}

/// Columns of one type are compared by their values, decimals of any two types as well, all else as text.
pub(super) fn same<'a>(old: &'a ArrayRef, new: &'a ArrayRef) -> Same<'a> {
    if let (DataType::Decimal128(_, old_scale), DataType::Decimal128(_, new_scale)) = (old.data_type(), new.data_type())
    {
        return decimals(old, *old_scale, new, *new_scale);
    }
    if old.data_type() != new.data_type() {
        return Box::new(|i, j| text(old, i) == text(new, j));
    }
    match old.data_type() {
        DataType::Int16 => values(old.as_primitive::<Int16Type>(), new.as_primitive::<Int16Type>()),
        DataType::Int32 => values(old.as_primitive::<Int32Type>(), new.as_primitive::<Int32Type>()),
        DataType::Int64 => values(old.as_primitive::<Int64Type>(), new.as_primitive::<Int64Type>()),
        // PostgreSQL takes NaN for equal to itself.
        DataType::Float64 => {
            let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
            by(old.as_primitive::<Float64Type>(), new.as_primitive::<Float64Type>(), same)
        }
        DataType::Boolean => values(old.as_boolean(), new.as_boolean()),
        DataType::Utf8 => values(old.as_string::<i32>(), new.as_string::<i32>()),
        DataType::Binary => values(old.as_binary::<i32>(), new.as_binary::<i32>()),
        DataType::FixedSizeBinary(_) => values(old.as_fixed_size_binary(), new.as_fixed_size_binary()),
        DataType::Date32 => values(old.as_primitive::<Date32Type>(), new.as_primitive::<Date32Type>()),
        DataType::Time64(TimeUnit::Microsecond) => {
            values(old.as_primitive::<Time64MicrosecondType>(), new.as_primitive::<Time64MicrosecondType>())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            values(old.as_primitive::<TimestampMicrosecondType>(), new.as_primitive::<TimestampMicrosecondType>())
        }
        _ => Box::new(|i, j| text(old, i) == text(new, j)),
    }
}

/// A value as a reader sees it; none for NULL.
pub(super) fn text(column: &dyn Array, row: usize) -> Option<String> {
    match cell(column, row) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn values<'a, A>(old: A, new: A) -> Same<'a>
where
    A: ArrayAccessor + 'a,
    A::Item: PartialEq,
{
    by(old, new, |a, b| a == b)
}

fn by<'a, A: ArrayAccessor + 'a>(old: A, new: A, same: impl Fn(A::Item, A::Item) -> bool + 'a) -> Same<'a> {
    Box::new(move |i, j| match (old.is_null(i), new.is_null(j)) {
        (false, false) => same(old.value(i), new.value(j)),
        (old, new) => old == new,
    })
}

fn decimals<'a>(old: &'a ArrayRef, old_scale: i8, new: &'a ArrayRef, new_scale: i8) -> Same<'a> {
    let scale = old_scale.max(new_scale);
    let factor = |of: i8| 10_i128.checked_pow(u32::from(scale.abs_diff(of)));
    let (old_factor, new_factor) = (factor(old_scale), factor(new_scale));
    let scaled = |value: i128, factor: Option<i128>| factor.and_then(|factor| value.checked_mul(factor));
    // One of the two keeps its digits. The other grows, and beyond 128 bits it is greater than any the first can be.
    let same = move |a, b| scaled(a, old_factor).is_some_and(|a| scaled(b, new_factor) == Some(a));
    by(old.as_primitive::<Decimal128Type>(), new.as_primitive::<Decimal128Type>(), same)
}
