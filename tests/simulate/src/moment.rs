//! A moment of simulated time.

use std::fmt;
use std::time::SystemTime;

use jiff::{Timestamp, civil};

const DAY: i64 = 86_400_000;

/// A moment as the source writes them: milliseconds since 1970, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// The machine's clock, in UTC.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or_default())
    }

    /// The beginning of a day written as `2024-02-29`; none if it is not one.
    #[must_use]
    pub fn of_date(text: &str) -> Option<Self> {
        let date: civil::Date = text.parse().ok()?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_millisecond()))
    }

    /// This many days later.
    #[must_use]
    pub fn plus_days(self, days: f64) -> Self {
        Self(self.0.saturating_add((days * DAY as f64) as i64))
    }

    /// A moment of a day, by its milliseconds.
    pub(crate) fn at(day: i64, milliseconds: i64) -> Self {
        Self(day * DAY + milliseconds)
    }

    /// The days since 1970.
    pub(crate) fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// The day as text, as the source writes its dates.
    pub(crate) fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

/// Whether a day, counted from 1970, is one from Monday to Friday.
pub(crate) fn is_working_day(day: i64) -> bool {
    // 1970 began on a Thursday.
    (day + 3).rem_euclid(7) < 5
}

/// As PostgreSQL reads a `timestamp(3)`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX);
        f.write_str(format!("{timestamp:.3}").trim_end_matches('Z').replace('T', " ").as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_the_source_writes_them() {
        let day = Moment::of_date("2024-02-29").unwrap();
        assert_eq!(day.to_string(), "2024-02-29 00:00:00.000");
        assert_eq!(Moment(day.0 + 28_511_007).to_string(), "2024-02-29 07:55:11.007");
        assert_eq!(day.plus_days(1.5).to_string(), "2024-03-01 12:00:00.000");
        assert_eq!(day.plus_days(1.0).date(), "2024-03-01");
        assert_eq!(Moment::at(day.day(), 0), day);
        assert_eq!(Moment::of_date("2023-02-29"), None);
    }

    #[test]
    fn orders_come_in_from_monday_to_friday() {
        let monday = Moment::of_date("2024-08-19").unwrap().day();
        let working: Vec<bool> = (monday..monday + 7).map(is_working_day).collect();
        assert_eq!(working, [true, true, true, true, true, false, false]);
    }
}
