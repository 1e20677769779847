//! Numbers with as many digits as before.

use std::fmt::Display;
use std::str::FromStr;

use super::Noise;

/// Another number with as many digits and the same sign, one that `fits`.
pub(super) fn masked<N: Display + FromStr + Copy>(number: N, fits: impl Fn(N) -> bool) -> N {
    let text = number.to_string();
    let mut noise = Noise::of(text.as_bytes());
    // Of the numbers with most digits a type has only some; for the narrowest that is one in eight.
    let tries = (0..256).find_map(|_| spelled(&text, &mut noise).parse().ok().filter(|other| fits(*other)));
    tries.unwrap_or(number)
}

/// The spelling of a number with other digits, up to an exponent. A zero in front stays, and nothing becomes one.
pub(super) fn spelled(number: &str, noise: &mut Noise) -> String {
    let mantissa = number.find(['e', 'E']).unwrap_or(number.len());
    let mut first = true;
    let masked = number[..mantissa].chars().map(|char| match char {
        '0' if first => {
            first = false;
            char
        }
        '1'..='9' if first => {
            first = false;
            char::from(b'1' + noise.among(9))
        }
        '0'..='9' => char::from(b'0' + noise.among(10)),
        char => char,
    });
    masked.collect::<String>() + &number[mantissa..]
}
