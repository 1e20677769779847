//! Checksums and random names.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::LakeError;

/// The SHA-256 of some bytes, in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// So many random bytes from the operating system, in lower-case hex.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String, LakeError> {
    let mut bytes = [0_u8; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| LakeError::Random)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// One try of one stage: sixteen random hex digits, in the keys of its files and in its records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Attempt(String);

impl TryFrom<String> for Attempt {
    type Error = &'static str;

    /// What a record says is untrusted, and attempts are parts of keys.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if digits && text.len() == 16 { Ok(Self(text)) } else { Err("an attempt has sixteen lower-case hex digits") }
    }
}

impl Attempt {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, LakeError> {
        random_hex::<8>().map(Self)
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_attempts_are_lower_case_hex() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
        let (one, two) = (Attempt::random().unwrap(), Attempt::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 16);
        assert!(one.as_str().bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    }
}
