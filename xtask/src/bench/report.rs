//! What was measured, for people and for programs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::costs::{Calls, Loading, Way};
use super::data::Expected;
use super::measure::Measured;
use super::peers::Peers;
use super::start::Starts;
use super::{Contestant, Stage, median, plot};
use crate::arguments::Bench;

/// The figures stand between these two lines of docs/benchmark.md; what is around them is written by hand.
const FROM: &str = "<!-- measured: written by `cargo xtask bench --peers` -->";
const TO: &str = "<!-- /measured -->";

/// What a stage should reach, for 5,000,000 orders on two cores.
const GOALS: &[Goal] = &[
    Goal::Ratio(Stage::Extract, Contestant::DuckDb, 0.8),
    Goal::Memory(Stage::Extract, 200.0),
    Goal::Ratio(Stage::Transform, Contestant::Polars, 1.2),
    Goal::Memory(Stage::Transform, 250.0),
    Goal::Ratio(Stage::Component, Contestant::Native, 1.3),
    Goal::ColdLoad(15.0),
    // As many rows as a push may carry.
    Goal::Call(65_536, 1.3),
    Goal::Seconds(Stage::Plan, 10.0),
    Goal::Ratio(Stage::Load, Contestant::DuckDb, 1.0),
    // 512 MiB.
    Goal::Memory(Stage::Load, 536.9),
    Goal::Seconds(Stage::Empty, 0.5),
    Goal::Seconds(Stage::Changes, 1.0),
    Goal::ColdTransform(60.0),
    Goal::Zip(15.0),
];

enum Goal {
    /// Our time by a peer's.
    Ratio(Stage, Contestant, f64),
    /// Our peak, in MB.
    Memory(Stage, f64),
    /// Our time.
    Seconds(Stage, f64),
    /// The milliseconds in which a verified artefact is loaded by a new process.
    ColdLoad(f64),
    /// The time of a call of so many rows in production's sandbox by that natively.
    Call(u64, f64),
    /// The processor's milliseconds from the start of the transform's process to its first answer.
    ColdTransform(f64),
    /// The package's megabytes.
    Zip(f64),
}

/// One contestant in one stage: the median, and all runs.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) stage: &'static str,
    pub(super) who: &'static str,
    #[serde(flatten)]
    pub(super) median: Measured,
    rows_per_second: f64,
    megabytes_per_second: Option<f64>,
    runs: Vec<Measured>,
    #[serde(skip)]
    at: (Stage, Contestant),
}

/// A goal and what came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    what: String,
    measured: f64,
    reach: f64,
    reached: bool,
}

/// The source that the stages have in common.
#[derive(Debug, Serialize)]
struct Rows {
    rows: u64,
    heap_bytes: u64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: String,
    command: String,
    #[serde(flatten)]
    source: Option<Rows>,
    lines: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loading: Option<Loading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Calls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts: Option<Starts>,
    goals: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(arguments: &Bench, expected: Option<Expected>) -> Self {
        let peers = if arguments.peers { " --peers" } else { "" };
        let only: String = arguments.only.iter().map(|stage| format!(" --only {stage:?}").to_lowercase()).collect();
        let rows = expected.map_or_else(String::new, |_| format!(" --rows {}", arguments.rows));
        Self {
            machine: machine(),
            command: format!("cargo xtask bench{rows}{peers}{only}"),
            source: expected.map(|Expected { rows, heap_bytes, .. }| Rows { rows, heap_bytes }),
            lines: Vec::new(),
            loading: None,
            calls: None,
            starts: None,
            goals: Vec::new(),
        }
    }

    /// Adds the runs of one contestant.
    pub(super) fn add(&mut self, stage: Stage, who: Contestant, runs: Vec<Measured>) {
        let Ok(median) = median(runs.clone()) else { return };
        let bytes = match stage {
            // The plan has a source of its own.
            Stage::Empty | Stage::Quiet | Stage::Changes | Stage::Plan => None,
            _ => self.source.as_ref().map(|source| source.heap_bytes as f64),
        };
        self.lines.push(Line {
            stage: stage.name(),
            who: who.name(),
            rows_per_second: median.rows as f64 / median.seconds,
            megabytes_per_second: bytes.map(|bytes| bytes / 1e6 / median.seconds),
            median,
            runs,
            at: (stage, who),
        });
        self.compare();
    }

