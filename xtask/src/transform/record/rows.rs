//! The rows of a case: some of each changed table, and of snapshots those they lead to.

use anyhow::Result;
use arrow_array::{BooleanArray, RecordBatch};
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

/// The columns of which a value is another than before, as `table.column`.
pub(super) fn changed(before: &[Taken<'_>], after: &[RecordBatch]) -> Vec<String> {
    let mut changed = Vec::new();
    for ((input, before), after) in before.iter().zip(after) {
        for (column, (before, after)) in input.columns.iter().zip(before.columns().iter().zip(after.columns())) {
            if before != after {
                changed.push(format!("{}.{}", input.table, column.name));
            }
        }
    }
    changed
}
