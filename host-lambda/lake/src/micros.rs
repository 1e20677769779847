//! A point in time.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::number_text;

/// Microseconds since 1970-01-01 UTC; shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Micros(#[serde(with = "number_text")] pub i64);

impl Micros {
    /// The time now.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now().as_microsecond())
    }

    /// The day in UTC, `YYYY-MM-DD`; `None` outside the years -9999 to 9999.
    #[must_use]
    pub fn day(self) -> Option<String> {
        let timestamp = Timestamp::from_microsecond(self.0).ok()?;
        Some(Offset::UTC.to_datetime(timestamp).date().to_string())
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{} µs since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_utc_and_kept_as_a_string() {
        let time = Micros(1_724_313_600_123_000);
        assert_eq!(time.to_string(), "2024-08-22T08:00:00.123Z");
        assert_eq!(time.day().as_deref(), Some("2024-08-22"));
        assert_eq!(Micros(-1).day().as_deref(), Some("1969-12-31"));
        assert_eq!(Micros(i64::MAX).day(), None);
        assert_eq!(Micros(i64::MAX).to_string(), "9223372036854775807 µs since 1970");
        let json = serde_json::to_string(&Micros(i64::MIN)).unwrap();
        assert_eq!(json, "\"-9223372036854775808\"");
        assert_eq!(serde_json::from_str::<Micros>(&json).unwrap(), Micros(i64::MIN));
    }
}
