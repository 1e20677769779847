//! The command line.

mod cost;
mod deploy;
mod operations;
mod package;
mod transform;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use totesys_simulate::{Moment, Rates};

use crate::bench::Stage;

pub(crate) use cost::Cost;
pub(crate) use deploy::{Deploy, Destroy, Diff, Drift, Outputs, RollbackDeployment, Synth};
pub(crate) use operations::{
    Alerts, CollectGarbage, ConfirmAlerts, Database, Doctor, LogSource, Logs, RunOnAws, Secret, SetSecret, StatusOnAws,
};
pub(crate) use package::Package;
pub(crate) use transform::{
    BuildCrate, Explain, Gc, Inspect, Keygen, Log, New, Plan, Publish, Rebuild, Record, Rollback, TestCases, Transform,
};

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

    /// Work on a deployed environment: [environments.NAME] of the settings file.
    #[arg(long = "env", global = true, value_name = "NAME", conflicts_with = "demo")]
    pub(crate) environment: Option<String>,

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
    Status(Status),
    /// Look at rows that could not be transformed or loaded, and offer them again.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Make, test, plan, publish and take back the components that compute the stars.
    #[command(subcommand)]
    Transform(Transform),
    /// Load a snapshot (a folder of eleven CSV files) into an empty source database.
    Import(Import),
    /// Let a source live for some minutes while runs are killed, connections cut and requests refused, then compare.
    Soak(Soak),
    /// Make a source live: orders, payments at 07:55, silent changes, late commits, deletions.
    Simulate(Simulate),
    /// Build the functions' program for AWS Lambda, as a zip.
    Package(Package),
    /// Say what stands in the way of a deployment, each with its remedy.
    Doctor(Doctor),
    /// Keep where a database is, with its password, in AWS Secrets Manager.
    #[command(subcommand)]
    Secret(Secret),
    /// Write the CloudFormation templates and diagrams.
    Synth(Synth),
    /// Say what a deployment would change on AWS.
    Diff(Diff),
    /// Put an environment on AWS, or bring it up to date.
    Deploy(Deploy),
    /// Say what somebody changed on AWS by hand.
    Drift(Drift),
    /// Go back to an earlier deployment, or help a stack that got stuck on its way back.
    Rollback(RollbackDeployment),
    /// Print what the stacks say of themselves: ARNs, names, the dashboard's address.
    Outputs(Outputs),
    /// Take an environment off AWS; its data stays.
    Destroy(Destroy),
    /// Read the logs of the functions and state machines.
    Logs(Logs),
    /// See to it that alarms reach somebody.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Delete code and templates that no deployment and no catalog record names.
    Gc(CollectGarbage),
    /// Estimate what an environment costs a month.
    Cost(Cost),
    /// Measure every stage on orders made for it, with --peers against other tools.
    Bench(Bench),
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON for a program instead of text for a person.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) aws: StatusOnAws,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Build only this component of the checkout; may be repeated.
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

    /// Leave out the deployment to an emulator of AWS, which needs python3-venv and npm.
    #[arg(long)]
    pub(crate) no_aws: bool,

    /// Build the functions for release as well, for every processor this machine can build for, and check them: minutes.
    #[arg(long)]
    pub(crate) all: bool,

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
    pub(crate) aws: RunOnAws,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The fact table, such as fact_sales_order.
    #[arg(value_name = "FACT")]
    pub(crate) fact: String,

    /// Its key, such as the order's id; several when the key has several columns.
    #[arg(value_name = "ID", required = true, allow_negative_numbers = true)]
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

#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How long there is trouble.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) minutes: u64,

    /// What chance follows from [default: the time of day].
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
}

/// What happens follows from the seed, the rates and what the source holds. A database without tables gets them.
///
/// A working day has 22 sales orders, 9 purchase orders and 0.86 designs on average. In 84 days of a year there are
/// 24 silent changes of sales orders, 10 of purchase orders and 4 of designs (`last_updated` stays as it was), 4
/// orders changed for a while, 21 late commits, 42 transactions with savepoints, changes of 3 addresses and 2
/// departments, and 6 deletions, half of which come back.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Stop after so many simulated days; without --speed, they pass as fast as the source takes them.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) days: Option<f64>,

    /// How much faster than real time the simulated clock goes [default: 1].
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    pub(crate) speed: Option<f64>,

    /// What chance follows from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// The day the simulated clock begins with [default: now in real time, else after the newest timestamp].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(crate) from: Option<Moment>,

    /// Set a rate: sales, purchases and designs count a working day, `returning` is a share, the others count 84 days:
    /// silent-sales, silent-purchases, silent-designs, there-and-back, late-commits, savepoints, addresses,
    /// departments, deletions. May be repeated.
    #[arg(long, value_name = "NAME=NUMBER", value_parser = rate)]
    pub(crate) rate: Vec<(String, f64)>,

    /// First fill an empty source with so many sales orders, and purchase orders, transactions and payments in
    /// proportion. Without --days or --speed, do nothing else.
    #[arg(long, value_name = "N")]
    pub(crate) orders: Option<u64>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Sales orders in the source.
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    pub(crate) rows: u64,

    /// Let DuckDB, ConnectorX and Polars (from PyPI) do the same work, and write docs/benchmark.md.
    #[arg(long)]
    pub(crate) peers: bool,

    /// Measure only this; may be repeated. What it needs is done without being measured.
    #[arg(long, value_name = "STAGE")]
    pub(crate) only: Vec<Stage>,

    #[command(flatten)]
    pub(crate) output: Output,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a number greater than 0 is expected".to_owned())
}

fn date(text: &str) -> Result<Moment, String> {
    Moment::of_date(text).ok_or_else(|| "a date is written as 2024-02-29".to_owned())
}

fn rate(text: &str) -> Result<(String, f64), String> {
    let (name, number) = text.split_once('=').ok_or("a rate is written as sales=22")?;
    let number = number.parse().map_err(|_| "a rate is written as sales=22")?;
    Rates::default().set(name, number).map_err(|error| {
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{error}{hint}")
    })?;
    Ok((name.to_owned(), number))
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
    fn rates_and_dates() {
        assert_eq!(rate("silent-sales=240"), Ok(("silent-sales".to_owned(), 240.0)));
        for wrong in ["sales", "sales=", "sales=many", "sale=1", "sales=-1", "returning=2"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert!(date("2024-02-29").is_ok() && date("2023-02-29").is_err());
        assert!(positive("0").is_err() && positive("inf").is_err() && positive("0.5") == Ok(0.5));
    }

    #[test]
    fn options_after_a_key_are_options() {
        let parsed = Arguments::try_parse_from(["xtask", "history", "fact_payment", "-7", "--demo"]).unwrap();
        let Verb::History(history) = parsed.verb else { panic!("another verb") };
        assert!(parsed.demo);
        assert_eq!(history.key, ["-7"]);
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
