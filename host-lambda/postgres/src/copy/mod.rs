//! The binary COPY format, to and from Arrow columns.

mod buffer;
mod decode;
mod encode;
mod error;
mod numeric;
mod render;
mod xids;

pub use decode::{BatchLimits, CopyDecoder, DecodeSummary, RefusedValue};
pub use encode::{CopyEncoder, RowNumber};
pub use error::CodecError;
pub use xids::{MAX_OBSERVED_XIDS, XidWindow, xid_is_at_or_after};

/// What every stream starts with.
const SIGNATURE: [u8; 11] = *b"PGCOPY\n\xff\r\n\0";

/// Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where PostgreSQL does.
const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;

/// Microseconds of a day; as a time it is 24:00:00.
const DAY_MICROS: i64 = 86_400_000_000;
