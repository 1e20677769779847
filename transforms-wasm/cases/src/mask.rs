//! Rows that look like the real ones and are not: what a recorded page may show.

mod digits;
mod json;
mod noise;

use arrow_array::RecordBatch;
use star_contract::{Column, ColumnType, Description, Input};

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
/// - JSON: its strings as text is, the digits of its numbers as below; names of members, `true`, `false`, `null` and
///   the structure stay;
/// - decimals, integers and floats that are no keys: the digits, but not their number, the sign, the point, a zero in
///   front or an exponent; 0, NaN and the infinities stay;
/// - bytes and UUIDs that are no keys: every byte, but not their number.
///
/// Kept are
/// - NULL, the empty text, true and false;
/// - dates, times and timestamps;
/// - text that is a date (`2022-11-03`), and text of one to three letters A to Z (`GBP`);
/// - numbers, bytes and UUIDs in columns that are keys: the name ends in `_id`, or is in the key of any input, in the
///   business key of any output, or is the column or the target of a reference.
///
/// # Errors
/// When a described column is missing, of another type, or has a NULL that it does not take.
pub fn mask(batch: &RecordBatch, input: &Input, description: &Description) -> Result<RecordBatch, CaseError> {
    columns::taken(batch, input, |column, value| masked(value, column, is_key(&column.name, description)))
}

/// Whether rows are told apart or joined by columns of this name.
fn is_key(name: &str, description: &Description) -> bool {
    let of_inputs = description.inputs.iter().flat_map(|input| &input.key);
    let of_outputs = description.outputs.iter().flat_map(|output| {
        let references = output.references.iter().flat_map(|reference| [&reference.column, &reference.target]);
        output.business_key.iter().chain(references)
    });
    name.ends_with("_id") || of_inputs.chain(of_outputs).any(|key| key == name)
}

fn masked(value: Value, column: &Column, key: bool) -> Value {
    match (value, column.column_type) {
        (Value::Text(json), ColumnType::Json) => Value::Text(json::masked(&json)),
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

fn masked_text(text: &str) -> String {
    let is_date = |text: &str| text.len() == 10 && read_date(text).is_some();
    let is_code = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code || is_date(text) {
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
