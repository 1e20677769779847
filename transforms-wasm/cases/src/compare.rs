//! What was expected and what came, side by side.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use star_contract::Column;

use crate::answer::{Answer, Refusal};
use crate::case::REFUSED;
use crate::{Case, columns, grid};

/// Lines that say what an answer has other than expected.
pub(crate) fn differences(case: &Case, answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    for expected in &case.expected {
        let names: Vec<String> = expected.columns.iter().map(|column| column.name.clone()).collect();
        let given = cells(answer.rows(&expected.table), &expected.columns);
        let missing = without(&expected.rows, &given);
        let surplus = without(&given, &expected.rows);
        lines.extend(told(&format!("output `{}`", expected.table), &names, &missing, &surplus, &[]));
    }
    let listed: Vec<_> = case.refused.iter().map(refusal_cells).collect();
    let given: Vec<_> = answer.refused().iter().map(refusal_cells).collect();
    let surplus = without(&given, &listed);
    let reason = |row: &Vec<String>| {
        let refusal = answer.refused().iter().find(|refusal| refusal_cells(refusal) == *row);
        refusal.map(|refusal| refusal.text.escape_debug().to_string()).unwrap_or_default()
    };
    let reasons: Vec<String> = surplus.iter().map(reason).collect();
    lines.extend(told("refused rows", &REFUSED.map(str::to_owned), &without(&listed, &given), &surplus, &reasons));
    lines
}

/// The cells of the named columns of some rows.
pub(crate) fn cells(batches: &[RecordBatch], described: &[Column]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        let cells_of = |column: &Column| {
            let values = batch.column_by_name(&column.name).and_then(|it| columns::values(it, column.column_type));
            values.unwrap_or_default().iter().map(|value| value.write(column.column_type)).collect::<Vec<_>>()
        };
        let columns: Vec<_> = described.iter().map(cells_of).collect();
        let row = |row: usize| columns.iter().filter_map(|column| column.get(row).cloned()).collect();
        rows.extend((0..batch.num_rows()).map(row));
    }
    rows
}

/// A refusal as a row of the page's table.
pub(crate) fn refusal_cells(refusal: &Refusal) -> Vec<String> {
    let column = refusal.column.as_deref().map(crate::value::write_text).unwrap_or_default();
    vec![
        crate::value::write_text(&refusal.table),
        refusal.row.to_string(),
        column,
        crate::value::write_text(&refusal.code),
    ]
}

/// The rows of one list that are left when each of another's takes its like with it.
fn without(rows: &[Vec<String>], taken: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut counts: BTreeMap<&[String], usize> = BTreeMap::new();
    for row in taken {
        *counts.entry(row).or_default() += 1;
    }
    let is_left = |row: &&Vec<String>| match counts.get_mut(row.as_slice()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let mut left: Vec<_> = rows.iter().filter(is_left).cloned().collect();
    left.sort();
    left
}

fn told(
    what: &str,
    columns: &[String],
    missing: &[Vec<String>],
    surplus: &[Vec<String>],
    reasons: &[String],
) -> Vec<String> {
    if missing.is_empty() && surplus.is_empty() {
        return Vec::new();
    }
    let rows = [missing, surplus].concat();
    let mut lines = vec![format!("{what}: {} missing (-), {} not expected (+)", missing.len(), surplus.len())];
    for (at, line) in grid::lines(columns, &rows).into_iter().enumerate() {
        // The header, the line under it, and the rows: the missing ones first.
        match at.checked_sub(2) {
            None if at == 0 => lines.push(format!("  {line}")),
            None => {}
            Some(row) if row < missing.len() => lines.push(format!("- {line}")),
            Some(row) => {
                let reason = reasons.get(row - missing.len()).map_or("", String::as_str);
                lines.push(format!("+ {line} {reason}").trim_end().to_owned());
            }
        }
    }
    lines
}
