//! Decimals with a fixed number of digits behind the point.

/// The unscaled digits of a number; `None` if it is none or has more digits than the type.
pub(super) fn read(cell: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, number) = cell.strip_prefix('-').map_or((false, cell), |number| (true, number));
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let scale = usize::from(scale);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > scale {
        return None;
    }
    let unscaled: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    let fits = 10_i128.checked_pow(precision.into()).is_none_or(|limit| unscaled < limit);
    fits.then_some(if negative { -unscaled } else { unscaled })
}

pub(super) fn write(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn decimals_with_their_scale() {
        for (unscaled, scale, cell) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (-12_345, 0, "-12345"),
            (1, 10, "0.0000000001"),
            (10_i128.pow(38) - 1, 38, "0.99999999999999999999999999999999999999"),
        ] {
            assert_eq!(write(unscaled, scale), cell);
            assert_eq!(read(cell, 38, scale), Some(unscaled), "{cell}");
        }
        assert_eq!(read("7", 10, 2), Some(700));
        assert_eq!(read("7.5", 10, 2), Some(750));
    }

    #[test]
    fn what_is_no_decimal_of_the_type() {
        for cell in ["", "-", ".5", "5.", "1.234", "+1", "1e2", "--1", "1,5", "100.00", " 1", "0x1", "1.2.3", "NaN"] {
            assert_eq!(read(cell, 4, 2), None, "{cell}");
        }
    }
}
