//! Writing a page of rows and of what a star made of them.

use arrow_array::RecordBatch;
use star_contract::{Column, Description};

use crate::case::REFUSED;
use crate::compare::{cells, refusal_cells};
use crate::page::Page;
use crate::value::write_text;
use crate::{Answer, Case, CaseError, grid};

impl Case {
    /// The page that [`Case::parse`] reads as this title, this prose and these inputs, and that expects this answer:
    /// of every output all rows and columns, and every refusal.
    ///
    /// Inputs are written in the order they are pushed, a section for each batch, with the columns the star reads.
    ///
    /// # Errors
    /// When the inputs are not what the star reads or have no rows, when there is nothing to expect, or when title and
    /// prose would not be read back as they are.
    pub fn render(
        title: &str,
        prose: &str,
        inputs: &[(String, Vec<RecordBatch>)],
        answer: &Answer,
        description: &Description,
    ) -> Result<String, CaseError> {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let prose = prose.lines().collect::<Vec<_>>().join("\n").trim().to_owned();
        let case = Self::from_rows(&title, inputs, description)?;
        let mut page = format!("# {title}\n");
        if !prose.is_empty() {
            page.push_str(&format!("\n{prose}\n"));
        }
        // A heading or an open fence in the prose moves everything behind it.
        let read = Page::read(&title, &page).map_err(|_| CaseError::Prose)?;
        if read.title != title || read.prose != prose || !read.sections.is_empty() {
            return Err(CaseError::Prose);
        }
        for (table, rows) in case.pushes() {
            if let Some(input) = description.input(table) {
                section(
                    &mut page,
                    &format!("Input `{}`", write_text(table)),
                    &input.columns,
                    std::slice::from_ref(rows),
                );
            }
        }
        for output in &description.outputs {
            let heading = format!("Output `{}`", write_text(&output.table));
            section(&mut page, &heading, &output.columns, answer.rows(&output.table));
        }
        if !answer.refused().is_empty() {
            let rows: Vec<_> = answer.refused().iter().map(refusal_cells).collect();
            table(&mut page, "Refused", &REFUSED.map(str::to_owned), &rows);
        }
        Self::parse(&title, &page, description)?;
        Ok(page)
    }
}

fn section(page: &mut String, heading: &str, columns: &[Column], batches: &[RecordBatch]) {
    let names: Vec<String> = columns.iter().map(|column| write_text(&column.name)).collect();
    table(page, heading, &names, &cells(batches, columns));
}

fn table(page: &mut String, heading: &str, columns: &[String], rows: &[Vec<String>]) {
    page.push_str(&format!("\n## {heading}\n\n"));
    for line in grid::lines(columns, rows) {
        page.push_str(&line);
        page.push('\n');
    }
}
