//! The command line of `cost`.

use std::time::Duration;

use clap::Args;

use super::{Output, time};

/// Nothing is asked of AWS: what is deployed is counted in the templates, durations were measured, prices are listed in
/// the repository. docs/cost.md says what it stands on.
#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// How often a run starts: 1m, 10m or 1h [default: as the environment has it, every 10 minutes without one].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) schedule: Option<Duration>,

    /// Rows that change in the source on a working day [default: those of Totesys, 124].
    #[arg(long, value_name = "N")]
    pub(crate) rows_per_day: Option<u32>,

    /// Rows of the source's largest table [default: those of Totesys, 14,581].
    #[arg(long, value_name = "N")]
    pub(crate) source_rows: Option<u32>,

    /// With the databases in a private network of two zones, where the environment names none.
    #[arg(long)]
    pub(crate) vpc: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}
