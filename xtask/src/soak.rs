//! `soak`: the worst night, for as long as one likes.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::arguments::Soak;
use crate::cluster::{Cluster, Tuning};
use crate::guests;
use crate::place::{cargo, home, say, workspace};

/// The test whose long form this is.
const TEST: &str = "soak::every_version_arrives_once_through_the_worst_night";

/// Runs the test of the worst night with a time and a seed of its own.
pub(crate) fn soak(arguments: &Soak) -> Result<()> {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = arguments.seed.unwrap_or_else(clock);
    say(&format!("{} minutes of trouble, seed {seed}", arguments.minutes));
    let workspace = workspace();
    let shell = Shell::new()?;
    shell.change_dir(&workspace);
    let cargo = cargo();
    let guests = guests::build(&shell, &workspace, &say)?;
    let folder = guests.first().and_then(|guest| guest.path.parent()).unwrap_or(&workspace).to_owned();
    let cluster = Cluster::start(&home().join("test-cluster"), Tuning::Throwaway)?;
    // All tests are named, as `cargo test` does it, so that nothing is compiled with other features.
    cmd!(shell, "{cargo} test --workspace --locked --tests {TEST} -- --exact --nocapture")
        .quiet()
        .env("TOTESYS_TEST_SERVER", cluster.url("postgres"))
        .env("TOTESYS_TEST_COMPONENTS", &folder)
        .env("TOTESYS_SOAK_MINUTES", arguments.minutes.to_string())
        .env("TOTESYS_SOAK_SEED", seed.to_string())
        .run()?;
    Ok(())
}
