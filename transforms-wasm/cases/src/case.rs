//! A case: what is pushed and what is expected.

use arrow_array::RecordBatch;
use star_contract::{Column, Delivery, Description, Input};

use crate::answer::{Answer, Refusal};
use crate::page::{Heading, Page, Table, form};
use crate::value::{NULL, Value, read_text};
use crate::{CaseError, columns};

/// The columns of a page's `## Refused` table.
pub(crate) const REFUSED: [&str; 4] = ["table", "row", "column", "code"];

/// A test case of a star.
#[derive(Debug, Clone)]
pub struct Case {
    pub(crate) name: String,
    title: String,
    prose: String,
    pub(crate) description: Description,
    pub(crate) pushes: Vec<Push>,
    pub(crate) expected: Vec<Expected>,
    pub(crate) refused: Vec<Refusal>,
}

/// One record batch of an input.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) table: String,
    pub(crate) rows: RecordBatch,
    /// How many of the input's rows stand before these.
    pub(crate) before: usize,
}

/// The rows expected of an output, as cells.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) table: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Case {
    /// Reads a page for the star so described; `name` says which page it is, in errors and reports.
    ///
    /// # Errors
    /// The first thing that is wrong with the page, with its line.
    pub fn parse(name: &str, text: &str, description: &Description) -> Result<Self, CaseError> {
        let page = Page::read(name, text)?;
        let (mut inputs, mut expected) = (Vec::new(), Vec::<Expected>::new());
        let mut refused = None;
        for section in &page.sections {
            let unknown = |role, table: &str, known: Vec<&String>| CaseError::UnknownTable {
                page: name.to_owned(),
                line: section.line,
                role,
                table: table.to_owned(),
                known: known.into_iter().cloned().collect(),
            };
            let twice = || form(name, section.line, "this section occurs twice", "put the rows into one table");
            match &section.heading {
                Heading::Input(table) => {
                    let known = || description.inputs.iter().map(|input| &input.table).collect();
                    let input = description.input(table).ok_or_else(|| unknown("input", table, known()))?;
                    inputs.push((table.clone(), rows(name, input, &section.table)?));
                }
                Heading::Output(table) => {
                    let known = || description.outputs.iter().map(|output| &output.table).collect();
                    let output = description.output(table).ok_or_else(|| unknown("output", table, known()))?;
                    if expected.iter().any(|other| other.table == *table) {
                        return Err(twice());
                    }
                    let (columns, values) = cells(name, table, &output.columns, &section.table)?;
                    let row = |row: Vec<Value>| {
                        row.iter().zip(&columns).map(|(value, column)| value.write(column.column_type)).collect()
                    };
                    let rows = values.into_iter().map(row).collect();
                    expected.push(Expected { table: table.clone(), columns, rows });
                }
                Heading::Refused if refused.is_some() => return Err(twice()),
                Heading::Refused => refused = Some(&section.table),
            }
        }
        let pushes = in_order(description, inputs);
        let refused = refused.map(|table| refusals(name, table, &pushes)).transpose()?.unwrap_or_default();
        tests_something(name, &page)?;
        Ok(Self {
            name: name.to_owned(),
            title: page.title,
            prose: page.prose,
            description: description.clone(),
            pushes,
            expected,
            refused,
        })
    }

    /// A case of these rows that expects nothing yet: to run it is the first step of recording a page.
    ///
    /// A batch may have more columns than the star reads; they are left out.
    ///
    /// # Errors
    /// When a table is no input, or a described column is missing or of another type.
    pub fn from_rows(
        name: &str,
        inputs: &[(String, Vec<RecordBatch>)],
        description: &Description,
    ) -> Result<Self, CaseError> {
        let mut taken = Vec::new();
        for (table, batches) in inputs {
            let unread = || CaseError::Rows { table: table.clone(), problem: "the star does not read this table" };
            let input = description.input(table).ok_or_else(unread)?;
            for batch in batches {
                taken.push((table.clone(), columns::taken(batch, input, |_, value| value)?));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            title: name.to_owned(),
            prose: String::new(),
            description: description.clone(),
            pushes: in_order(description, taken),
            expected: Vec::new(),
            refused: Vec::new(),
        })
    }

    /// The page's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the case shows.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the page says between its title and its first table.
    #[must_use]
    pub fn prose(&self) -> &str {
        &self.prose
    }

    /// The input table and the rows of each push, in the order they are pushed.
    pub fn pushes(&self) -> impl Iterator<Item = (&str, &RecordBatch)> {
        self.pushes.iter().map(|push| (push.table.as_str(), &push.rows))
    }

    /// What an answer has other than expected, line by line; empty if it is as the page says.
    #[must_use]
    pub fn differences(&self, answer: &Answer) -> Vec<String> {
        crate::compare::differences(self, answer)
    }
}

