//! What the sandbox costs: figures that are no rows in so many seconds, and have tables of their own.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Compiling the component, in a process of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Compilation {
    component_bytes: u64,
    artefact_bytes: u64,
    peak_bytes: u64,
    /// Each time.
    milliseconds: Vec<f64>,
}

/// The first load of the compiled component in a process, and its parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Start {
    milliseconds: f64,
    engines_milliseconds: f64,
    read_milliseconds: f64,
    verify_milliseconds: f64,
    load_milliseconds: f64,
    describe_milliseconds: f64,
    /// One more instance of the loaded component.
    instance_milliseconds: f64,
    resident_before: u64,
    resident_after: u64,
}

impl Start {
    /// The milliseconds of a verified cold load.
    pub(super) fn milliseconds(&self) -> f64 {
        self.milliseconds
    }
}

/// From a component, and from its artefact, to something that runs.
#[derive(Debug, Serialize)]
pub(super) struct Loading {
    compilation: Compilation,
    /// The middle one of the starts by its whole time, so that the parts are parts of it.
    median: Start,
    starts: Vec<Start>,
}

impl Loading {
    pub(super) fn of(compilation: Compilation, starts: Vec<Start>) -> Result<Self> {
        let mut sorted: Vec<&Start> = starts.iter().collect();
        sorted.sort_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds));
        let median = (*sorted.get(sorted.len() / 2).context("nothing was loaded")?).clone();
        Ok(Self { compilation, median, starts })
    }

    /// The start that counts.
    pub(super) fn median(&self) -> &Start {
        &self.median
    }

    pub(super) fn markdown(&self) -> String {
        let Compilation { component_bytes, artefact_bytes, peak_bytes, milliseconds } = &self.compilation;
        let mut text = format!(
            "Loading a component of {:.2} MB, which compiled is {:.2} MB. Compiling peaks at {:.0} MB of resident \
             memory; a cold load adds {:.1} MB.\n\n| loading | milliseconds | of all rounds |\n|---|--:|---|\n",
            megabytes(*component_bytes),
            megabytes(*artefact_bytes),
            megabytes(*peak_bytes),
            megabytes(self.median.resident_after.saturating_sub(self.median.resident_before)),
        );
        let mut line = |what: &str, middle: f64, all: &[f64]| {
            let all: Vec<String> = all.iter().map(|number| format!("{number:.2}")).collect();
            text.push_str(&format!("| {what} | {middle:.2} | {} |\n", all.join(" ")));
        };
        let mut sorted = milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        line("compile the component", sorted.get(sorted.len() / 2).copied().unwrap_or_default(), milliseconds);
        type Part = fn(&Start) -> f64;
        let parts: [(&str, Part); 7] = [
            ("verified cold load", |start| start.milliseconds),
            ("– start the engines", |start| start.engines_milliseconds),
            ("– read the artefact", |start| start.read_milliseconds),
            ("– check digest and signature", |start| start.verify_milliseconds),
            ("– load and link the code", |start| start.load_milliseconds),
            ("– the first instance, and `describe`", |start| start.describe_milliseconds),
            ("another instance of what is loaded", |start| start.instance_milliseconds),
        ];
        for (what, of) in parts {
            line(what, of(&self.median), &self.starts.iter().map(of).collect::<Vec<_>>());
        }
        text
    }
}

/// How the star's code ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    Native,
    /// In the sandbox, by what its engine counts.
    Nothing,
    Epochs,
    Fuel,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "natively",
            Self::Nothing => "sandbox, nothing counted",
            Self::Epochs => "sandbox, epochs (production)",
            Self::Fuel => "sandbox, epochs and fuel",
        }
    }
}

/// One way with calls of so many rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call {
    rows: u64,
    who: Way,
    calls: u64,
    microseconds: f64,
    /// The component's linear memory.
    memory_bytes: Option<u64>,
    fuel_per_row: Option<f64>,
}

