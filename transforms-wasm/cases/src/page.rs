//! A page as Markdown: title, prose and tables under headings. What the tables mean is not known here.

use crate::value::read_text;
use crate::{CaseError, grid};

/// A page, taken apart.
pub(crate) struct Page {
    pub(crate) title: String,
    /// The title's line.
    pub(crate) line: usize,
    pub(crate) prose: String,
    pub(crate) sections: Vec<Section>,
}

/// What stands under a `## ` heading.
pub(crate) struct Section {
    pub(crate) heading: Heading,
    /// The heading's line.
    pub(crate) line: usize,
    pub(crate) table: Table,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heading {
    Input(String),
    Output(String),
    Refused,
}

pub(crate) struct Table {
    /// The header's line.
    pub(crate) line: usize,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<TableRow>,
}

pub(crate) struct TableRow {
    pub(crate) line: usize,
    /// As many as there are columns, not yet read as values.
    pub(crate) cells: Vec<String>,
}

/// A section whose end is not reached.
struct Open<'a> {
    heading: Heading,
    line: usize,
    lines: Vec<(usize, &'a str)>,
    ended: bool,
}

impl Page {
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, CaseError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut title, mut prose) = (None, Vec::new());
        let mut sections: Vec<Open<'_>> = Vec::new();
        let mut fence: Option<(usize, Fence)> = None;
        for (line, words) in (1..).zip(text.lines()) {
            if title.is_none() {
                if !is_blank(words) {
                    title = Some((line, words.strip_prefix("# ").map(str::trim).ok_or_else(|| untitled(name, line))?));
                }
                continue;
            }
            let plain = match &fence {
                Some((_, open)) => {
                    if open.is_closed_by(words) {
                        fence = None;
                    }
                    false
                }
                None => {
                    fence = Fence::opened_by(words).map(|fence| (line, fence));
                    fence.is_none()
                }
            };
            if plain && let Some(words) = headed(words) {
                let heading = words.and_then(heading).ok_or_else(|| no_heading(name, line))?;
                sections.push(Open { heading, line, lines: Vec::new(), ended: false });
                continue;
            }
            match sections.last_mut() {
                None => prose.push(words),
                Some(section) if plain && words.trim_start().starts_with('|') => {
                    if section.ended {
                        let hint = "write one table without a gap; a second push of an input is a second section";
                        return Err(form(name, line, "a section has a second table", hint));
                    }
                    section.lines.push((line, words));
                }
                Some(section) => {
                    if !section.ended && !section.lines.is_empty() && !is_blank(words) {
                        let hint = "a row begins with `|`; leave a blank line between a table and what follows it";
                        return Err(form(name, line, "this would be shown as a row and is none", hint));
                    }
                    section.ended = !section.lines.is_empty();
                }
            }
        }
        if let Some((line, fence)) = fence {
            let hint = "end it with a line of the same characters alone, or all that follows is no part of the case";
            return Err(form(name, line, fence.unclosed(), hint));
        }
        let (line, title) = title.filter(|(_, title)| !title.is_empty()).ok_or_else(|| untitled(name, 1))?;
        let section = |open: Open<'_>| {
            let table = table(name, open.line, &open.lines)?;
            Ok(Section { heading: open.heading, line: open.line, table })
        };
        Ok(Self {
            title: title.to_owned(),
            line,
            prose: prose.join("\n").trim().to_owned(),
            sections: sections.into_iter().map(section).collect::<Result<_, CaseError>>()?,
        })
    }
}

/// The fence of a block of code: its character, and how many of them.
struct Fence {
    of: char,
    length: usize,
}

impl Fence {
    /// The fence a line opens, as Markdown has it: what is said behind backticks has none.
    fn opened_by(line: &str) -> Option<Self> {
        let line = line.trim_start();
        let of = line.chars().next().filter(|of| matches!(of, '`' | '~'))?;
        let said = line.trim_start_matches(of);
        let length = line.len() - said.len();
        (length >= 3 && !(of == '`' && said.contains('`'))).then_some(Self { of, length })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.length && line.chars().all(|char| char == self.of)
    }

    fn unclosed(&self) -> &'static str {
        if self.of == '~' { "this ~~~ fence is never closed" } else { "this ``` fence is never closed" }
    }
}

/// Whether Markdown takes the line for an empty one.
fn is_blank(line: &str) -> bool {
    line.trim_matches([' ', '\t']).is_empty()
}

/// What a line says as the heading of a section; within, `None` if it was meant as one and is not written as one.
fn headed(line: &str) -> Option<Option<&str>> {
    let words = line.trim_start().trim_start_matches('#');
    let level = line.trim_start().len() - words.len();
    let of_a_case = || {
        let words = words.trim();
        words == "Refused"
            || ["Input", "Output"]
                .iter()
                .any(|role| words.strip_prefix(role).is_some_and(|rest| rest.trim_start().starts_with('`')))
    };
    match level {
        2 => Some(line.strip_prefix("## ")),
        1.. if of_a_case() => Some(None),
        _ => None,
    }
}

fn heading(words: &str) -> Option<Heading> {
    let words = words.trim();
    if words == "Refused" {
        return Some(Heading::Refused);
    }
    let (role, name) = words.split_once(' ')?;
    let name = read_text(name.trim().strip_prefix('`')?.strip_suffix('`')?)?;
    match role {
        "Input" => Some(Heading::Input(name)),
        "Output" => Some(Heading::Output(name)),
        _ => None,
    }
}

fn table(name: &str, heading: usize, lines: &[(usize, &str)]) -> Result<Table, CaseError> {
    let mut rows = Vec::with_capacity(lines.len());
    for (line, words) in lines {
        let unclosed = || form(name, *line, "a row is not closed", "end it with `|`; a pipe in a cell is `\\|`");
        rows.push(TableRow { line: *line, cells: grid::cells(words).ok_or_else(unclosed)? });
    }
    let mut rows = rows.into_iter();
    let (Some(header), Some(rule)) = (rows.next(), rows.next().filter(|row| grid::is_rule(&row.cells))) else {
        let hint = "a table is a line of column names, a line `|---|---|`, and the rows";
        return Err(form(name, lines.first().map_or(heading, |(line, _)| *line), "a table is missing", hint));
    };
    let mut columns = Vec::with_capacity(header.cells.len());
    for cell in &header.cells {
        let column = read_text(cell).filter(|column| !columns.contains(column));
        let hint = "name every column, and each of them once";
        columns.push(column.ok_or_else(|| form(name, header.line, "a column has no name of its own", hint))?);
    }
    let rows: Vec<TableRow> = rows.collect();
    if let Some(row) = std::iter::once(&rule).chain(&rows).find(|row| row.cells.len() != columns.len()) {
        let hint = "give every row as many cells as the header has; a pipe in a cell is `\\|`";
        return Err(form(name, row.line, "a row has not as many cells as the header", hint));
    }
    Ok(Table { line: header.line, columns, rows })
}

pub(crate) fn form(page: &str, line: usize, problem: &'static str, hint: &'static str) -> CaseError {
    CaseError::Form { page: page.to_owned(), line, problem, hint }
}

fn untitled(page: &str, line: usize) -> CaseError {
    form(page, line, "the page has no title", "begin it with `# ` and what the case shows")
}

fn no_heading(page: &str, line: usize) -> CaseError {
    let hint = "begin a line with ## Input `table`, ## Output `table` or ## Refused; other headings begin with ###";
    form(page, line, "this heading is none of a case's", hint)
}