/// Refuses a page that would pass whatever the star does.
fn tests_something(name: &str, page: &Page) -> Result<(), CaseError> {
    let Some(input) = page.sections.iter().find(|section| matches!(section.heading, Heading::Input(_))) else {
        let hint = "write what is pushed: ## Input `table` and a table of rows";
        return Err(form(name, page.line, "the page has no input", hint));
    };
    if page.sections.iter().all(|section| matches!(section.heading, Heading::Input(_))) {
        let hint = "write ## Output `table` or ## Refused; a header alone says that there are no rows";
        return Err(form(name, input.line, "the page has inputs and expects nothing of them", hint));
    }
    Ok(())
}

/// Pushes as the host makes them: snapshots before changes, and without empty ones.
fn in_order(description: &Description, inputs: Vec<(String, RecordBatch)>) -> Vec<Push> {
    let of = |delivery| description.inputs.iter().filter(move |input| input.delivery == delivery);
    let mut pushes = Vec::with_capacity(inputs.len());
    for input in of(Delivery::Snapshot).chain(of(Delivery::Changes)) {
        let mut before = 0;
        for (table, rows) in inputs.iter().filter(|(table, rows)| *table == input.table && rows.num_rows() > 0) {
            pushes.push(Push { table: table.clone(), rows: rows.clone(), before });
            before += rows.num_rows();
        }
    }
    pushes
}

/// The columns a table names and the values of its rows.
fn cells(
    page: &str,
    table: &str,
    described: &[Column],
    from: &Table,
) -> Result<(Vec<Column>, Vec<Vec<Value>>), CaseError> {
    let mut columns = Vec::with_capacity(from.columns.len());
    for name in &from.columns {
        let known = described.iter().find(|column| column.name == *name);
        columns.push(known.cloned().ok_or_else(|| CaseError::UnknownColumn {
            page: page.to_owned(),
            line: from.line,
            table: table.to_owned(),
            column: name.clone(),
            known: described.iter().map(|column| column.name.clone()).collect(),
        })?);
    }
    let mut rows = Vec::with_capacity(from.rows.len());
    for row in &from.rows {
        let mut values = Vec::with_capacity(columns.len());
        for (cell, column) in row.cells.iter().zip(&columns) {
            let problem = match Value::read(cell, column.column_type) {
                Some(Value::Null) if !column.nullable => "NULL, where there must be a value",
                Some(value) => {
                    values.push(value);
                    continue;
                }
                None if cell.is_empty() => "an empty cell",
                None => "no value of this type",
            };
            return Err(CaseError::Cell {
                page: page.to_owned(),
                line: row.line,
                table: table.to_owned(),
                column: column.name.clone(),
                column_type: column.column_type,
                problem,
            });
        }
        rows.push(values);
    }
    Ok((columns, rows))
}

/// The record batch of an input's table, with the columns that it leaves out.
fn rows(page: &str, input: &Input, from: &Table) -> Result<RecordBatch, CaseError> {
    let (named, rows) = cells(page, &input.table, &input.columns, from)?;
    let mut arrays = Vec::with_capacity(input.columns.len());
    for column in &input.columns {
        let values: Vec<Value> = match named.iter().position(|other| other.name == column.name) {
            Some(at) => rows.iter().map(|row| row[at].clone()).collect(),
            None if column.nullable => vec![Value::Null; rows.len()],
            None => vec![Value::plain(column.column_type); rows.len()],
        };
        arrays.push(columns::array(&values, column.column_type)?);
    }
    Ok(RecordBatch::try_new(input.schema(), arrays)?)
}

/// The refusals expected, each of a row that is on the page.
fn refusals(page: &str, table: &Table, pushes: &[Push]) -> Result<Vec<Refusal>, CaseError> {
    if table.columns != REFUSED {
        let hint = "its columns are table, row, column and code, in this order";
        return Err(form(page, table.line, "this is not how refused rows are listed", hint));
    }
    let mut refused = Vec::with_capacity(table.rows.len());
    for listed in &table.rows {
        let [of, row, column, code] = listed.cells.as_slice() else { continue };
        let text = |cell: &String| {
            let hint = "every refused row has a table, a row and a code";
            read_text(cell).ok_or_else(|| form(page, listed.line, "this is no refused row", hint))
        };
        let of = text(of)?;
        let rows: usize = pushes.iter().filter(|push| push.table == of).map(|push| push.rows.num_rows()).sum();
        let Some(row) = row.parse().ok().filter(|row| (1..=rows).contains(row)) else {
            let hint = "name an input of this page and count its rows from 1, through all its tables";
            return Err(form(page, listed.line, "there is no such row to be refused", hint));
        };
        let column = if column.is_empty() || column == NULL { None } else { Some(text(column)?) };
        refused.push(Refusal { table: of, row, column, code: text(code)?, text: String::new() });
    }
    Ok(refused)
}