    /// Adds what loading a component takes.
    pub(super) fn add_loading(&mut self, loading: Loading) {
        self.loading = Some(loading);
        self.compare();
    }

    /// Adds what a call costs.
    pub(super) fn add_calls(&mut self, calls: Calls) {
        self.calls = Some(calls);
        self.compare();
    }

    /// Adds the functions' cold starts.
    pub(super) fn add_starts(&mut self, starts: Starts) {
        self.starts = Some(starts);
        self.compare();
    }

    fn compare(&mut self) {
        self.goals = GOALS.iter().filter_map(|goal| self.outcome(goal)).collect();
    }

    fn at(&self, stage: Stage, who: Contestant) -> Option<&Measured> {
        self.lines.iter().find(|line| line.at == (stage, who)).map(|line| &line.median)
    }

    fn outcome(&self, goal: &Goal) -> Option<Outcome> {
        let ours = |stage| self.at(stage, Contestant::Totesys);
        let (what, measured, reach) = match *goal {
            Goal::Ratio(stage, peer, reach) => {
                let ratio = ours(stage)?.seconds / self.at(stage, peer)?.seconds;
                (format!("{}: time by that of {}", stage.name(), peer.name()), ratio, reach)
            }
            Goal::Memory(stage, reach) => {
                (format!("{}: peak memory in MB", stage.name()), ours(stage)?.peak_bytes as f64 / 1e6, reach)
            }
            Goal::Seconds(stage, reach) => (format!("{}: seconds", stage.name()), ours(stage)?.seconds, reach),
            Goal::ColdLoad(reach) => {
                let measured = self.loading.as_ref()?.median().milliseconds();
                (format!("{}: verified cold load in milliseconds", Stage::Loading.name()), measured, reach)
            }
            Goal::Call(rows, reach) => {
                let ratio = self.calls.as_ref()?.ratio(rows, Way::Epochs, Way::Native)?;
                let stage = Stage::Calls.name();
                (format!("{stage}: time of {} rows by that of the same, natively", grouped(rows)), ratio, reach)
            }
            Goal::ColdTransform(reach) => {
                let measured = self.starts.as_ref()?.transform()?;
                (format!("{}: CPU milliseconds to the first transform's end", Stage::Start.name()), measured, reach)
            }
            Goal::Zip(reach) => {
                (format!("{}: the package in MB", Stage::Start.name()), self.starts.as_ref()?.zip_megabytes(), reach)
            }
        };
        Some(Outcome { what, measured, reach, reached: measured <= reach })
    }

    /// A table of the stages, those of the sandbox's costs, and one of the goals.
    pub(super) fn markdown(&self) -> String {
        let mut text = self.source.as_ref().map_or_else(String::new, |Rows { rows, heap_bytes }| {
            format!("{} sales orders ({:.0} MB of table) on ", grouped(*rows), *heap_bytes as f64 / 1e6)
        });
        text.push_str(&format!("{}.\n\n    {}\n\n", self.machine, self.command));
        if self.source.is_some() {
            text.push_str(&format!("Peers: {}.\n\n", Peers::names()));
        }
        if !self.lines.is_empty() {
            self.push_lines(&mut text);
        }
        let tables = [
            self.loading.as_ref().map(Loading::markdown),
            self.calls.as_ref().map(Calls::markdown),
            self.starts.as_ref().map(Starts::markdown),
        ];
        for table in tables {
            text.extend(table.map(|table| format!("\n{table}")));
        }
        text.push_str("\n| to reach | at most | measured | |\n|---|--:|--:|---|\n");
        for goal in &self.goals {
            let state = if goal.reached { "reached" } else { "**not reached**" };
            text.push_str(&format!("| {} | {} | {:.2} | {state} |\n", goal.what, goal.reach, goal.measured));
        }
        text
    }

    fn push_lines(&self, text: &mut String) {
        text.push_str("| stage | who | seconds | of all rounds | CPU seconds | rows/s | MB/s | peak MB |\n");
        text.push_str("|---|---|--:|---|--:|--:|--:|--:|\n");
        for line in &self.lines {
            let rounds: Vec<String> = line.runs.iter().map(|run| format!("{:.2}", run.seconds)).collect();
            let known = |number: f64, text: String| if number > 0.0 { text } else { "–".to_owned() };
            text.push_str(&format!(
                "| {} | {} | {:.2} | {} | {} | {} | {} | {} |\n",
                line.stage,
                line.who,
                line.median.seconds,
                rounds.join(" "),
                known(line.median.cpu_seconds, format!("{:.2}", line.median.cpu_seconds)),
                known(line.rows_per_second, grouped(line.rows_per_second as u64)),
                line.megabytes_per_second.map_or("–".to_owned(), |speed| format!("{speed:.0}")),
                known(line.median.peak_bytes as f64, format!("{:.0}", line.median.peak_bytes as f64 / 1e6)),
            ));
        }
    }

