//! What two components make of the same rows, compared row by row.
//!
//! Two versions of a component mostly give the same rows in the same order, push by push. So rows that stand at the
//! same place and have the same business key are a pair, and pairs are compared column by column, many at a time. Only
//! rows that do not align wait until their partner comes.

mod compare;
mod difference;
mod layout;
mod waiting;

use std::sync::Arc;

use arrow_array::RecordBatch;
use star_contract::Output;

pub use difference::{Example, ExampleKind, TableDifference};

use crate::row_key::RowKeys;
use layout::{Layout, Rows, Side};
use waiting::Waiting;

/// Examples of each kind.
const EXAMPLES: usize = 5;

/// How far ahead a partner is looked for where rows stop to align, as when one side leaves some out.
const NEAR: usize = 32;

/// Compares what two components make of one output table.
///
/// Of one key the rows pair up in their order: it is the order of a fact's versions, and a dimension keeps the last.
/// Rows that align are a pair even if a row of their key waits from an earlier push.
pub(crate) struct Differ {
    layout: Layout,
    waiting: Waiting,
    difference: TableDifference,
    /// Changed pairs by the layout's columns.
    columns: Vec<u64>,
    /// Examples of rows without a partner.
    alone: Vec<Example>,
}

impl Differ {
    /// `None` for a component that does not write the table.
    pub(crate) fn new(old: Option<&Output>, new: Option<&Output>) -> Self {
        let layout = Layout::new(old, new);
        let difference = TableDifference {
            table: old.or(new).map(|output| output.table.clone()).unwrap_or_default(),
            added_columns: layout.added_columns(),
            removed_columns: layout.removed_columns(),
            retyped_columns: layout.retyped_columns(),
            ..TableDifference::default()
        };
        let columns = vec![0; layout.columns.len()];
        Self { layout, waiting: Waiting::default(), difference, columns, alone: Vec::new() }
    }

    /// Takes what each side gave for one push.
    pub(crate) fn push(&mut self, old: &[RecordBatch], new: &[RecordBatch]) {
        let (old, new) = (self.layout.arrange(old), self.layout.arrange(new));
        self.difference.old_rows += old.iter().map(|rows| rows.len() as u64).sum::<u64>();
        self.difference.new_rows += new.iter().map(|rows| rows.len() as u64).sum::<u64>();
        // Where each side stands: the batch, and the row in it.
        let (mut a, mut b) = ((0, 0), (0, 0));
        while let (Some(old), Some(new)) = (old.get(a.0), new.get(b.0)) {
            let Some(ends) = self.align(old, a.1, new, b.1) else { break };
            a = if ends.0 == old.len() { (a.0 + 1, 0) } else { (a.0, ends.0) };
            b = if ends.1 == new.len() { (b.0 + 1, 0) } else { (b.0, ends.1) };
        }
        self.settle_rest(Side::Old, &old, a);
        self.settle_rest(Side::New, &new, b);
    }

    /// What the two sides differ in. Who still waits has no partner.
    pub(crate) fn finish(mut self) -> TableDifference {
        for (side, rows, row) in std::mem::take(&mut self.waiting).into_rows() {
            self.count_alone(side, &rows, row);
        }
        let columns = self.layout.columns.iter().zip(self.columns);
        let listed = columns.filter(|(column, changed)| *changed > 0 || self.layout.is_redescribed(column));
        self.difference.columns = listed.map(|(column, changed)| (column.name.clone(), changed)).collect();
        self.alone.sort_by_key(|example| example.kind);
        self.difference.examples.append(&mut self.alone);
        self.difference
    }

