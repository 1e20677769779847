//! Numbers that follow from a value and do not look like it. A page of today must be the page of tomorrow, so they may
//! not depend on a library's hash.

/// An endless sequence of numbers that follows from a value.
pub(super) struct Noise(u64);

impl Noise {
    /// The sequence of a value, begun at its FNV-1a hash.
    pub(super) fn of(value: &[u8]) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(value.iter().fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// The next number below `limit`, by SplitMix64.
    pub(super) fn among(&mut self, limit: u8) -> u8 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u8::try_from((mixed ^ (mixed >> 31)) % u64::from(limit)).unwrap_or_default()
    }

    /// Another letter of the same case for a letter, another digit for a digit, and all else as it is.
    pub(super) fn mask(&mut self, char: char) -> char {
        match char {
            '0'..='9' => self.other(char, b'0', 10),
            'a'..='z' => self.other(char, b'a', 26),
            'A'..='Z' => self.other(char, b'A', 26),
            _ if char.is_uppercase() => char::from(b'A' + self.among(26)),
            _ if char.is_alphabetic() => char::from(b'a' + self.among(26)),
            _ if char.is_numeric() => char::from(b'0' + self.among(10)),
            _ => char,
        }
    }

    /// One of the `count` characters from `first` on that is not this one.
    fn other(&mut self, char: char, first: u8, count: u8) -> char {
        let at = u8::try_from(char).unwrap_or(first) - first;
        char::from(first + (at + 1 + self.among(count - 1)) % count)
    }
}
