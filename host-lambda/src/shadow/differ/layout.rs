//! The columns two sides give of one table, and the rows in them.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use star_contract::{Column, ColumnType, Output};

use super::compare::{differences, text};
use super::{Example, ExampleKind};

/// Whose row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The live component's.
    Old,
    /// The candidate's.
    New,
}

/// A column that at least one side gives.
pub(super) struct LayoutColumn {
    pub(super) name: String,
    /// Whether rows are paired by it.
    pub(super) in_key: bool,
    old: Option<ColumnType>,
    new: Option<ColumnType>,
}

/// The columns of both sides: the old ones in their order, then those that only the new side has.
pub(super) struct Layout {
    pub(super) columns: Vec<LayoutColumn>,
    /// The columns rows are paired by; none when only one side gives rows, or the sides share no key.
    pub(super) key: Vec<String>,
    /// What each side calls its key.
    own_keys: [Vec<String>; 2],
    both: bool,
}

/// Rows of one side.
pub(super) struct Rows {
    pub(super) batch: RecordBatch,
    /// By the layout's columns; none where the side has no such column.
    columns: Vec<Option<ArrayRef>>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub(super) fn column(&self, at: usize) -> Option<&ArrayRef> {
        self.columns.get(at)?.as_ref()
    }
}

impl Layout {
    pub(super) fn new(old: Option<&Output>, new: Option<&Output>) -> Self {
        let described = |output: Option<&Output>, name: &str| {
            let column = output?.columns.iter().find(|column| column.name == name)?;
            Some(column.column_type)
        };
        let shared = |key: &&Vec<String>| {
            let both = |name: &String| described(old, name).is_some() && described(new, name).is_some();
            key.iter().all(both)
        };
        let own_keys = [old, new].map(|output| output.map(|output| output.business_key.clone()).unwrap_or_default());
        // A component whose key became another still says what the rows of the former key are.
        let key = own_keys.iter().find(shared).filter(|_| old.is_some() && new.is_some()).cloned().unwrap_or_default();
        let of = |output: Option<&Output>| output.map(|output| output.columns.clone()).unwrap_or_default();
        let only_new = of(new).into_iter().filter(|column| described(old, &column.name).is_none());
        let layout_column = |Column { name, .. }: Column| LayoutColumn {
            in_key: key.contains(&name),
            old: described(old, &name),
            new: described(new, &name),
            name,
        };
        let columns = of(old).into_iter().chain(only_new).map(layout_column).collect();
        Self { columns, key, own_keys, both: old.is_some() && new.is_some() }
    }

    pub(super) fn added_columns(&self) -> Vec<String> {
        self.named(|column| column.old.is_none())
    }

    pub(super) fn removed_columns(&self) -> Vec<String> {
        self.named(|column| column.new.is_none())
    }

    pub(super) fn retyped_columns(&self) -> Vec<String> {
        self.named(|column| column.old.is_some() && column.new.is_some() && column.old != column.new)
    }

    /// Whether one side has the column and the other has not, or has another type for it. Of a table that only one
    /// side writes no column is.
    pub(super) fn is_redescribed(&self, column: &LayoutColumn) -> bool {
        self.both && column.old != column.new
    }

    fn named(&self, which: impl Fn(&LayoutColumn) -> bool) -> Vec<String> {
        let columns = self.columns.iter().filter(|column| self.is_redescribed(column) && which(column));
        columns.map(|column| column.name.clone()).collect()
    }

    /// Batches by the layout's columns, those without rows left out.
    pub(super) fn arrange(&self, batches: &[RecordBatch]) -> Vec<Arc<Rows>> {
        let arranged = |batch: &RecordBatch| {
            let columns = self.columns.iter().map(|column| batch.column_by_name(&column.name).cloned());
            Arc::new(Rows { batch: batch.clone(), columns: columns.collect() })
        };
        batches.iter().filter(|batch| batch.num_rows() > 0).map(arranged).collect()
    }

    /// The columns two batches are paired by, if they can be.
    pub(super) fn key_columns<'a>(&self, old: &'a Rows, new: &'a Rows) -> Option<Vec<(&'a ArrayRef, &'a ArrayRef)>> {
        if self.key.is_empty() {
            return None;
        }
        let pair = |name: &String| Some((old.batch.column_by_name(name)?, new.batch.column_by_name(name)?));
        self.key.iter().map(pair).collect()
    }

    /// A pair that differs, for a reader.
    pub(super) fn changed_example(&self, (old, i): (&Rows, usize), (new, j): (&Rows, usize)) -> Example {
        let differing = self.columns.iter().enumerate().filter(|(at, column)| {
            let differs = differences((old.column(*at), i), (new.column(*at), j), 1);
            !column.in_key && differs.is_some_and(|differs| differs(0))
        });
        let columns = differing.map(|(at, column)| (column.name.clone(), value(old, at, i), value(new, at, j)));
        Example { kind: ExampleKind::Changed, key: key_of(&self.key, old, i), columns: columns.collect() }
    }

    /// A row that has no partner, for a reader.
    pub(super) fn lone_example(&self, side: Side, rows: &Rows, row: usize) -> Example {
        let own_key = if self.key.is_empty() { &self.own_keys[side as usize] } else { &self.key };
        let columns = self.columns.iter().enumerate().filter(|(_, column)| !own_key.contains(&column.name));
        let columns = columns.filter_map(|(at, column)| {
            let (name, value) = (column.name.clone(), Some(value(rows, at, row)?));
            Some(if side == Side::Old { (name, value, None) } else { (name, None, value) })
        });
        let kind = if side == Side::Old { ExampleKind::Gone } else { ExampleKind::Added };
        Example { kind, key: key_of(own_key, rows, row), columns: columns.collect() }
    }
}

fn value(rows: &Rows, at: usize, row: usize) -> Option<String> {
    text(rows.column(at)?, row)
}

fn key_of(key: &[String], rows: &Rows, row: usize) -> Vec<(String, String)> {
    let value = |name: &String| rows.batch.column_by_name(name).and_then(|column| text(column, row));
    key.iter().map(|name| (name.clone(), value(name).unwrap_or_default())).collect()
}
