//! One value of a row and how it is spelled in a cell.

mod decimal;
mod instant;
mod text;

use star_contract::ColumnType;

pub(crate) use instant::read_date;
pub(crate) use text::{read as read_text, write as write_text};

/// How a cell spells the absence of a value.
pub(crate) const NULL: &str = "NULL";

/// A value. Which variant it is follows from its column's type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// No value.
    Null,
    /// Integers, and dates and times in their units.
    Whole(i64),
    Float(f64),
    /// To be scaled.
    Decimal(i128),
    /// Text and JSON.
    Text(String),
    Bool(bool),
    /// Bytes and UUIDs.
    Bytes(Vec<u8>),
}

impl Value {
    /// What a cell says; `None` if it is no value of that type.
    pub(crate) fn read(cell: &str, of: ColumnType) -> Option<Self> {
        if cell == NULL {
            return Some(Self::Null);
        }
        Some(match of {
            ColumnType::Int16 => Self::Whole(cell.parse::<i16>().ok()?.into()),
            ColumnType::Int32 => Self::Whole(cell.parse::<i32>().ok()?.into()),
            ColumnType::Int64 => Self::Whole(cell.parse().ok()?),
            ColumnType::Float64 => Self::Float(cell.parse().ok()?),
            ColumnType::Decimal { precision, scale } => Self::Decimal(decimal::read(cell, precision, scale)?),
            ColumnType::Text | ColumnType::Json => Self::Text(text::read(cell)?),
            ColumnType::Bool => Self::Bool(cell.parse().ok()?),
            ColumnType::Date => Self::Whole(match cell {
                instant::INFINITY => i32::MAX.into(),
                instant::MINUS_INFINITY => i32::MIN.into(),
                date => i32::try_from(instant::read_date(date)?).ok()?.into(),
            }),
            ColumnType::Time => Self::Whole(instant::read_time(cell)?),
            ColumnType::Timestamp => Self::Whole(instant::read_timestamp(cell, "")?),
            ColumnType::Timestamptz => Self::Whole(instant::read_timestamp(cell, "Z")?),
            ColumnType::Uuid => Self::Bytes(read_uuid(cell)?),
            ColumnType::Bytes => Self::Bytes(read_hex(cell.strip_prefix("\\x")?)?),
        })
    }

    /// The cell that says it, always the same for the same value.
    pub(crate) fn write(&self, of: ColumnType) -> String {
        match (self, of) {
            (Self::Null, _) => NULL.to_owned(),
            (Self::Whole(days), ColumnType::Date) => match i32::try_from(*days) {
                Ok(i32::MAX) => instant::INFINITY.to_owned(),
                Ok(i32::MIN) => instant::MINUS_INFINITY.to_owned(),
                _ => instant::write_date(*days),
            },
            (Self::Whole(microseconds), ColumnType::Time) => instant::write_time(*microseconds),
            (Self::Whole(instant), ColumnType::Timestamp) => instant::write_timestamp(*instant, ""),
            (Self::Whole(instant), ColumnType::Timestamptz) => instant::write_timestamp(*instant, "Z"),
            (Self::Whole(number), _) => number.to_string(),
            (Self::Float(number), _) => format!("{number:?}"),
            (Self::Decimal(digits), ColumnType::Decimal { scale, .. }) => decimal::write(*digits, scale),
            (Self::Decimal(digits), _) => digits.to_string(),
            (Self::Text(words), _) => text::write(words),
            (Self::Bool(is), _) => is.to_string(),
            (Self::Bytes(bytes), ColumnType::Uuid) => write_uuid(bytes),
            (Self::Bytes(bytes), _) => format!("\\x{}", hex(bytes)),
        }
    }

    /// What stands in a required column that a page leaves out.
    pub(crate) fn plain(of: ColumnType) -> Self {
        /// From 1970-01-01 to 2000-01-01.
        const DAYS: i64 = 10_957;
        match of {
            ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Time => Self::Whole(0),
            ColumnType::Float64 => Self::Float(0.0),
            ColumnType::Decimal { .. } => Self::Decimal(0),
            ColumnType::Text => Self::Text(String::new()),
            ColumnType::Json => Self::Text("{}".to_owned()),
            ColumnType::Bool => Self::Bool(false),
            ColumnType::Date => Self::Whole(DAYS),
            ColumnType::Timestamp | ColumnType::Timestamptz => Self::Whole(DAYS * instant::DAY),
            ColumnType::Uuid => Self::Bytes(vec![0; 16]),
            ColumnType::Bytes => Self::Bytes(Vec::new()),
        }
    }
}

/// How values of a type are spelled, for a hint.
pub(crate) fn spelling(of: ColumnType) -> String {
    let example = match of {
        ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => "-12, within the type's range".to_owned(),
        ColumnType::Float64 => "1.5, 1e300, NaN or -inf".to_owned(),
        ColumnType::Decimal { precision, scale } => {
            format!("{}, at most {precision} digits, {scale} of them behind the point", decimal::write(-12, scale))
        }
        ColumnType::Text => "plain words, \"\" for the empty text, \"NULL\" for that word".to_owned(),
        ColumnType::Json => "{\"a\": 1}; in double quotes with JSON's escapes where it begins with a quote".to_owned(),
        ColumnType::Bool => "true or false".to_owned(),
        ColumnType::Date => "2022-11-03, infinity or -infinity".to_owned(),
        ColumnType::Time => "14:20:52 or 14:20:52.186, at most 24:00:00".to_owned(),
        ColumnType::Timestamp => "2022-11-03T14:20:52.186, infinity or -infinity".to_owned(),
        ColumnType::Timestamptz => "2022-11-03T14:20:52.186Z, infinity or -infinity".to_owned(),
        ColumnType::Uuid => "6f1e2a34-0b5c-4d6e-8f90-a1b2c3d4e5f6".to_owned(),
        ColumnType::Bytes => "\\x00ff".to_owned(),
    };
    format!("`{of}` is written {example}; NULL where the column may be NULL")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// The lengths of a UUID's groups, in hex digits.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

fn read_uuid(cell: &str) -> Option<Vec<u8>> {
    cell.split('-').map(str::len).eq(GROUPS).then(|| read_hex(&cell.replace('-', "")))?
}

fn write_uuid(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    let mut rest = digits.as_str();
    let mut groups = Vec::with_capacity(GROUPS.len());
    for length in GROUPS {
        let (group, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        groups.push(group);
        rest = after;
    }
    groups.join("-")
}
