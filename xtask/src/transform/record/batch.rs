//! Which batch rows are taken from, and the rows of its files.

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use star_contract::{Delivery, Description, Input};
use totesys_lake::{BatchNumber, Bucket, Lake, Manifest, TableEntry};

use crate::hint::advise;

/// The most rows that are read from a file at a time.
const AT_ONCE: usize = 64 * 1024;

/// The batch of this number, or the newest in which anything changed that the star reads as changes.
pub(super) async fn choose(lake: &Lake, description: &Description, number: Option<u64>) -> Result<Manifest> {
    let newest = lake.newest_manifest().await?.ok_or_else(|| {
        advise("no batch was ever ingested into this lake", "make one with `cargo xtask run`; --demo takes the demo's")
    })?;
    if let Some(number) = number {
        let found = lake.manifest(BatchNumber(number)).await?;
        let hint = || format!("batches are numbered 1 to {}", newest.batch.0);
        return Ok(found.ok_or_else(|| advise(format!("there is no batch {number}"), hint()))?.into_record());
    }
    let mut manifest = newest.into_record();
    while !serves(&manifest, description) {
        if manifest.batch <= BatchNumber::FIRST {
            return Err(advise(
                format!("no batch has rows for the star `{}`", description.star),
                "a batch holds the tables of the stars that are live: publish this one, and let a run read them",
            ));
        }
        let before = BatchNumber(manifest.batch.0 - 1);
        let found = lake.manifest(before).await?;
        manifest = found.with_context(|| format!("batch {} is missing", before.0))?.into_record();
    }
    Ok(manifest)
}

/// Whether a batch holds every table the star reads, and changes of one; a star that reads no changes is content with
/// any row.
fn serves(manifest: &Manifest, description: &Description) -> bool {
    let entry = |input: &Input| manifest.tables.get(&input.table);
    let changes = |input: &&Input| input.delivery == Delivery::Changes;
    let deciding: Vec<&Input> = match description.inputs.iter().filter(changes).collect::<Vec<_>>() {
        none if none.is_empty() => description.inputs.iter().collect(),
        some => some,
    };
    description.inputs.iter().all(|input| entry(input).is_some())
        && deciding.into_iter().filter_map(entry).any(|entry| entry.rows > 0 && (entry.changed || entry.whole))
}

/// A table of a batch.
pub(super) fn entry<'a>(manifest: &'a Manifest, table: &str) -> Result<&'a TableEntry> {
    manifest.tables.get(table).ok_or_else(|| {
        advise(
            format!("batch {} does not hold the table `{table}`", manifest.batch.0),
            "a batch holds the tables of the stars that are live: take a later one, or publish the star first",
        )
    })
}

/// The first rows of a table's files, so many at most, with the columns the star reads.
pub(super) async fn rows(lake: &Lake, entry: &TableEntry, input: &Input, most: usize) -> Result<RecordBatch> {
    let (mut taken, mut left) = (Vec::new(), most);
    for file in &entry.files {
        if left == 0 {
            break;
        }
        for batch in lake.read_rows(Bucket::Ingestion, file, &input.columns, left.min(AT_ONCE)).await? {
            let batch = batch?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            taken.push(batch);
            if left == 0 {
                break;
            }
        }
    }
    Ok(concat_batches(&input.schema(), &taken)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use totesys_lake::{Attempt, Micros};

    use super::*;

    fn input(table: &str, delivery: Delivery) -> Input {
        Input { table: table.into(), columns: Vec::new(), key: vec!["id".into()], delivery, extras: Vec::new() }
    }

    fn manifest(tables: &[(&str, Delivery, bool, u64)]) -> Manifest {
        let entry = |&(table, delivery, changed, rows): &(&str, Delivery, bool, u64)| {
            let (columns, files) = (Vec::new(), Vec::new());
            let (from_batch, whole, refused) = (BatchNumber(2), false, 0);
            let (keys, backfill) = (None, None);
            let entry =
                TableEntry { delivery, changed, from_batch, whole, rows, columns, files, refused, keys, backfill };
            (table.to_owned(), entry)
        };
        Manifest {
            batch: BatchNumber(2),
            lake_id: String::new(),
            attempt: Attempt::random().unwrap(),
            baseline: serde_json::Value::Null,
            taken_at: Micros::now(),
            catalog: 1,
            previous: None,
            tables: tables.iter().map(entry).collect::<BTreeMap<_, _>>(),
            quarantine: Vec::new(),
            gaps: Vec::new(),
            unreadable: Vec::new(),
            replay: None,
        }
    }

    #[test]
    fn a_batch_serves_that_has_changes_for_the_star() {
        let star = |inputs: &[Input]| Description {
            star: "a".into(),
            version: "1".into(),
            inputs: inputs.to_vec(),
            outputs: Vec::new(),
            extras: Vec::new(),
        };
        let both = star(&[input("staff", Delivery::Snapshot), input("order", Delivery::Changes)]);
        let small = star(&[input("staff", Delivery::Snapshot)]);
        let held = |changed, rows| {
            manifest(&[("staff", Delivery::Snapshot, true, 20), ("order", Delivery::Changes, changed, rows)])
        };
        assert!(serves(&held(true, 1), &both));
        assert!(!serves(&held(false, 0), &both));
        assert!(serves(&held(false, 0), &small));
        assert!(!serves(&manifest(&[("order", Delivery::Changes, true, 1)]), &both));
        assert!(entry(&held(true, 1), "order").is_ok());
        assert!(crate::hint::of(&entry(&held(true, 1), "design").unwrap_err()).is_some());
    }
}
