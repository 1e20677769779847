//! Rows that look like the real ones and are not: what a recorded page may show.

mod digits;
mod json;
mod noise;

use arrow_array::RecordBatch;
use star_contract::{Column, ColumnType, Description, Input, Output};

use crate::value::{Value, read_date};
use crate::{CaseError, columns};

use noise::Noise;

/// Masks the described columns of an input's rows; other columns are left out.
///
/// A mask follows from the value alone: the same value has the same mask in every column, table and run, so that joins
/// by a masked text still find their row. Two short texts may get the same mask. It is no encryption: who guesses a
/// value can see whether the guess is right.
///
/// Masked are
/// - text, keys as well: each letter becomes another ASCII letter of the same case, each digit another digit; all else
///   stays, and so do length, words and punctuation. A text that is no date never becomes one;
/// - JSON: its strings as text is, the digits of its numbers as below, and names of members unless they are plain
///   identifiers of ASCII letters, digits and `_`; such names, `true`, `false`, `null` and the structure stay;
/// - decimals, integers and floats that are no keys: the digits, but not their number, the sign, the point, a zero in
///   front or an exponent; 0, NaN and the infinities stay, and a number of few digits may become itself;
/// - bytes and UUIDs that are no keys: every byte, but not their number.
///
/// Kept are
/// - NULL, the empty text, true and false;
/// - dates, times and timestamps, whatever they are the dates of, and text that is a date (`2022-11-03`), in JSON too;
/// - text of one to three letters A to Z (`GBP`) in columns whose name ends in `code`;
/// - numbers, bytes and UUIDs in columns that are keys or lead to one: that are in the input's key, that are called as
///   a column in the key of any input is or end in `_` and its name (`legal_address_id`), or that have the name and the
///   type of an output's column with a reference, which is copied from them. A name that merely ends in `_id` is no
///   reason; but where an input has the key `id`, every such name ends as a key does.
///
/// # Errors
/// When a described column is missing, of another type, or has a NULL that it does not take.
pub fn mask(batch: &RecordBatch, input: &Input, description: &Description) -> Result<RecordBatch, CaseError> {
    columns::taken(batch, input, |column, value| masked(value, column, is_key(column, input, description)))
}

/// Whether rows are told apart or joined by a column.
fn is_key(column: &Column, input: &Input, description: &Description) -> bool {
    let named = |key: &String| {
        let rest = column.name.strip_suffix(key.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    };
    let copied = |output: &Output| {
        let typed = |other: &Column| other.name == column.name && other.column_type == column.column_type;
        output.references.iter().any(|reference| reference.column == column.name) && output.columns.iter().any(typed)
    };
    input.key.contains(&column.name)
        || description.inputs.iter().flat_map(|input| &input.key).any(named)
        || description.outputs.iter().any(copied)
}

fn masked(value: Value, column: &Column, key: bool) -> Value {
    match (value, column.column_type) {
        (Value::Text(json), ColumnType::Json) => Value::Text(json::masked(&json)),
        (Value::Text(text), _) if is_code(&text) && column.name.ends_with("code") => Value::Text(text),
        (Value::Text(text), _) => Value::Text(masked_text(&text)),
        (value, _) if key => value,
        (Value::Whole(number), ColumnType::Int16) => {
            Value::Whole(digits::masked(number, |number| i16::try_from(number).is_ok()))
        }
        (Value::Whole(number), ColumnType::Int32) => {
            Value::Whole(digits::masked(number, |number| i32::try_from(number).is_ok()))
        }
        (Value::Whole(number), ColumnType::Int64) => Value::Whole(digits::masked(number, |_| true)),
        (Value::Decimal(number), _) => Value::Decimal(digits::masked(number, |_| true)),
        (Value::Float(number), _) if number.is_finite() && number != 0.0 => {
            let text = format!("{number:?}");
            Value::Float(digits::spelled(&text, &mut Noise::of(text.as_bytes())).parse().unwrap_or_default())
        }
        (Value::Bytes(bytes), _) => {
            let mut noise = Noise::of(&bytes);
            Value::Bytes(bytes.iter().map(|byte| byte.wrapping_add(noise.among(255)).wrapping_add(1)).collect())
        }
        (value, _) => value,
    }
}

/// Whether a text looks like a code such as a currency's.
fn is_code(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn masked_text(text: &str) -> String {
    let is_date = |text: &str| text.len() == 10 && read_date(text).is_some();
    if is_date(text) {
        return text.to_owned();
    }
    let mut noise = Noise::of(text.as_bytes());
    loop {
        let masked: String = text.chars().map(|char| noise.mask(char)).collect();
        // A bad date would be refused, and so must its mask be.
        if !is_date(&masked) {
            return masked;
        }
    }
}
