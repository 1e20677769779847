//! Compiled components and the publisher's signature that lets them in.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::digest::{hex, read_hex};
use crate::{Digest, EngineKey, SandboxError};

/// Sets these signatures apart from any other use of the key.
const DOMAIN: &str = "totesys:artefact:v1";

/// What a publisher signs: which component of which star this artefact was compiled from, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArtifactClaim {
    /// The portable component's digest.
    pub component: Digest,
    /// The star it is for.
    pub star: String,
    /// The component's version.
    pub version: String,
    /// What it was compiled for.
    pub engine: EngineKey,
    /// The artefact's own digest.
    pub artifact: Digest,
}

impl ArtifactClaim {
    /// Whether one of these publishers signed it.
    #[must_use]
    pub fn is_signed(&self, signature: &Signature, by: &[PublicKey]) -> bool {
        let message = self.message();
        by.iter().any(|key| UnparsedPublicKey::new(&ED25519, key.0).verify(&message, &signature.0).is_ok())
    }

    /// The signed bytes: every part with its length before it, so that no two claims share them.
    fn message(&self) -> Vec<u8> {
        let parts = [
            DOMAIN,
            &self.component.to_string(),
            &self.star,
            &self.version,
            self.engine.as_str(),
            &self.artifact.to_string(),
        ];
        parts.iter().flat_map(|part| (part.len() as u64).to_le_bytes().into_iter().chain(part.bytes())).collect()
    }
}

/// An ed25519 signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Reads 128 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = vec![0; 64];
        read_hex(text, &mut bytes).then_some(Self(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// A publisher's public key. It comes from the settings, never from the lake.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        read_hex(text, &mut bytes).then_some(Self(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A publisher's private key. It never enters the lake.
pub struct PublisherKey(Ed25519KeyPair);

impl PublisherKey {
    /// A new key, as the PKCS#8 document to be kept.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Vec<u8>, SandboxError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| SandboxError::Key)?;
        Ok(document.as_ref().to_vec())
    }

    /// Reads a PKCS#8 document.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, SandboxError> {
        Ed25519KeyPair::from_pkcs8(document).map(Self).map_err(|_| SandboxError::Key)
    }

    /// The key that checks this one's signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs a claim.
    #[must_use]
    pub fn sign(&self, claim: &ArtifactClaim) -> Signature {
        Signature(self.0.sign(&claim.message()).as_ref().to_vec())
    }
}

/// An artefact whose publisher is trusted and whose bytes are the ones signed.
pub struct VerifiedArtifact {
    claim: ArtifactClaim,
    bytes: Vec<u8>,
}

impl VerifiedArtifact {
    /// Checks the bytes against the claim, and the claim's signature against the trusted publishers.
    ///
    /// # Errors
    /// When the bytes are others, or no trusted publisher signed this claim.
    pub fn verify(
        claim: ArtifactClaim,
        bytes: Vec<u8>,
        signature: &Signature,
        trusted: &[PublicKey],
    ) -> Result<Self, SandboxError> {
        let refused =
            |problem| SandboxError::Unverified { star: claim.star.clone(), component: claim.component, problem };
        if Digest::of(&bytes) != claim.artifact {
            return Err(refused("its bytes are not the ones that were signed"));
        }
        if !claim.is_signed(signature, trusted) {
            return Err(refused("no trusted publisher signed it for this star, version and engine"));
        }
        Ok(Self { claim, bytes })
    }

    pub(crate) fn claim(&self) -> &ArtifactClaim {
        &self.claim
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(bytes: &[u8]) -> ArtifactClaim {
        ArtifactClaim {
            component: Digest::of(b"component"),
            star: "sales".into(),
            version: "0.1.0".into(),
            engine: EngineKey::current(),
            artifact: Digest::of(bytes),
        }
    }

    fn key() -> Result<PublisherKey, SandboxError> {
        PublisherKey::from_pkcs8(&PublisherKey::generate()?)
    }

    #[test]
    fn only_what_was_signed_gets_in() -> Result<(), SandboxError> {
        let (publisher, stranger) = (key()?, key()?);
        let signature = publisher.sign(&claim(b"code"));
        let verify = |claim, bytes: &[u8], signature: &Signature, trusted: &PublisherKey| {
            VerifiedArtifact::verify(claim, bytes.to_vec(), signature, &[trusted.public()]).is_ok()
        };
        assert!(verify(claim(b"code"), b"code", &signature, &publisher));
        assert!(!verify(claim(b"code"), b"other code", &signature, &publisher));
        assert!(!verify(claim(b"other code"), b"other code", &signature, &publisher));
        assert!(!verify(ArtifactClaim { star: "payments".into(), ..claim(b"code") }, b"code", &signature, &publisher));
        assert!(!verify(claim(b"code"), b"code", &signature, &stranger));
        assert!(!verify(claim(b"code"), b"code", &stranger.sign(&claim(b"code")), &publisher));
        Ok(())
    }
}