/// What a call costs by the rows it carries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    /// The time of a call of so many rows by that of another way.
    pub(super) fn ratio(&self, rows: u64, who: Way, other: Way) -> Option<f64> {
        let of = |who| self.0.iter().find(|call| call.rows == rows && call.who == who).map(|call| call.microseconds);
        Some(of(who)? / of(other)?)
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = "| rows of a call | who | µs of a call | ns of a row | by natively | by nothing counted | \
                        linear memory in MB | fuel of a row |\n|--:|---|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
        let known = |number: Option<f64>, places: usize| {
            number.map_or_else(|| "–".to_owned(), |number| format!("{number:.places$}"))
        };
        for call in &self.0 {
            // What is counted costs something only in the sandbox.
            let sandboxed = Some(call.who).filter(|who| *who != Way::Native);
            text.push_str(&format!(
                "| {} | {} | {:.1} | {:.1} | {} | {} | {} | {} |\n",
                super::report::grouped(call.rows),
                call.who.name(),
                call.microseconds,
                call.microseconds * 1e3 / call.rows.max(1) as f64,
                known(self.ratio(call.rows, call.who, Way::Native), 2),
                known(sandboxed.and_then(|who| self.ratio(call.rows, who, Way::Nothing)), 2),
                known(call.memory_bytes.map(megabytes), 1),
                known(call.fuel_per_row, 0),
            ));
        }
        text
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_middle_start_counts_whole() -> Result<()> {
        let start = |milliseconds: f64, read: f64| {
            serde_json::from_value::<Start>(json!({
                "milliseconds": milliseconds, "engines_milliseconds": 1.0, "read_milliseconds": read,
                "verify_milliseconds": 1.0, "load_milliseconds": 1.0, "describe_milliseconds": 1.0,
                "instance_milliseconds": 0.05, "resident_before": 10_000_000, "resident_after": 14_000_000,
                "cpu_seconds": 0.1,
            }))
        };
        let compilation = serde_json::from_value(json!({
            "component_bytes": 1_000_000, "artefact_bytes": 2_500_000, "peak_bytes": 90_000_000,
            "milliseconds": [900.0, 700.0, 800.0],
        }))?;
        let loading = Loading::of(compilation, vec![start(9.0, 5.0)?, start(5.0, 1.0)?, start(6.0, 2.0)?])?;
        assert_eq!(loading.median().milliseconds(), 6.0);
        let text = loading.markdown();
        assert!(text.contains("of 1.00 MB, which compiled is 2.50 MB. Compiling peaks at 90 MB"), "{text}");
        assert!(text.contains("a cold load adds 4.0 MB"), "{text}");
        assert!(text.contains("| compile the component | 800.00 | 900.00 700.00 800.00 |"), "{text}");
        assert!(text.contains("| verified cold load | 6.00 | 9.00 5.00 6.00 |"), "{text}");
        assert!(text.contains("| – read the artefact | 2.00 | 5.00 1.00 2.00 |"), "{text}");
        Ok(())
    }

    #[test]
    fn calls_are_compared_among_those_of_as_many_rows() -> Result<()> {
        let calls: Calls = serde_json::from_value(json!([
            { "rows": 1, "who": "native", "calls": 9, "microseconds": 10.0, "memory_bytes": null },
            { "rows": 1, "who": "nothing", "calls": 9, "microseconds": 20.0, "memory_bytes": 2_000_000 },
            { "rows": 1, "who": "epochs", "calls": 9, "microseconds": 22.0, "memory_bytes": 2_000_000 },
            { "rows": 1_000, "who": "native", "calls": 9, "microseconds": 100.0 },
            { "rows": 1_000, "who": "fuel", "calls": 9, "microseconds": 150.0, "fuel_per_row": 321.4 },
        ]))?;
        assert_eq!(calls.ratio(1_000, Way::Fuel, Way::Native), Some(1.5));
        assert_eq!(calls.ratio(1_000, Way::Epochs, Way::Native), None);
        let text = calls.markdown();
        assert!(text.contains("| 1 | natively | 10.0 | 10000.0 | 1.00 | – | – | – |"), "{text}");
        assert!(
            text.contains("| 1 | sandbox, epochs (production) | 22.0 | 22000.0 | 2.20 | 1.10 | 2.0 | – |"),
            "{text}"
        );
        assert!(text.contains("| 1,000 | sandbox, epochs and fuel | 150.0 | 150.0 | 1.50 | – | – | 321 |"), "{text}");
        Ok(())
    }
}
