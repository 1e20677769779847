//! What an artefact is compiled for.

use std::fmt;

use crate::{Digest, Limits};

/// The wasmtime that artefacts are compiled with and run by.
const WASMTIME: &str = "48.0.8";

/// The call stack of a component.
pub(crate) const STACK_BYTES: usize = 1 << 20;

/// A machine artefacts are compiled for: an architecture's baseline, never the build machine's own CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// AWS Lambda's `arm64`.
    Aarch64,
    /// AWS Lambda's `x86_64`.
    X86_64,
}

impl Target {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// This machine's.
    #[must_use]
    pub fn here() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// Its target triple.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// Reads a target triple.
    #[must_use]
    pub fn of(triple: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.triple() == triple)
    }
}

/// What an engine counts while a component runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// Wall time, by epochs: what production does.
    Epochs,
    /// Wall time, and fuel for every instruction: slower, and the same on every machine.
    Fuel,
    /// Nothing; only to measure what the others cost.
    Nothing,
}

impl Metering {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Epochs, Self::Fuel, Self::Nothing];

    /// What these limits need.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        if limits.fuel > 0 { Self::Fuel } else { Self::Epochs }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Fuel => "epochs fuel",
            Self::Nothing => "no epochs",
        }
    }
}

/// What an artefact is compiled for: wasmtime's version, the target, its baseline CPU and our configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineKey(String);

impl EngineKey {
    /// This program's key for a target and a way of metering.
    #[must_use]
    pub fn of(target: Target, metering: Metering) -> Self {
        let configuration = format!("{} stack={STACK_BYTES} relaxed-simd=off", metering.name());
        let configuration = Digest::of(configuration.as_bytes()).to_string();
        Self(format!("wasmtime-{WASMTIME}-{}-baseline-{}", target.triple(), &configuration[..8]))
    }

    /// The same on this machine.
    #[must_use]
    pub fn here(metering: Metering) -> Self {
        Self::of(Target::here(), metering)
    }

    /// The key of production on this machine.
    #[must_use]
    pub fn current() -> Self {
        Self::here(Metering::Epochs)
    }

    /// A key read from a catalog record; [`crate::Sandbox::load`] compares it with its engines'.
    #[must_use]
    pub fn recorded(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key as text: plain letters, digits, `.`, `_` and `-`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EngineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(
            lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"")),
            "set WASMTIME to Cargo.lock's"
        );
    }

    #[test]
    fn keys_are_plain_text_and_differ() {
        let keys = Target::ALL.map(|target| Metering::ALL.map(|metering| EngineKey::of(target, metering)));
        let mut keys: Vec<EngineKey> = keys.into_iter().flatten().collect();
        assert!(keys.iter().all(|key| key.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))));
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 6);
    }
}
