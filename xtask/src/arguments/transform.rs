//! The command line of `transform`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Transform {
    /// Make a crate for a star of your own: with a mapping, a case and a passing test.
    New(New),
    /// Build the component of a star's crate, wherever it lies.
    Build(BuildCrate),
    /// Run a star's cases natively and in the sandbox, which must agree.
    Test(TestCases),
    /// Make a case from rows of a real batch, with values masked.
    Record(Record),
    /// Say what a component is: its `describe` is called, nothing else of it runs.
    Inspect(Inspect),
    /// Say what would change if these components went live, by running old and new over real rows.
    Plan(Plan),
    /// Put components live: the next run uses them.
    Publish(Publish),
    /// Go back to the components of an earlier catalog record.
    Rollback(Rollback),
    /// Say what is live since when, and what was before.
    Log(Log),
    /// Delete stored code that nothing names any more.
    Gc(Gc),
    /// Recompute a star from the ingested batches with its live component, and swap the result in.
    Rebuild(Rebuild),
    /// Say which component and batches made a Parquet file, or a row of the warehouse.
    Explain(Explain),
    /// Make a publisher's key, or show the public half of the one there is.
    Keygen(Keygen),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The star's name: lower-case letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Where to make the crate [default: a folder of the star's name in the current one].
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BuildCrate {
    /// The crate's folder.
    #[arg(value_name = "DIR")]
    pub(crate) path: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct TestCases {
    /// A bundled star's name or a crate's folder [default: every bundled star].
    #[arg(value_name = "NAME|DIR")]
    pub(crate) star: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// A bundled star's name or a crate's folder.
    #[arg(value_name = "NAME|DIR")]
    pub(crate) star: String,

    /// The batch to take rows from [default: the newest with changes for the star].
    #[arg(long, value_name = "BATCH")]
    pub(crate) batch: Option<u64>,

    /// How many rows of each changed table to take, and of each snapshot those they lead to.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    pub(crate) rows: usize,

    /// The case's name: its file is NAME.md in the crate's `cases` folder.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The component.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Exit codes: 0 nothing would change, 2 something would, 3 nothing can be concluded because an input has no rows,
/// 1 the components cannot go live or something failed.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The components.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// How many of the newest batches with changes to run, besides the current state of every input.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) batches: usize,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The components; several go live together.
    #[arg(value_name = "FILE", required_unless_present = "bundled")]
    pub(crate) files: Vec<PathBuf>,

    /// Publish the components of this checkout, built anew if their sources changed.
    #[arg(long, conflicts_with = "files")]
    pub(crate) bundled: bool,

    /// Why; kept in the catalog.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,

    /// Compile for this target as well as for this machine; may be repeated.
    #[arg(long, value_name = "TRIPLE", value_parser = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"])]
    pub(crate) target: Vec<String>,

    /// Go live without the trial run over a recorded batch.
    #[arg(long)]
    pub(crate) no_canary: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The catalog record to go back to [default: the newest with other components than the live one].
    #[arg(long, value_name = "RECORD")]
    pub(crate) to: Option<u64>,

    /// Why; kept in the catalog.
    #[arg(long, value_name = "TEXT", default_value = "rollback")]
    pub(crate) note: String,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// How many records to show, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) records: usize,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// Keep what the newest so many catalog records name.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keep: u64,

    /// Delete; without it, only say what would be deleted.
    #[arg(long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// The star.
    #[arg(long, value_name = "NAME")]
    pub(crate) star: String,

    /// The first batch to compute again [default: the star's first].
    #[arg(long, value_name = "BATCH")]
    pub(crate) from: Option<u64>,

    /// Swap the result in without asking.
    #[arg(long, conflicts_with_all = ["accept", "undo"])]
    pub(crate) yes: bool,

    /// Drop the former tables of a rebuild that was swapped in.
    #[arg(long, conflicts_with_all = ["undo", "from"])]
    pub(crate) accept: bool,

    /// Put the former tables of a rebuild back.
    #[arg(long, conflicts_with = "from")]
    pub(crate) undo: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A Parquet file, by its path or by its key in the lake; or a table of the warehouse.
    #[arg(value_name = "FILE|TABLE")]
    pub(crate) what: String,

    /// The row's key; several when the key has several columns.
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) key: Vec<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where the private key lies, or is to be written [default: target/totesys/publisher.pk8].
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}
