//! The command line of `package`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Output;

/// The program is built for Amazon Linux 2023 with cargo-zigbuild, and checked: its processor, the C library it needs,
/// its size.
#[derive(Debug, Args)]
pub(crate) struct Package {
    /// The processor [default: the environment's, or this machine's].
    #[arg(long)]
    pub(crate) architecture: Option<Processor>,

    /// Build as tests do, for this machine's processor: quick to make, slow to run.
    #[arg(long)]
    pub(crate) dev: bool,

    /// Where to write the zip [default: target/package/SHA256.zip].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// A processor that AWS Lambda has.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Processor {
    /// AWS Graviton.
    #[value(name = "arm64")]
    Arm64,
    /// Intel or AMD.
    #[value(name = "x86_64")]
    X86_64,
}

impl From<Processor> for infra_templates::Architecture {
    fn from(processor: Processor) -> Self {
        match processor {
            Processor::Arm64 => Self::Arm64,
            Processor::X86_64 => Self::X86_64,
        }
    }
}
