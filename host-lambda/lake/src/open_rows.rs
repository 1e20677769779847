//! Refused rows that are still open: kept as files, offered again in later batches.

use serde::{Deserialize, Serialize};

use crate::file::is_quarantine;
use crate::{BatchNumber, FileEntry, Micros, number_text};

/// The rows of one file that are still refused. Files are immutable; of their rows fewer and fewer are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRows {
    /// The batch that observed them.
    pub batch: BatchNumber,
    /// When that batch's snapshot was taken.
    pub observed_at: Micros,
    /// The source table.
    pub table: String,
    /// How many refused rows of the batch and table stand in files before this one.
    #[serde(with = "number_text")]
    pub from: u64,
    /// The file; its rows are refused rows only.
    pub file: FileEntry,
    /// Which of its rows are open, in ascending order.
    pub runs: Vec<OpenRun>,
}

/// Neighbouring rows of a file that are open for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// The first row in the file, from 0.
    pub first: u32,
    /// The last row.
    pub last: u32,
    /// Why they are refused.
    pub code: String,
    /// Whether a later batch delivered newer versions of their keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overtaken: bool,
}

/// One open row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRow {
    /// Its place in the file, from 0.
    pub row: u32,
    /// Why it is refused.
    pub code: String,
    /// Whether a later batch delivered a newer version of its key.
    pub overtaken: bool,
}

impl OpenRows {
    /// How many rows are open.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.last.saturating_sub(run.first)) + 1).sum()
    }

    /// The open rows, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = OpenRow> {
        self.runs.iter().flat_map(|run| {
            (run.first..=run.last).map(|row| OpenRow { row, code: run.code.clone(), overtaken: run.overtaken })
        })
    }

    /// The open row at a place of the file.
    #[must_use]
    pub fn row(&self, row: u32) -> Option<OpenRow> {
        self.run(row).map(|run| OpenRow { row, code: run.code.clone(), overtaken: run.overtaken })
    }

    /// Whether the row at a place of the file is open.
    #[must_use]
    pub fn has(&self, row: u32) -> bool {
        self.run(row).is_some()
    }

    fn run(&self, row: u32) -> Option<&OpenRun> {
        self.runs.get(self.runs.partition_point(|run| run.last < row)).filter(|run| run.first <= row)
    }

    /// The same file with these rows open, which come in ascending order; `None` without any.
    #[must_use]
    pub fn with(&self, rows: impl IntoIterator<Item = OpenRow>) -> Option<Self> {
        let runs = runs(rows);
        (!runs.is_empty()).then(|| Self { runs, ..self.clone() })
    }

    /// What is wrong with it in a record of this batch, if anything.
    pub(crate) fn check(&self, newest: BatchNumber) -> Result<(), &'static str> {
        if self.batch > newest || !is_quarantine(&self.file) {
            return Err("lists open rows that cannot be its own");
        }
        let mut free = 0;
        for run in &self.runs {
            if u64::from(run.first) < free || run.last < run.first || u64::from(run.last) >= self.file.rows {
                return Err("lists open rows that their file does not have");
            }
            free = u64::from(run.last) + 1;
        }
        Ok(())
    }
}

/// Rows in ascending order as runs.
#[must_use]
pub fn runs(rows: impl IntoIterator<Item = OpenRow>) -> Vec<OpenRun> {
    let mut runs: Vec<OpenRun> = Vec::new();
    for OpenRow { row, code, overtaken } in rows {
        match runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(row) && run.code == code && run.overtaken == overtaken => {
                run.last = row;
            }
            _ => runs.push(OpenRun { first: row, last: row, code, overtaken }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    fn row(row: u32, code: &str, overtaken: bool) -> OpenRow {
        OpenRow { row, code: code.to_owned(), overtaken }
    }

    fn open(runs: Vec<OpenRun>) -> OpenRows {
        let key = keys::quarantine("s", BatchNumber(2), "w", 0);
        let file = FileEntry { key, table: "t".to_owned(), rows: 9, bytes: 1, sha256: String::new() };
        OpenRows { batch: BatchNumber(2), observed_at: Micros(0), table: "t".to_owned(), from: 0, file, runs }
    }

    #[test]
    fn neighbours_that_are_open_alike_make_one_run() {
        let rows = [row(0, "a", false), row(1, "a", false), row(2, "b", false), row(3, "b", true), row(5, "b", true)];
        let open = open(runs(rows.clone()));
        let found: Vec<_> = open.runs.iter().map(|run| (run.first, run.last, run.code.as_str())).collect();
        assert_eq!(found, [(0, 1, "a"), (2, 2, "b"), (3, 3, "b"), (5, 5, "b")]);
        assert_eq!((open.count(), open.rows().collect::<Vec<_>>()), (5, rows.to_vec()));
        assert_eq!((open.row(1), open.row(4)), (Some(row(1, "a", false)), None));
        let fewer = open.with(rows.into_iter().filter(|row| row.code == "a")).unwrap();
        assert_eq!((fewer.runs.len(), fewer.count()), (1, 2));
        assert_eq!(open.with([]), None);
    }

    #[test]
    fn rows_that_cannot_be_are_refused() {
        let run = |first, last| OpenRun { first, last, code: "a".to_owned(), overtaken: false };
        assert_eq!(open(vec![run(0, 3), run(4, 8)]).check(BatchNumber(2)), Ok(()));
        for (runs, newest) in
            [(vec![run(0, 9)], 2), (vec![run(3, 2)], 2), (vec![run(0, 3), run(3, 4)], 2), (vec![run(0, 1)], 1)]
        {
            assert!(open(runs).check(BatchNumber(newest)).is_err());
        }
    }
}
