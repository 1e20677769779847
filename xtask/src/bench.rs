//! `bench`: every stage measured, and the same work done by other tools.

mod costs;
mod data;
mod field;
mod measure;
mod peers;
mod plot;
mod report;
mod start;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use host_lambda::settings::Settings;
use xshell::{Shell, cmd};

use crate::arguments::Bench;
use crate::place::{cargo, say, workspace};

use field::Field;
use measure::Measured;
use report::Report;

/// What is measured, in the order in which one thing needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Stage {
    /// `psql` copies the orders to nowhere: what the server can do at most.
    Floor,
    /// Source to Parquet.
    Extract,
    /// Parquet to the star's Parquet.
    Transform,
    /// The component's code alone, in the sandbox and natively.
    Component,
    /// The component compiled, and the compiled one loaded by a process that is new.
    Loading,
    /// One call with few rows and with many, and what epochs and fuel add to it.
    Calls,
    /// A component planned in the place of the live one, over 1,000,000 orders.
    Plan,
    /// The star's Parquet into the warehouse.
    Load,
    /// `psql` copies the same rows into the same table.
    Copy,
    /// A run that finds nothing, though the server was at work.
    Empty,
    /// A run that finds nothing on a server on which nothing has ended.
    Quiet,
    /// A run that finds 10,000 changes.
    Changes,
    /// The functions' processes started anew, as they are deployed; needs no other stage and no `--rows`.
    Start,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Floor => "read floor",
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Component => "component",
            Self::Loading => "component loading",
            Self::Calls => "calls",
            Self::Plan => "plan",
            Self::Load => "load",
            Self::Copy => "write floor",
            Self::Empty => "empty run",
            Self::Quiet => "empty run, idle server",
            Self::Changes => "10,000 changes",
            Self::Start => "start",
        }
    }

    /// The stages whose outcome this one works on.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Floor | Self::Extract | Self::Loading | Self::Plan | Self::Start => &[],
            Self::Transform | Self::Component | Self::Calls => &[Self::Extract],
            Self::Load => &[Self::Extract, Self::Transform],
            Self::Copy | Self::Empty | Self::Quiet | Self::Changes => &[Self::Extract, Self::Transform, Self::Load],
        }
    }

    /// Who does the work, ours first.
    fn contestants(self, peers: bool) -> Vec<Contestant> {
        use Contestant as C;
        let (ours, others): (&[C], &[C]) = match self {
            Self::Floor => (&[C::Psql, C::PsqlTwoRanges], &[]),
            Self::Extract => (&[C::Totesys], &[C::DuckDb, C::ConnectorX]),
            Self::Transform => (&[C::Totesys], &[C::Polars, C::DuckDb]),
            Self::Component | Self::Plan => (&[C::Totesys], &[]),
            // Their figures are no rows in so many seconds.
            Self::Loading | Self::Calls | Self::Start => (&[], &[]),
            Self::Load => (&[C::Totesys], &[C::DuckDb]),
            Self::Copy => (&[C::Psql, C::PsqlNoKey], &[]),
            Self::Empty | Self::Quiet => (&[C::Totesys], &[]),
            Self::Changes => (&[C::Totesys], &[C::DuckDb]),
        };
        ours.iter().chain(others.iter().filter(|_| peers)).copied().collect()
    }
}

/// Who does a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Totesys,
    /// A star's code without the sandbox.
    Native,
    Psql,
    PsqlTwoRanges,
    PsqlNoKey,
    DuckDb,
    ConnectorX,
    Polars,
}

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Totesys => "Totesys",
            Self::Native => "the same, natively",
            Self::Psql => "psql",
            Self::PsqlTwoRanges => "psql, two page ranges",
            Self::PsqlNoKey => "psql, no key",
            Self::DuckDb => "DuckDB",
            Self::ConnectorX => "ConnectorX",
            Self::Polars => "Polars",
        }
    }
}

/// How often each piece of work is done; the median counts.
const ROUNDS: usize = 3;

/// Work that takes longer is done once: it is steady by itself.
const LONG_SECONDS: f64 = 10.0;

/// Measures what was asked for, and what that needs.
pub(crate) async fn bench(settings: Settings, arguments: &Bench) -> Result<()> {
    let asked: Vec<Stage> =
        if arguments.only.is_empty() { Stage::value_variants().to_vec() } else { arguments.only.clone() };
    let mut field = None;
    if asked.iter().any(|stage| *stage != Stage::Start) {
        let program = tokio::task::block_in_place(build)?;
        field = Some(Field::prepare(settings.clone(), program, arguments.rows, arguments.peers).await?);
    }
    let mut report = Report::new(arguments, field.as_ref().map(Field::expected));
    if let Some(field) = &mut field {
        measure(field, arguments, &asked, &mut report).await?;
    }
    if asked.contains(&Stage::Start) {
        report.add_starts(start::starts(settings).await?);
    }
    if arguments.output.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report.markdown());
    }
    // The published figures are those of everything together.
    if arguments.peers && arguments.only.is_empty() {
        report.publish(&workspace().join("docs"))?;
    }
    Ok(())
}

/// Measures the stages that have rows, or a component, in common.
async fn measure(field: &mut Field, arguments: &Bench, asked: &[Stage], report: &mut Report) -> Result<()> {
    for stage in Stage::value_variants().iter().copied().filter(|stage| *stage != Stage::Start) {
        let measured = asked.contains(&stage);
        if !measured && !asked.iter().any(|asked| asked.needs().contains(&stage)) {
            continue;
        }
        match stage {
            // Nothing needs these, so they are measured.
            Stage::Loading => report.add_loading(field.loading().await?),
            Stage::Calls => report.add_calls(field.calls().await?),
            _ => {}
        }
        let contestants = stage.contestants(arguments.peers && measured);
        let rounds = if measured { ROUNDS } else { 1 };
        let mut done: Vec<(Contestant, Vec<Measured>)> = Vec::new();
        for round in 0..rounds {
            field.before_round(stage).await?;
            for contestant in &contestants {
                let earlier = done.iter().find(|(who, _)| who == contestant).and_then(|(_, runs)| runs.first());
                // A round of changes is for everybody: who leaves one out finds twice as many in the next.
                if stage != Stage::Changes && earlier.is_some_and(|first| first.seconds > LONG_SECONDS) {
                    continue;
                }
                for (who, run) in field.run(stage, *contestant).await? {
                    say(&format!("{} {} {}: {:.2} s", stage.name(), round + 1, who.name(), run.seconds));
                    match done.iter_mut().find(|(known, _)| *known == who) {
                        Some((_, runs)) => runs.push(run),
                        None => done.push((who, vec![run])),
                    }
                }
            }
        }
        field.after(stage).await?;
        if measured {
            for (who, runs) in done {
                report.add(stage, who, runs);
            }
        }
    }
    Ok(())
}

/// Builds the program that does our part, as it is deployed: optimised.
fn build() -> Result<std::path::PathBuf> {
    let shell = Shell::new()?;
    shell.change_dir(workspace());
    let cargo = cargo();
    say("building for release (the first time takes minutes)");
    cmd!(shell, "{cargo} build --release --locked --quiet -p totesys-bench").quiet().run()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), Into::into);
    let program = target.join("release/bench");
    ensure!(program.is_file(), "{} was not built", program.display());
    Ok(program)
}

/// A program that sees nothing of our own settings and of libpq's.
fn plain(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PG") || name.starts_with("TOTESYS_") {
            command.env_remove(name);
        }
    }
    command
}

/// The middle one by time.
fn median(mut runs: Vec<Measured>) -> Result<Measured> {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle).context("nothing was measured")
}
