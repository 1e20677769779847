//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Totesys: keeps a star-schema warehouse true to an operational PostgreSQL database.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Arguments {
    /// Settings file [default: totesys.toml, if it is there; see totesys.example.toml].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,

    /// Log what is done in detail, on stderr.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,

    /// Use the demo's databases and lake instead of those of the settings.
    #[arg(long, global = true)]
    pub(crate) demo: bool,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show the whole pipeline on sample data: two batches, a silent change, what the warehouse says.
    Demo,
    /// Build the WebAssembly components.
    Build(Build),
    /// Check formatting and lints, then run all tests.
    Test(Test),
    /// Bring the warehouse up to date with the source, once or again and again.
    Run(Run),
    /// Fill an empty warehouse from the lake alone: the same rows, record ids and history.
    Reload(Output),
    /// Show every version of one fact, deletions included.
    History(History),
    /// Say how it stands: batches, rows per table, lag, live components.
    Status(Output),
    /// Look at rows that could not be transformed or loaded, and offer them again.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Load a snapshot (a folder of eleven CSV files) into an empty source database.
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON for a program instead of text for a person.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Build only this component; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) guest: Vec<String>,

    /// Where to build [default: target/guests].
    #[arg(long, value_name = "DIR")]
    pub(crate) target_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Leave out the tests that need the real snapshot in ../shared/data.
    #[arg(long)]
    pub(crate) no_snapshot: bool,

    /// Skip formatting and lints.
    #[arg(long)]
    pub(crate) only_tests: bool,

    /// What `cargo test` is told besides, such as a test's name.
    #[arg(last = true)]
    pub(crate) cargo: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Go on until interrupted, starting a run this often: 30s, 10m or 1h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) every: Option<Duration>,

    /// Read all tables, or these, whole, although nothing demands it: a new baseline.
    #[arg(long, value_name = "TABLE", num_args = 0.., conflicts_with = "every")]
    pub(crate) full: Option<Vec<String>>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The fact table, such as fact_sales_order.
    #[arg(value_name = "FACT")]
    pub(crate) fact: String,

    /// Its key, such as the order's id; several when the key has several columns.
    #[arg(value_name = "ID", required = true, allow_hyphen_values = true)]
    pub(crate) key: Vec<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List the rows that are refused, unreadable, or wait for a dimension row, each with the id `show` takes.
    List(List),
    /// Show a row whole, with the reason it is held for.
    Show(Show),
    /// Offer every refused row to its component now, whatever changed in the source.
    Replay(Replay),
    /// Write every row with its reason, as JSON lines or CSV.
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this star's rows, and those of the tables it reads.
    #[arg(long, value_name = "STAR")]
    pub(crate) star: Option<String>,

    /// Count the rows instead of listing them.
    #[arg(long, value_name = "WHAT", conflicts_with = "values")]
    pub(crate) by: Option<By>,

    /// Print the rows whole.
    #[arg(long)]
    pub(crate) values: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// What rows are counted by.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum By {
    /// Star, table and reason.
    Code,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The row's id, as `list` prints it.
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Only this star's rows.
    #[arg(long, value_name = "STAR")]
    pub(crate) star: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder to write to; `-` or nothing is stdout.
    #[arg(value_name = "DIR")]
    pub(crate) target: Option<PathBuf>,

    /// Only this star's rows, and those of the tables it reads.
    #[arg(long, value_name = "STAR")]
    pub(crate) star: Option<String>,

    /// CSV instead of JSON lines; the row is one field.
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The folder: address.csv, counterparty.csv and so on, each with a header; empty means NULL.
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// A time such as `10m`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number with s, m or h after it, such as 10m".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn times() {
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "m", "10", "0m", "-1s", "1.5h", "10 m", "99999999999999999999s", "10µ"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
