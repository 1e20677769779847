//! SHA-256 digests.

use std::fmt;

use ring::digest::{SHA256, digest};

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut value = [0; 32];
        value.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(value)
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        read_hex(text, &mut bytes).then_some(Self(bytes))
    }
}

/// Fills `bytes` from hexadecimal digits; false when the text is anything else.
pub(crate) fn read_hex(text: &str, bytes: &mut [u8]) -> bool {
    text.len() == bytes.len() * 2
        && text.is_ascii()
        && bytes.iter_mut().enumerate().all(|(position, byte)| {
            u8::from_str_radix(&text[position * 2..position * 2 + 2], 16).map(|value| *byte = value).is_ok()
        })
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
