//! Why a case cannot be read, run or written.

use std::{io, path::PathBuf};

use arrow_schema::ArrowError;
use star_contract::ColumnType;

use crate::value;

/// What a [`crate::Subject`] says when it fails.
pub type SubjectError = Box<dyn std::error::Error + Send + Sync>;

/// Why a case cannot be read, run or written. It quotes names of tables and columns, never a row's values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The page is not built as a page is.
    #[error("`{page}`, line {line}: {problem}")]
    Form {
        /// The page's name.
        page: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// The page names a table that the star does not have.
    #[error("`{page}`, line {line}: the star has no {role} `{table}`")]
    UnknownTable {
        /// The page's name.
        page: String,
        /// The line, from 1.
        line: usize,
        /// `input` or `output`.
        role: &'static str,
        /// The table named.
        table: String,
        /// The tables there are.
        known: Vec<String>,
    },
    /// The page names a column that the table does not have.
    #[error("`{page}`, line {line}: `{table}` has no column `{column}`")]
    UnknownColumn {
        /// The page's name.
        page: String,
        /// The line, from 1.
        line: usize,
        /// The table.
        table: String,
        /// The column named.
        column: String,
        /// The columns there are.
        known: Vec<String>,
    },
    /// A cell is no value of its column.
    #[error("`{page}`, line {line}, column `{column}` of `{table}` ({column_type}): {problem}")]
    Cell {
        /// The page's name.
        page: String,
        /// The line, from 1.
        line: usize,
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The column's type.
        column_type: ColumnType,
        /// What is wrong with the cell.
        problem: &'static str,
    },
    /// Rows that a page is to be made of are not as the star describes them.
    #[error("the rows of `{table}` cannot be used: {problem}")]
    Rows {
        /// The table.
        table: String,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// The text between the title and the first table would be read as something else.
    #[error("the title or the text of a page would not be read back as it is")]
    Prose,
    /// The star answered something its description does not allow.
    #[error("`{page}`: the star's answer for `{table}` breaks its description: {problem}")]
    Answer {
        /// The page's name.
        page: String,
        /// The table the answer is about.
        table: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The star failed as a whole.
    #[error("`{page}`: the star failed in {call}")]
    Subject {
        /// The page's name.
        page: String,
        /// What it was asked: the push of a table, or the end.
        call: String,
        /// What it said.
        #[source]
        source: SubjectError,
    },
    /// A page or the folder of pages cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unread {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder without pages tests nothing.
    #[error("there is no case in `{}`", folder.display())]
    NoCases {
        /// The folder.
        folder: PathBuf,
    },
    /// Arrow data could not be read or built.
    #[error("rows cannot be read or written as Arrow")]
    Arrow(#[from] ArrowError),
}

impl CaseError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form { hint, .. } => Some((*hint).to_owned()),
            Self::UnknownTable { role, known, .. } => Some(format!("its {role}s are {}", listed(known))),
            Self::UnknownColumn { known, .. } => Some(format!("its columns are {}", listed(known))),
            Self::Cell { column_type, .. } => Some(value::spelling(*column_type)),
            Self::Rows { .. } => Some("give every described column with its described type".to_owned()),
            Self::Prose => Some("write no line that begins with `##` alone, and close every ``` fence".to_owned()),
            Self::Answer { .. } => Some("what the star emits and what it describes have to agree".to_owned()),
            Self::NoCases { .. } => Some("a case is a file `NAME.md` in that folder".to_owned()),
            Self::Subject { .. } | Self::Unread { .. } | Self::Arrow(_) => None,
        }
    }

    /// This and all that caused it, and the hint: what a person reads.
    pub(crate) fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
