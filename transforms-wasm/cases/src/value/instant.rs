//! Dates, times and timestamps in all the years their numbers reach, which are more than a calendar library takes.

/// The microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// PostgreSQL's word for the end of time.
pub(super) const INFINITY: &str = "infinity";
/// PostgreSQL's word for its beginning.
pub(super) const MINUS_INFINITY: &str = "-infinity";

const SECOND: i64 = 1_000_000;

/// Days since 1970-01-01 of a `YYYY-MM-DD`; years of other lengths have a sign.
pub(crate) fn read_date(text: &str) -> Option<i64> {
    let (sign, date) = match text.strip_prefix('-') {
        Some(date) => (-1, date),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let lengths = if date == text { 4..=4 } else { 4..=7 };
    if parts.next().is_some() || !lengths.contains(&year.len()) {
        return None;
    }
    let (year, month, day) = (sign * digits(year, year.len())?, digits(month, 2)?, digits(day, 2)?);
    let days = days_of(year, month, day);
    (civil(days) == (year, month, day)).then_some(days)
}

pub(super) fn write_date(days: i64) -> String {
    let (year, month, day) = civil(days);
    match year {
        0..=9_999 => format!("{year:04}-{month:02}-{day:02}"),
        10_000.. => format!("+{year}-{month:02}-{day:02}"),
        _ => format!("-{:04}-{month:02}-{day:02}", -year),
    }
}

/// Microseconds since midnight of an `HH:MM:SS` with up to six digits behind it, up to 24:00:00.
pub(super) fn read_time(text: &str) -> Option<i64> {
    let (clock, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let microseconds = digits(&format!("{fraction:0<6}"), 6)?;
    let time = ((hours * 60 + minutes) * 60 + seconds) * SECOND + microseconds;
    (parts.next().is_none() && minutes < 60 && seconds < 60 && time <= DAY).then_some(time)
}

pub(super) fn write_time(microseconds: i64) -> String {
    let sign = if microseconds < 0 { "-" } else { "" };
    let microseconds = microseconds.unsigned_abs();
    let (seconds, fraction) = (microseconds / SECOND.unsigned_abs(), microseconds % SECOND.unsigned_abs());
    let clock = format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => clock,
        fraction => format!("{clock}.{}", format!("{fraction:06}").trim_end_matches('0')),
    }
}

/// Microseconds since 1970-01-01 of a date, a `T`, a time and what stands for the zone.
pub(super) fn read_timestamp(text: &str, zone: &str) -> Option<i64> {
    match text {
        INFINITY => return Some(i64::MAX),
        MINUS_INFINITY => return Some(i64::MIN),
        _ => {}
    }
    let (date, time) = text.strip_suffix(zone)?.split_once('T')?;
    let time = read_time(time).filter(|time| *time < DAY)?;
    // The first day that has a timestamp has one in its afternoon only.
    i64::try_from(i128::from(read_date(date)?) * i128::from(DAY) + i128::from(time)).ok()
}

pub(super) fn write_timestamp(instant: i64, zone: &str) -> String {
    match instant {
        i64::MAX => INFINITY.to_owned(),
        i64::MIN => MINUS_INFINITY.to_owned(),
        _ => format!("{}T{}{zone}", write_date(instant.div_euclid(DAY)), write_time(instant.rem_euclid(DAY))),
    }
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Year, month and day of the proleptic Gregorian calendar, counting in 400-year eras that begin on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_era = days + 719_468;
    let (era, day_of_era) = (since_era.div_euclid(146_097), since_era.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// The opposite of [`civil`] for a day that exists, and some number for any other.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = year - i64::from(month <= 2);
    let shifted_month = (month + 9) % 12;
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::{DAY, read_date, read_time, read_timestamp, write_date, write_time, write_timestamp};

    #[test]
    fn days_there_and_back() {
        for (days, date) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (-719_162, "0001-01-01"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (2_147_483_646, "+5881580-07-10"),
            (-2_147_483_647, "-5877641-06-24"),
        ] {
            assert_eq!(write_date(days), date);
            assert_eq!(read_date(date), Some(days), "{date}");
        }
        for days in (-800_000..800_000).step_by(37) {
            assert_eq!(read_date(&write_date(days)), Some(days));
        }
    }

    #[test]
    fn days_that_do_not_exist() {
        for text in [
            "",
            "None",
            "2022-11-3",
            "2022-13-01",
            "2022-00-01",
            "2022-01-00",
            "2023-02-29",
            "1900-02-29",
            "10000-01-01",
            "2022-01-01-01",
            "2022/01/01",
            "2022-01",
            "２022-01-1",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }

    #[test]
    fn times_to_the_microsecond() {
        for (microseconds, time) in [
            (0, "00:00:00"),
            (1, "00:00:00.000001"),
            (51_652_186_000, "14:20:52.186"),
            (DAY - 1, "23:59:59.999999"),
            (DAY, "24:00:00"),
        ] {
            assert_eq!(write_time(microseconds), time);
            assert_eq!(read_time(time), Some(microseconds), "{time}");
        }
        for text in ["24:00:00.000001", "12:60:00", "12:00:60", "12:00", "1:00:00", "12:00:00.", "12:00:00.1234567", ""]
        {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_to_both_ends() {
        for instant in [i64::MIN, i64::MIN + 1, -1, 0, 1_667_485_252_186_000, i64::MAX - 1, i64::MAX] {
            let text = write_timestamp(instant, "Z");
            assert_eq!(read_timestamp(&text, "Z"), Some(instant), "{text}");
        }
        assert_eq!(write_timestamp(1_667_485_252_186_000, ""), "2022-11-03T14:20:52.186");
        for text in ["2022-11-03T14:20:52Z", "2022-11-03 14:20:52", "2022-11-03", "2022-11-03T24:00:00"] {
            assert_eq!(read_timestamp(text, ""), None, "{text}");
        }
        assert_eq!(read_timestamp("2022-11-03T14:20:52", "Z"), None);
        assert_eq!(read_timestamp("+999999-01-01T00:00:00", ""), None);
    }
}
