//! The rows of a case: some of each changed table, and of snapshots those they lead to.

use anyhow::Result;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use star_contract::{Delivery, Description};
use totesys_lake::{Lake, Manifest};

use super::batch;
use super::leads::{Taken, led_to};

/// Snapshots of so many rows are taken whole.
const SMALL: usize = 20;

/// How often rows of snapshots may lead to rows of others.
const STEPS: usize = 3;

/// Takes so many rows of each input delivered as changes, and of snapshots what they lead to. Inputs without rows are
/// not among them.
pub(super) async fn take<'a>(
    lake: &Lake,
    manifest: &Manifest,
    description: &'a Description,
    most: usize,
) -> Result<Vec<Taken<'a>>> {
    let (mut taken, mut large) = (Vec::new(), Vec::new());
    for input in &description.inputs {
        let entry = batch::entry(manifest, &input.table)?;
        let most = if input.delivery == Delivery::Changes { most } else { usize::MAX };
        let rows = batch::rows(lake, entry, input, most).await?;
        if input.delivery == Delivery::Snapshot && rows.num_rows() > SMALL {
            large.push((input, rows));
        } else {
            taken.push((input, rows));
        }
    }
    let more = led(&taken, &large, description)?;
    taken.extend(more);
    taken.retain(|(_, rows)| rows.num_rows() > 0);
    Ok(taken)
}

/// The rows of large snapshots that the rows taken lead to, by way of one another as well.
fn led<'a>(taken: &[Taken<'a>], large: &[Taken<'a>], description: &'a Description) -> Result<Vec<Taken<'a>>> {
    let mut found: Vec<Taken<'a>> = Vec::new();
    for _ in 0..STEPS {
        let known: Vec<Taken<'a>> = taken.iter().chain(&found).cloned().collect();
        let mut next = Vec::with_capacity(large.len());
        for (input, rows) in large {
            let which: BooleanArray = led_to(input, rows, &others(&known, &input.table), &description.inputs);
            next.push((*input, filter_record_batch(rows, &which)?));
        }
        let count = |found: &[Taken<'a>]| found.iter().map(|(_, rows)| rows.num_rows()).sum::<usize>();
        let settled = count(&next) == count(&found);
        found = next;
        if settled {
            break;
        }
    }
    Ok(found)
}

/// Rows of other tables: a row does not lead to itself.
fn others<'a>(taken: &[Taken<'a>], table: &str) -> Vec<Taken<'a>> {
    taken.iter().filter(|(input, _)| input.table != table).cloned().collect()
}

/// What became of the columns' values, as `table.column`. A column is in one of the lists, and in none if it has only
/// NULL.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Every value is another than before.
    pub(super) masked: Vec<String>,
    /// Some values are as they were.
    pub(super) partly: Vec<String>,
    /// Every value is as it was.
    pub(super) kept: Vec<String>,
}

impl Changes {
    /// Compares the rows of each input with the same rows masked.
    pub(super) fn between(before: &[Taken<'_>], after: &[RecordBatch]) -> Self {
        let mut changes = Self::default();
        for ((input, before), after) in before.iter().zip(after) {
            for column in &input.columns {
                let name = || format!("{}.{}", input.table, column.name);
                let columns = before.column_by_name(&column.name).zip(after.column_by_name(&column.name));
                let Some((before, after)) = columns else { continue };
                let same = |row: usize| before.slice(row, 1).to_data() == after.slice(row, 1).to_data();
                let valued = || (0..before.len()).filter(|row| before.is_valid(*row));
                match (valued().any(same), valued().all(same)) {
                    (true, true) => changes.kept.push(name()),
                    (true, false) => changes.partly.push(name()),
                    (false, false) => changes.masked.push(name()),
                    (false, true) => {}
                }
            }
        }
        changes
    }

    /// What a person is told of them, line by line: each column that shows a value as it is has a line of its own.
    pub(super) fn told(&self) -> Vec<String> {
        let masked = if self.masked.is_empty() { "nothing".to_owned() } else { self.masked.join(", ") };
        let mut lines = vec![format!("masked: {masked}")];
        for (columns, which) in [(&self.partly, "in part as they are"), (&self.kept, "kept as they are")] {
            if columns.is_empty() {
                lines.push(format!("{which}: no column"));
            } else {
                lines.push(format!("{which}:"));
                lines.extend(columns.iter().map(|column| format!("  {column}")));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use star_contract::{Column, ColumnType, Input};

    use super::*;

    #[test]
    fn what_is_kept_is_told() {
        let column = |(name, column_type): (&str, ColumnType)| Column {
            name: name.to_owned(),
            column_type,
            nullable: true,
            extras: Vec::new(),
        };
        let (number, text) = (ColumnType::Int32, ColumnType::Text);
        let columns = [("staff_id", number), ("age", number), ("name", text), ("empty", text)];
        let input = Input {
            table: "staff".to_owned(),
            columns: columns.map(column).to_vec(),
            key: vec!["staff_id".to_owned()],
            delivery: Delivery::Snapshot,
            extras: Vec::new(),
        };
        let rows = |ages: [i32; 3], names: [Option<&str>; 3]| {
            let columns: [ArrayRef; 4] = [
                Arc::new(Int32Array::from(vec![1, 2, 3])),
                Arc::new(Int32Array::from(ages.to_vec())),
                Arc::new(StringArray::from(names.to_vec())),
                Arc::new(StringArray::from(vec![None::<&str>; 3])),
            ];
            RecordBatch::try_new(input.schema(), columns.to_vec()).unwrap()
        };
        let before = [(&input, rows([31, 44, 52], [Some("2022-11-03"), Some("Ann"), None]))];
        let after = [rows([86, 10, 79], [Some("2022-11-03"), Some("Kxr"), None])];
        let changes = Changes::between(&before, &after);
        let told = "masked: staff.age\nin part as they are:\n  staff.name\nkept as they are:\n  staff.staff_id";
        assert_eq!(changes.told().join("\n"), told);
        let told = "masked: nothing\nin part as they are: no column\nkept as they are: no column";
        assert_eq!(Changes::between(&[], &[]).told().join("\n"), told);
    }
}
