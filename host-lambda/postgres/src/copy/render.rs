//! Fields as PostgreSQL prints them: what quarantine keeps of a refused row.

use std::fmt::Write as _;

use star_contract::ColumnType;

use super::numeric::Numeric;
use super::{DAY_MICROS, EPOCH_DAYS, EPOCH_MICROS};

/// The text of a field; bytes that are no value of the type are shown in hexadecimal.
pub(super) fn render(column_type: ColumnType, field: &[u8]) -> String {
    rendered(column_type, field).unwrap_or_else(|| hexadecimal(field))
}

fn rendered(column_type: ColumnType, field: &[u8]) -> Option<String> {
    Some(match column_type {
        ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => integer(field)?.to_string(),
        ColumnType::Float64 => float(f64::from_be_bytes(field.try_into().ok()?)),
        ColumnType::Decimal { .. } => Numeric::parse(field)?.render(),
        ColumnType::Text | ColumnType::Json => std::str::from_utf8(field).ok()?.to_owned(),
        ColumnType::Bool => match field {
            [0] => "f".to_owned(),
            [1] => "t".to_owned(),
            _ => return None,
        },
        ColumnType::Date => match i32::from_be_bytes(field.try_into().ok()?) {
            i32::MAX => "infinity".to_owned(),
            i32::MIN => "-infinity".to_owned(),
            days => dated(i64::from(days) + i64::from(EPOCH_DAYS), ""),
        },
        ColumnType::Time => time(i64::from_be_bytes(field.try_into().ok()?)),
        ColumnType::Timestamp => timestamp(field, "")?,
        ColumnType::Timestamptz => timestamp(field, "+00")?,
        ColumnType::Uuid => uuid(field.try_into().ok()?),
        ColumnType::Bytes => hexadecimal(field),
    })
}

fn integer(field: &[u8]) -> Option<i64> {
    match field.len() {
        2 => field.try_into().ok().map(|bytes| i16::from_be_bytes(bytes).into()),
        4 => field.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
        8 => field.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    }
}

/// The shortest text of the value. PostgreSQL's is at times a digit longer or rounded the other way.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) if !(-4..15).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => value.to_string(),
    }
}

fn timestamp(field: &[u8], zone: &str) -> Option<String> {
    Some(match i64::from_be_bytes(field.try_into().ok()?) {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => {
            let micros = i128::from(micros) + i128::from(EPOCH_MICROS);
            let days = i64::try_from(micros.div_euclid(DAY_MICROS.into())).ok()?;
            let of_day = i64::try_from(micros.rem_euclid(DAY_MICROS.into())).ok()?;
            dated(days, &format!(" {}{zone}", time(of_day)))
        }
    })
}

/// Days since 1970 as a date of the proleptic Gregorian calendar, the era after the rest.
fn dated(days: i64, rest: &str) -> String {
    // Counted from 0000-03-01, so that the leap day ends a year.
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    format!("{year:04}-{month:02}-{day:02}{rest}{era}")
}

fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

fn uuid(bytes: [u8; 16]) -> String {
    let digits = hexadecimal(&bytes);
    format!("{}-{}-{}-{}-{}", &digits[2..10], &digits[10..14], &digits[14..18], &digits[18..22], &digits[22..])
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