    /// Pairs the rows of two batches, from a place in each until one of them ends, and says how far each came. `None`
    /// when there is nothing to pair them by.
    fn align(&mut self, old: &Arc<Rows>, mut i: usize, new: &Arc<Rows>, mut j: usize) -> Option<(usize, usize)> {
        let parts = self.layout.key_columns(old, new)?;
        let most = (old.len() - i).min(new.len() - j);
        if parts.iter().all(|(a, b)| compare::all_same(a, i, b, j, most)) {
            self.compare(old, i, new, j, most);
            return Some((i + most, j + most));
        }
        let key = self.layout.key.clone();
        let (old_keys, new_keys) = (RowKeys::of(&old.batch, &key), RowKeys::of(&new.batch, &key));
        let parts: Vec<_> = parts.into_iter().map(|(a, b)| compare::same(a, b)).collect();
        let same = |i: usize, j: usize| parts.iter().all(|part| part(i, j));
        while i < old.len() && j < new.len() {
            let most = (old.len() - i).min(new.len() - j);
            let run = (0..most).take_while(|row| same(i + row, j + row)).count();
            if run > 0 {
                self.compare(old, i, new, j, run);
                (i, j) = (i + run, j + run);
                continue;
            }
            let left_out = (1..=NEAR).find_map(|ahead| {
                if i + ahead < old.len() && same(i + ahead, j) {
                    return Some((ahead, 0));
                }
                (j + ahead < new.len() && same(i, j + ahead)).then_some((0, ahead))
            });
            let (old_only, new_only) = left_out.unwrap_or((1, 1));
            (i..i + old_only).for_each(|row| self.settle(Side::Old, old, row, old_keys.as_ref()));
            (j..j + new_only).for_each(|row| self.settle(Side::New, new, row, new_keys.as_ref()));
            (i, j) = (i + old_only, j + new_only);
        }
        Some((i, j))
    }

    fn settle_rest(&mut self, side: Side, batches: &[Arc<Rows>], (first, mut from): (usize, usize)) {
        let key = self.layout.key.clone();
        for rows in batches.iter().skip(first) {
            let keys = RowKeys::of(&rows.batch, &key).filter(|_| !key.is_empty());
            (from..rows.len()).for_each(|row| self.settle(side, rows, row, keys.as_ref()));
            from = 0;
        }
    }

    /// A row that does not align: its partner is there already, or may still come. Without a key it has none.
    fn settle(&mut self, side: Side, rows: &Arc<Rows>, row: usize, keys: Option<&RowKeys<'_>>) {
        let Some(keys) = keys else {
            self.count_alone(side, rows, row);
            return;
        };
        let Some((partner, at)) = self.waiting.partner(side, rows, row, keys) else { return };
        match side {
            Side::Old => self.compare(rows, row, &partner, at, 1),
            Side::New => self.compare(&partner, at, rows, row, 1),
        }
    }

    /// So many pairs, from a place in each batch on.
    fn compare(&mut self, old: &Rows, i: usize, new: &Rows, j: usize, pairs: usize) {
        let mut changed = Vec::new();
        for (at, counter) in self.columns.iter_mut().enumerate().filter(|(at, _)| !self.layout.columns[*at].in_key) {
            let Some(differs) = compare::differences((old.column(at), i), (new.column(at), j), pairs) else { continue };
            changed.resize(pairs, false);
            for (pair, mark) in changed.iter_mut().enumerate() {
                let differs = differs(pair);
                *mark |= differs;
                *counter += u64::from(differs);
            }
        }
        let count = changed.iter().filter(|changed| **changed).count();
        self.difference.changed += count as u64;
        self.difference.equal += (pairs - count) as u64;
        let wanted = EXAMPLES.saturating_sub(self.difference.examples.len()).min(count);
        for (pair, _) in changed.iter().enumerate().filter(|(_, changed)| **changed).take(wanted) {
            self.difference.examples.push(self.layout.changed_example((old, i + pair), (new, j + pair)));
        }
    }

    fn count_alone(&mut self, side: Side, rows: &Rows, row: usize) {
        let count = match side {
            Side::Old => &mut self.difference.gone,
            Side::New => &mut self.difference.added,
        };
        *count += 1;
        if *count <= EXAMPLES as u64 {
            self.alone.push(self.layout.lone_example(side, rows, row));
        }
    }
}

#[cfg(test)]
mod tests;
