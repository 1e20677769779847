//! What a program asks of the machine it is started on.

use std::fmt;
use std::io::BufRead as _;

use anyhow::Result;
use infra_templates::Architecture;

use crate::hint::advise;

/// A version of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glibc(pub(super) u32, pub(super) u32);

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What a program asks for.
pub(super) struct Needs {
    pub(super) machine: Architecture,
    /// The newest version of the C library it names; none for a static program.
    pub(super) glibc: Option<Glibc>,
}

/// Reads a program's header and the versions it names. Every text `GLIBC_…` counts, a symbol's or not: what is named
/// too much errs on the safe side.
pub(super) fn read(program: &[u8]) -> Result<Needs> {
    let other = || advise("the program is no 64-bit Linux program", "build it on Linux, or with cargo-zigbuild");
    if program.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(other());
    }
    let machine = match program.get(18..20) {
        Some([62, 0]) => Architecture::X86_64,
        Some([183, 0]) => Architecture::Arm64,
        _ => return Err(other()),
    };
    Ok(Needs { machine, glibc: newest_glibc(program) })
}

fn newest_glibc(mut rest: &[u8]) -> Option<Glibc> {
    let mut newest = None;
    // Its search is compiled with optimisation whatever this program is compiled with, and a program is large.
    while rest.skip_until(b'G').is_ok_and(|skipped| skipped > 0) {
        if let Some(text) = rest.strip_prefix(b"LIBC_") {
            newest = newest.max(version(text));
        }
    }
    newest
}

fn version(text: &[u8]) -> Option<Glibc> {
    let end = text.iter().take(12).position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let text = std::str::from_utf8(&text[..end]).ok()?;
    let mut parts = text.split('.');
    Some(Glibc(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
