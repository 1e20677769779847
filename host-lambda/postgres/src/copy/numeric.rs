//! PostgreSQL's numeric: groups of four decimal digits around a point.

use bytes::{BufMut as _, BytesMut};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const PLUS_INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// 10^n for every n a u128 holds.
const POWERS: [u128; 39] = {
    let mut powers = [1; 39];
    let mut n = 1;
    while n < 39 {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// Why a field is no decimal of the column.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotDecimal {
    NotFinite,
    OutOfRange,
    Malformed,
}

/// A numeric field taken apart.
pub(super) struct Numeric<'a> {
    /// Big-endian groups.
    groups: &'a [u8],
    /// The first group counts 10000^weight.
    weight: i32,
    sign: u16,
    /// Digits shown after the point.
    scale: u16,
}

impl<'a> Numeric<'a> {
    pub(super) fn parse(field: &'a [u8]) -> Option<Self> {
        let (header, groups) = field.split_first_chunk::<8>()?;
        let [n0, n1, w0, w1, s0, s1, d0, d1] = *header;
        if groups.len() != 2 * usize::from(u16::from_be_bytes([n0, n1])) {
            return None;
        }
        let sign = u16::from_be_bytes([s0, s1]);
        matches!(sign, 0 | NEGATIVE | NAN | PLUS_INFINITY | MINUS_INFINITY).then(|| Self {
            groups,
            weight: i32::from(i16::from_be_bytes([w0, w1])),
            sign,
            scale: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The value times 10^`scale`, when it has at most `precision` digits.
    #[inline]
    pub(super) fn to_decimal(&self, precision: u8, scale: u8) -> Result<i128, NotDecimal> {
        if self.sign >= NAN {
            return Err(NotDecimal::NotFinite);
        }
        let mut groups = self.groups;
        while let [rest @ .., 0, 0] = groups {
            groups = rest;
        }
        let Some((leading, last)) = groups.split_last_chunk::<2>() else { return Ok(0) };
        // Where the last group's ones stand, counted in digits of the result.
        let position = 4 * (self.weight - (groups.len() / 2) as i32 + 1) + i32::from(scale);
        if position <= -4 || position > 38 {
            return Err(if self.groups_are_digits() { NotDecimal::OutOfRange } else { NotDecimal::Malformed });
        }
        let mut value: u128 = 0;
        let (pairs, _) = leading.as_chunks::<2>();
        for pair in pairs {
            value = self.append(value, 10_000, u16::from_be_bytes(*pair))?;
        }
        let last = u16::from_be_bytes(*last);
        if position >= 0 {
            value = self.append(value, 10_000, last)?;
            value = value.checked_mul(POWERS[position as usize]).ok_or(NotDecimal::OutOfRange)?;
        } else {
            let beyond = POWERS[position.unsigned_abs() as usize] as u16;
            if last >= 10_000 {
                return Err(NotDecimal::Malformed);
            }
            if last % beyond != 0 {
                return Err(NotDecimal::OutOfRange);
            }
            value = self.append(value, u128::from(10_000 / beyond), last / beyond)?;
        }
        if value >= POWERS[usize::from(precision.min(38))] {
            return Err(NotDecimal::OutOfRange);
        }
        let value = value.cast_signed();
        Ok(if self.sign == NEGATIVE { -value } else { value })
    }

    #[inline]
    fn append(&self, value: u128, shift: u128, group: u16) -> Result<u128, NotDecimal> {
        if group >= 10_000 {
            return Err(NotDecimal::Malformed);
        }
        // Most values are small: one multiplication without a check.
        if value < 1 << 96 {
            return Ok(value * shift + u128::from(group));
        }
        let shifted = value.checked_mul(shift).and_then(|value| value.checked_add(u128::from(group)));
        shifted.ok_or_else(|| if self.groups_are_digits() { NotDecimal::OutOfRange } else { NotDecimal::Malformed })
    }

    fn groups_are_digits(&self) -> bool {
        self.groups.as_chunks::<2>().0.iter().all(|group| u16::from_be_bytes(*group) < 10_000)
    }

    /// As PostgreSQL prints it.
    pub(super) fn render(&self) -> String {
        match self.sign {
            NAN => return "NaN".to_owned(),
            PLUS_INFINITY => return "Infinity".to_owned(),
            MINUS_INFINITY => return "-Infinity".to_owned(),
            _ => {}
        }
        let groups = self.groups.as_chunks::<2>().0;
        let group = |place: i32| {
            let index = usize::try_from(self.weight - place).ok();
            index.and_then(|index| groups.get(index)).map_or(0, |group| u16::from_be_bytes(*group))
        };
        let mut whole = String::new();
        for place in (0..=self.weight).rev() {
            whole.push_str(&format!("{:04}", group(place)));
        }
        let mut fraction = String::new();
        for place in 1..=i32::from(self.scale.div_ceil(4)) {
            fraction.push_str(&format!("{:04}", group(-place)));
        }
        fraction.truncate(usize::from(self.scale));
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let sign = if self.sign == NEGATIVE { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

/// Writes a decimal as a field, its length before it.
pub(super) fn put(value: i128, scale: u8, out: &mut BytesMut) {
    // Groups from the last to the first: 38 digits on both sides of a point need at most 11.
    let mut groups = [0_u16; 12];
    let mut count = 0;
    let mut magnitude = value.unsigned_abs();
    let after_point = usize::from(scale).div_ceil(4);
    // The last group is filled up with zeros, so that groups meet at the point.
    let partial = usize::from(scale) % 4;
    if partial != 0 {
        let digits = POWERS[partial];
        groups[0] = ((magnitude % digits) * POWERS[4 - partial]) as u16;
        magnitude /= digits;
        count = 1;
    }
    while magnitude > u128::from(u64::MAX) {
        groups[count] = (magnitude % 10_000) as u16;
        magnitude /= 10_000;
        count += 1;
    }
    let mut magnitude = magnitude as u64;
    while magnitude > 0 {
        groups[count] = (magnitude % 10_000) as u16;
        magnitude /= 10_000;
        count += 1;
    }
    let first = groups[..count].iter().rposition(|group| *group != 0).map_or(0, |last| last + 1);
    let skipped = groups[..first].iter().position(|group| *group != 0).unwrap_or(first);
    let written = first - skipped;
    let weight = if written == 0 { 0 } else { first as i32 - 1 - after_point as i32 };
    out.put_i32(8 + 2 * written as i32);
    out.put_i16(written as i16);
    out.put_i16(weight as i16);
    out.put_u16(if value < 0 { NEGATIVE } else { 0 });
    out.put_u16(u16::from(scale));
    for group in groups[skipped..first].iter().rev() {
        out.put_u16(*group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(groups: &[u16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let mut field = Vec::new();
        field.extend_from_slice(&(groups.len() as u16).to_be_bytes());
        field.extend_from_slice(&weight.to_be_bytes());
        field.extend_from_slice(&sign.to_be_bytes());
        field.extend_from_slice(&scale.to_be_bytes());
        groups.iter().for_each(|group| field.extend_from_slice(&group.to_be_bytes()));
        field
    }

    #[test]
    fn fields_become_decimals_or_say_why_not() {
        use NotDecimal::{Malformed, NotFinite, OutOfRange};
        for (groups, weight, sign, (precision, scale), expected, printed) in [
            (&[][..], 0, 0, (10, 2), Ok(0), "0.00"),
            (&[100], -1, 0, (10, 2), Ok(1), "0.01"),
            (&[12, 3400], 0, NEGATIVE, (10, 2), Ok(-1234), "-12.34"),
            (&[12, 3450], 0, 0, (10, 2), Err(OutOfRange), "12.34"),
            (&[1, 0, 0], 2, 0, (11, 2), Ok(10_000_000_000), "100000000.00"),
            (&[9999, 9999], 1, 0, (9, 2), Err(OutOfRange), "99999999.00"),
            (&[1], 20, 0, (38, 0), Err(OutOfRange), &format!("1{}.00", "0".repeat(80))),
            (&[1], -20, 0, (38, 38), Err(OutOfRange), "0.00"),
            (&[0, 0], 30, 0, (10, 2), Ok(0), "0.00"),
            (&[10_000], 0, 0, (10, 2), Err(Malformed), "10000.00"),
            (&[], 0, NAN, (10, 2), Err(NotFinite), "NaN"),
            (&[], 0, PLUS_INFINITY, (10, 2), Err(NotFinite), "Infinity"),
            (&[], 0, MINUS_INFINITY, (10, 2), Err(NotFinite), "-Infinity"),
        ] {
            let field = field(groups, weight, sign, 2);
            let numeric = Numeric::parse(&field).unwrap();
            assert_eq!(numeric.to_decimal(precision, scale), expected, "{printed}");
            assert_eq!(numeric.render(), printed);
        }
        assert!(Numeric::parse(&field(&[], 0, 0x1234, 2)).is_none());
        assert!(Numeric::parse(&[0; 7]).is_none());
    }

    #[test]
    fn decimals_survive_both_directions() {
        let largest = POWERS[38].cast_signed() - 1;
        for scale in 0..=38 {
            for value in [0, 1, -1, 10, 9_999, 10_000, 123_456_789, i128::from(u64::MAX), largest, -largest] {
                let mut out = BytesMut::new();
                put(value, scale, &mut out);
                let numeric = Numeric::parse(&out[4..]).unwrap();
                assert_eq!(numeric.to_decimal(38, scale), Ok(value), "{value} at scale {scale}");
            }
        }
    }
}