    /// Puts tables and plot where readers find them.
    pub(super) fn publish(&self, folder: &Path) -> Result<()> {
        let page = folder.join("benchmark.md");
        let text = fs::read_to_string(&page).with_context(|| format!("{} cannot be read", page.display()))?;
        let (before, rest) = text.split_once(FROM).with_context(|| format!("{} has no `{FROM}`", page.display()))?;
        let (_, after) = rest.split_once(TO).with_context(|| format!("{} has no `{TO}`", page.display()))?;
        let figures = self.markdown();
        fs::write(&page, format!("{before}{FROM}\n\n{figures}\n![the same as bars](benchmark.svg)\n\n{TO}{after}"))?;
        fs::write(folder.join("benchmark.svg"), plot::svg(&self.lines))?;
        Ok(())
    }
}

/// Cores, memory and processor.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kilobytes: f64 = memory.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default();
    format!("{cores} cores ({}), {:.0} GB", field(&read("/proc/cpuinfo"), "model name"), kilobytes / 1e6)
}

/// 1234567 as 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (5_000_000, "5,000,000")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn goals_compare_our_median_with_the_peers() {
        let arguments = Bench {
            rows: 10_000,
            peers: true,
            only: vec![Stage::Extract],
            output: crate::arguments::Output { json: false },
        };
        let expected = Expected { rows: 10_000, units: 1, cents: 1, heap_bytes: 1_000_000 };
        let mut report = Report::new(&arguments, Some(expected));
        let runs = |seconds: [f64; 3]| {
            seconds
                .map(|seconds| Measured { seconds, peak_bytes: 250_000_000, rows: 10_000, cpu_seconds: 1.0 })
                .to_vec()
        };
        report.add(Stage::Extract, Contestant::Totesys, runs([9.0, 1.0, 2.0]));
        report.add(Stage::Extract, Contestant::DuckDb, runs([4.0, 4.0, 4.0]));
        let goals: Vec<_> = report.goals.iter().map(|goal| (goal.measured, goal.reached)).collect();
        assert_eq!(goals, [(0.5, true), (250.0, false)]);
        let text = report.markdown();
        assert!(text.contains("--rows 10000 --peers --only extract\n"), "{text}");
        assert!(text.contains("| extract | Totesys | 2.00 | 9.00 1.00 2.00 | 1.00 | 5,000 | 0 | 250 |"), "{text}");
    }

    #[test]
    fn what_the_sandbox_costs_has_a_table_and_a_goal_only_where_it_was_measured() -> Result<()> {
        let arguments = Bench {
            rows: 10_000,
            peers: false,
            only: vec![Stage::Calls],
            output: crate::arguments::Output { json: false },
        };
        let expected = Expected { rows: 10_000, units: 1, cents: 1, heap_bytes: 1_000_000 };
        let mut report = Report::new(&arguments, Some(expected));
        let json = serde_json::to_value(&report)?;
        assert!(json.get("calls").is_none() && json.get("loading").is_none(), "{json}");
        report.add_calls(serde_json::from_value(serde_json::json!([
            { "rows": 65_536, "who": "native", "calls": 100, "microseconds": 5_000.0 },
            { "rows": 65_536, "who": "epochs", "calls": 100, "microseconds": 6_000.0 },
        ]))?);
        let goals: Vec<_> = report.goals.iter().map(|goal| (goal.what.as_str(), goal.measured, goal.reached)).collect();
        assert_eq!(goals, [("calls: time of 65,536 rows by that of the same, natively", 1.2, true)]);
        let text = report.markdown();
        assert!(text.contains("| 65,536 | sandbox, epochs (production) | 6000.0 | 91.6 | 1.20 |"), "{text}");
        assert!(!text.contains("| stage | who |") && !text.contains("Loading"), "{text}");
        Ok(())
    }
}
