//! What cold starts took, for people and for programs.

use serde::Serialize;

/// A part of a start.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in crate::bench) struct Span {
    /// By the clock, waiting for servers included.
    pub(super) milliseconds: f64,
    /// The process's own, on all processors together.
    pub(super) cpu_milliseconds: f64,
}

/// One process of a function, and its first call.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in crate::bench) struct Cold {
    /// Until it asks for its first request.
    pub(super) start: Span,
    /// From there to its answer.
    pub(super) call: Span,
    /// Peak of resident memory.
    pub(super) peak_bytes: u64,
}

impl Cold {
    /// From the process's start to its first answer.
    pub(super) fn both(&self) -> Span {
        Span {
            milliseconds: self.start.milliseconds + self.call.milliseconds,
            cpu_milliseconds: self.start.cpu_milliseconds + self.call.cpu_milliseconds,
        }
    }
}

/// The processes of a stage.
#[derive(Debug, Default, Serialize)]
pub(in crate::bench) struct OfStage {
    pub(super) stage: &'static str,
    pub(super) colds: Vec<Cold>,
}

/// Cold starts of the program as it is deployed.
#[derive(Debug, Serialize)]
pub(in crate::bench) struct Starts {
    pub(super) zip_bytes: u64,
    pub(super) program_bytes: u64,
    pub(super) stages: Vec<OfStage>,
}

impl Starts {
    /// The median of the processor time, in milliseconds, from a process's start to the end of its first transform.
    pub(in crate::bench) fn transform(&self) -> Option<f64> {
        let transform = self.stages.iter().find(|of| of.stage == "transform")?;
        let (median, _) = middle_and_worst(&transform.colds, |cold| cold.both().cpu_milliseconds)?;
        Some(median)
    }

    /// What the package weighs, in megabytes.
    pub(in crate::bench) fn zip_megabytes(&self) -> f64 {
        megabytes(self.zip_bytes)
    }

    pub(in crate::bench) fn markdown(&self) -> String {
        let starts = self.stages.first().map_or(0, |of| of.colds.len());
        let mut text = format!(
            "{starts} cold starts of each function, median and worst (ms by the clock; CPU ms of the process). The \
             package has {:.1} MB, the program {:.1} MB.\n\n| function | to the first request | CPU | first call | CPU \
             | both | CPU of both | peak MB |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
            self.zip_megabytes(),
            megabytes(self.program_bytes),
        );
        type Column = fn(&Cold) -> f64;
        let columns: [Column; 7] = [
            |cold| cold.start.milliseconds,
            |cold| cold.start.cpu_milliseconds,
            |cold| cold.call.milliseconds,
            |cold| cold.call.cpu_milliseconds,
            |cold| cold.both().milliseconds,
            |cold| cold.both().cpu_milliseconds,
            |cold| megabytes(cold.peak_bytes),
        ];
        for OfStage { stage, colds } in &self.stages {
            text.push_str(&format!("| {stage} |"));
            for (middle, worst) in columns.iter().filter_map(|of| middle_and_worst(colds, of)) {
                text.push_str(&format!(" {middle:.1}, {worst:.1} |"));
            }
            text.push('\n');
        }
        text
    }
}

fn middle_and_worst(colds: &[Cold], of: impl Fn(&Cold) -> f64) -> Option<(f64, f64)> {
    let mut figures: Vec<f64> = colds.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    Some((*figures.get(figures.len() / 2)?, *figures.last()?))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_and_the_worst_are_shown() {
        let cold = |start: f64, call: f64| Cold {
            start: Span { milliseconds: start * 2.0, cpu_milliseconds: start },
            call: Span { milliseconds: call * 3.0, cpu_milliseconds: call },
            peak_bytes: 30_000_000,
        };
        let colds = vec![cold(9.0, 10.0), cold(5.0, 40.0), cold(7.0, 20.0)];
        let stages = vec![OfStage { stage: "transform", colds }];
        let starts = Starts { zip_bytes: 12_500_000, program_bytes: 32_000_000, stages };
        assert_eq!(starts.transform(), Some(27.0));
        let text = starts.markdown();
        assert!(text.starts_with("3 cold starts of each function, median and worst"), "{text}");
        assert!(text.contains("The package has 12.5 MB, the program 32.0 MB."), "{text}");
        let row =
            "| transform | 14.0, 18.0 | 7.0, 9.0 | 60.0, 120.0 | 20.0, 40.0 | 74.0, 130.0 | 27.0, 45.0 | 30.0, 30.0 |";
        assert!(text.contains(row), "{text}");
    }
}
