//! The command line of what is done with a deployed environment: looking, starting, mending.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, time};

/// Nothing is changed. Without --env only this machine and the settings file are looked at.
///
/// Exit codes: 0 nothing stands in the way, 1 something does.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print the least IAM policy a deployer of the environment needs, and nothing else.
    #[arg(long)]
    pub(crate) policy: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Store where a database is, read from stdin: a postgresql:// URL, or the JSON of an RDS secret.
    Set(SetSecret),
}

#[derive(Debug, Args)]
pub(crate) struct SetSecret {
    /// The database.
    #[arg(value_name = "DATABASE")]
    pub(crate) which: Database,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// A database of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// The operational database.
    Source,
    /// The star-schema database.
    Warehouse,
}

impl Database {
    pub(crate) const ALL: [Self; 2] = [Self::Source, Self::Warehouse];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Warehouse => "warehouse",
        }
    }
}

/// `run --aws`.
#[derive(Debug, Args)]
pub(crate) struct RunOnAws {
    /// Start an execution of the environment's state machine and follow it to its end; one that runs already is
    /// followed instead.
    #[arg(long, conflicts_with_all = ["every", "full"])]
    pub(crate) aws: bool,

    /// Start an execution although one runs already: the second finds the first's work done, or waits behind it.
    #[arg(long, requires = "aws")]
    pub(crate) new: bool,
}

/// `status --aws`.
#[derive(Debug, Args)]
pub(crate) struct StatusOnAws {
    /// Say as well how the environment runs on AWS: executions, alarms, e-mail subscriptions, the last deployment.
    #[arg(long)]
    pub(crate) aws: bool,
}

/// Where log lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogSource {
    /// The extract function.
    Extract,
    /// The transform function.
    Transform,
    /// The load function.
    Load,
    /// The state machine.
    Machine,
    /// The state machine that reads large tables in chunks.
    Backfill,
}

impl LogSource {
    pub(crate) const ALL: [Self; 5] = [Self::Extract, Self::Transform, Self::Load, Self::Machine, Self::Backfill];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Load => "load",
            Self::Machine => "machine",
            Self::Backfill => "backfill",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Only the lines of this; may be repeated [default: all].
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Vec<LogSource>,

    /// How far to look back: 30s, 10m or 1h [default: 1h].
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "execution")]
    pub(crate) since: Option<Duration>,

    /// Go on until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// Only what was logged from the start of this execution to its end.
    #[arg(long, value_name = "ARN")]
    pub(crate) execution: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Confirm a subscription so that nobody ends it by a link in a mail, and ask missing addresses again.
    Confirm(ConfirmAlerts),
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmAlerts {
    /// The token of AWS's mail, or the whole link; `-` reads it from stdin. Without it, say who is pending.
    #[arg(long, value_name = "LINK|TOKEN")]
    pub(crate) token: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct CollectGarbage {
    /// Keep the code and templates of the newest so many deployments.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) deployments: u64,

    /// Keep the components that the newest so many catalog records name.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keep: u64,

    /// Delete; without it, only say what would be deleted.
    #[arg(long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}
