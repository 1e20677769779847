//! Dates written as text.

const DAYS_BEFORE_MONTH: [i32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN_MONTH: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Days since 1970-01-01 of a `YYYY-MM-DD` text; `None` unless it is exactly that and a day that exists.
pub(crate) fn parse(text: &str) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return None };
    let digits = [y1, y2, y3, y4, m1, m2, d1, d2].map(|byte| byte.wrapping_sub(b'0'));
    // All at once: which of them is none is of no matter.
    if digits.iter().fold(0, |most, digit| most.max(*digit)) > 9 {
        return None;
    }
    let [y1, y2, y3, y4, m1, m2, d1, d2] = digits.map(i32::from);
    let (year, month, day) = (y1 * 1000 + y2 * 100 + y3 * 10 + y4, m1 * 10 + m2, d1 * 10 + d2);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let month_index = usize::try_from(month).ok()?.checked_sub(1)?;
    let longest = i32::from(*DAYS_IN_MONTH.get(month_index)?) - i32::from(month == 2 && !leap);
    if year == 0 || day == 0 || day > longest {
        return None;
    }
    let past = year - 1;
    let leap_day = i32::from(leap && month > 2);
    Some(past * 365 + past / 4 - past / 100 + past / 400 + DAYS_BEFORE_MONTH[month_index] + leap_day + day - 719_163)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn days_that_exist() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2022-11-03", 19_299),
            ("2024-02-29", 19_782),
            ("2024-03-01", 19_783),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(parse(text), Some(days), "{text}");
        }
    }

    #[test]
    fn everything_else() {
        for text in [
            "",
            "None",
            "NULL",
            "2022-11-3",
            "2022-13-01",
            "2022-00-01",
            "2022-01-00",
            "2023-02-29",
            "1900-02-29",
            "2022-04-31",
            "0000-01-01",
            "2022/01/01",
            " 2022-01-01",
            "2022-01-01 ",
            "２022-01-1",
            "+022-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
