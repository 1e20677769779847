//! Why the server refused a file, without a value of any row.

use tokio_postgres::error::DbError;

use super::csv_file::CsvFile;
use crate::hint::advise;

/// File, line and column of the trouble. The server's own words quote the row, so they stay behind.
pub(super) fn explain(file: &CsvFile, error: &tokio_postgres::Error) -> anyhow::Error {
    let Some(report) = error.as_db_error() else {
        return advise(
            format!("the connection was lost while {} was loaded", file.path.display()),
            "check that the server is up; nothing was imported",
        );
    };
    let mut place = file.path.display().to_string();
    if let Some(line) = line(report) {
        place.push_str(&format!(" line {line}"));
    }
    if let Some(column) = report.column().or_else(|| column(report, &file.columns)) {
        place.push_str(&format!(", column `{column}`"));
    }
    let (problem, hint) = match report.code().code() {
        "22P04" => ("the row has more or fewer values than the header, or a quote is not closed", "correct the line"),
        "22P02" => ("the value is not of the column's type", "correct the value"),
        "22003" => ("the number does not fit the column", "correct the value"),
        "22007" | "22008" => ("the value is no valid timestamp", "write timestamps as 2024-02-29 08:15:00.123"),
        "22001" => ("the text is longer than the column", "shorten the value"),
        "22021" => ("the file is not UTF-8", "convert it to UTF-8"),
        "23502" => ("the value is missing, and the column needs one", "fill in the value"),
        "23503" => ("a row refers to a row that is in no file", "the files must be of one snapshot"),
        "23505" => ("the row repeats a key that must be unique", "remove the second row"),
        _ => ("the server refused the file", "see the server's log"),
    };
    let rule = report.constraint().map(|name| format!(" (constraint {name})")).unwrap_or_default();
    let sqlstate = report.code().code();
    advise(format!("{place}: {problem}{rule} [{sqlstate}]"), format!("{hint}; nothing was imported"))
}

/// The line, out of a context such as `COPY sales_order, line 12, column units_sold: "…"`.
fn line(report: &DbError) -> Option<u64> {
    let (_, rest) = report.where_()?.split_once(", line ")?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// The column of the same context; only a name the table has, because what follows quotes the row.
fn column<'a>(report: &DbError, known: &'a [String]) -> Option<&'a str> {
    let (_, rest) = report.where_()?.split_once(", column ")?;
    known.iter().map(String::as_str).find(|name| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}
