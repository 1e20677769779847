//! The processors of AWS Lambda, as packages are built and components compiled for them.

use infra_templates::Architecture;
use totesys_sandbox::Target;

/// This machine's.
pub(crate) fn here() -> Architecture {
    match Target::here() {
        Target::Aarch64 => Architecture::Arm64,
        Target::X86_64 => Architecture::X86_64,
    }
}

/// What is compiled for a processor: components as they are, and Rust by its triple.
pub(crate) fn target(architecture: Architecture) -> Target {
    match architecture {
        Architecture::Arm64 => Target::Aarch64,
        Architecture::X86_64 => Target::X86_64,
    }
}
