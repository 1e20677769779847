//! The command line of what makes, changes and removes an environment on AWS.

use std::path::PathBuf;

use clap::Args;

use super::Output;

/// Without --env the environments of infra-templates/golden are taken.
///
/// Exit codes: 0 written, or everything is as git has it; 1 something differs, or it failed.
#[derive(Debug, Args)]
pub(crate) struct Synth {
    /// Compare the golden templates and the diagrams in docs/ with what the code makes, and write nothing.
    #[arg(long, conflicts_with_all = ["out", "diagram"])]
    pub(crate) check: bool,

    /// Draw the infrastructure and the state machines as Mermaid instead of writing templates.
    #[arg(long)]
    pub(crate) diagram: bool,

    /// Where to write [default: stdout]: a folder, or with --diagram a Markdown file with markers.
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Nothing is changed: the change sets that are made to find out are deleted again.
///
/// Exit codes: 0 no changes, 2 changes, 3 changes that replace or remove something or widen permissions, 1 an error.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Compare as if this package were deployed [default: the code that is deployed].
    #[arg(long, value_name = "ZIP")]
    pub(crate) package: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Only what replaces or removes something or widens permissions is asked about. Interrupted, AWS goes on alone; the
/// same command follows it.
///
/// Exit codes: 0 deployed, or no changes; 3 not approved; 1 an error.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Approve everything.
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Deploy this package instead of building one.
    #[arg(long, value_name = "ZIP", conflicts_with = "apply")]
    pub(crate) package: Option<PathBuf>,

    /// Build the functions' program without optimisation: quicker to build, slower to run.
    #[arg(long, conflicts_with_all = ["package", "apply"])]
    pub(crate) dev: bool,

    /// Prepare everything and write down what would be executed, for --apply.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apply", "yes"])]
    pub(crate) plan: Option<PathBuf>,

    /// Execute exactly the plan in this file; refused when the stacks have moved on since, or it is too old.
    #[arg(long, value_name = "FILE")]
    pub(crate) apply: Option<PathBuf>,

    /// Change the functions' code and nothing else: a change set of one parameter.
    #[arg(long, conflicts_with = "apply")]
    pub(crate) code_only: bool,

    /// Why; kept in the deployment's record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
}

/// What is deleted and what stays is said first. The data stack stays unless --delete-data is given. Broken off, the same
/// command goes on.
///
/// Exit codes: 0 done, 3 not approved, 1 an error.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// Delete what runs without asking. The data stack has a question of its own.
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Delete the data stack as well, with its buckets, secrets, topic and Glue database and everything in them, for good;
    /// the stack's name is asked for.
    #[arg(long)]
    pub(crate) delete_data: bool,

    /// The data stack's name, for programs that cannot be asked.
    #[arg(long, value_name = "STACK", requires = "delete_data")]
    pub(crate) confirm: Option<String>,
}

/// Exit codes: 0 everything is as deployed, 2 something was changed by hand, 1 an error.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A stack whose own rollback got stuck is helped to its end. Otherwise code and template of an earlier deployment are
/// put back, through a change set that is shown first; data stays as it is.
///
/// Exit codes: 0 rolled back, 3 not approved, 1 an error.
#[derive(Debug, Args)]
pub(crate) struct RollbackDeployment {
    /// The deployment to go back to [default: the newest that is not what runs now].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to: Option<u64>,

    /// Approve everything.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Outputs {
    #[command(flatten)]
    pub(crate) output: Output,
}
