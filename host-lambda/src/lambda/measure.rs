//! What each stage measures.

use crate::metrics::{Measured, Metric};
use crate::{Begun, ChunkExtraction, Extraction, Loading, Standing, StarTransformation};

/// What an extraction read, and how late the warehouse is when there is nothing to do.
pub(crate) fn begun(measured: &mut Measured, begun: &Begun) {
    let (mut rows, mut bytes, mut refused) = (0, 0, 0);
    if let Extraction::Batch { tables, .. } = &begun.extraction {
        for table in tables.values() {
            rows += table.rows;
            bytes += table.bytes;
            refused += table.refused;
        }
    }
    if let Some(batch) = begun.due.batch {
        measured.note("batch", batch);
    }
    measured.add(Metric::Rows, rows);
    measured.add(Metric::Bytes, bytes);
    measured.add(Metric::RefusedRows, refused);
    if let Some(late) = begun.standing {
        standing(measured, late);
    }
}

/// What a chunk of a backfill read; nothing when it was read before.
pub(crate) fn chunk(measured: &mut Measured, read: &ChunkExtraction) {
    measured.note("chunk", read.chunk);
    let (rows, bytes, refused) = if read.already { (0, 0, 0) } else { (read.rows, read.bytes, read.refused) };
    measured.add(Metric::Rows, rows);
    measured.add(Metric::Bytes, bytes);
    measured.add(Metric::RefusedRows, refused);
}

/// What a star's component made of its batches.
pub(crate) fn transformed(measured: &mut Measured, done: &[StarTransformation]) {
    if let Some(last) = done.last() {
        measured.note("batch", last.batch);
    }
    let refused: u64 = done.iter().flat_map(|batch| batch.refused.values()).sum();
    measured.add(Metric::RefusedRows, refused);
    // A component that did not run has no memory to speak of.
    if let Some(memory) = done.iter().map(|batch| batch.memory_bytes).max().filter(|memory| *memory > 0) {
        measured.add(Metric::GuestMemory, memory);
    }
}

/// How the warehouse stands after loading.
pub(crate) fn loaded(measured: &mut Measured, loading: &Loading) {
    if let Some(batch) = loading.loads.iter().map(|load| load.batch).max() {
        measured.note("batch", batch);
    }
    if let Some(late) = loading.standing {
        standing(measured, late);
    }
    if let Some(percent) = loading.record_ids_used {
        measured.add(Metric::RecordIdsUsed, percent);
    }
}

/// How late the warehouse is.
pub(crate) fn standing(measured: &mut Measured, standing: Standing) {
    if let Some(seconds) = standing.lag_seconds {
        measured.add(Metric::Lag, seconds);
    }
    measured.add(Metric::StarsBehind, standing.stars_behind);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{Due, TableExtraction};

    use super::*;

    fn line(measured: &Measured) -> serde_json::Value {
        let mut line: serde_json::Value = serde_json::from_str(&measured.line("e", 1)).unwrap();
        line.as_object_mut().unwrap().retain(|name, _| !["_aws", "Environment", "stage"].contains(&name.as_str()));
        line
    }

    #[test]
    fn an_extraction_counts_its_tables_and_says_the_lag_when_nothing_is_due() {
        let table = |rows, refused| TableExtraction { rows, bytes: rows * 10, refused, whole: false };
        let tables = BTreeMap::from([("a".to_owned(), table(2, 0)), ("b".to_owned(), table(3, 1))]);
        let late = Standing { lag_seconds: Some(90), stars_behind: 0 };
        for (extraction, standing, expected) in [
            (
                Extraction::Batch { batch: 7, taken_at: 0, tables },
                None,
                r#"{"batch":7,"Rows":5,"Bytes":50,"RefusedRows":1}"#,
            ),
            (
                Extraction::NothingNew { after: Some(7), taken_at: 0 },
                Some(late),
                r#"{"batch":7,"Rows":0,"Bytes":0,"RefusedRows":0,"Lag":90,"StarsBehind":0}"#,
            ),
        ] {
            let due = Due { catalog: 1, batch: Some(7), stars: Vec::new(), backfill: None };
            let mut measured = Measured::of("extract");
            begun(&mut measured, &Begun { extraction, due, standing });
            assert_eq!(line(&measured), serde_json::from_str::<serde_json::Value>(expected).unwrap());
        }
    }

    #[test]
    fn a_chunk_that_was_there_counts_for_nothing() {
        for (already, rows) in [(false, 5), (true, 0)] {
            let read = ChunkExtraction {
                plan: "p".into(),
                chunk: 3,
                table: "visit".into(),
                rows: 5,
                bytes: 50,
                refused: 1,
                already,
            };
            let mut measured = Measured::of("extract");
            chunk(&mut measured, &read);
            let line = line(&measured);
            assert_eq!((&line["chunk"], &line["Rows"]), (&3.into(), &rows.into()));
        }
    }

    #[test]
    fn a_transformation_says_the_most_memory_and_all_that_was_refused() {
        let batch = |batch, refused, memory_bytes| StarTransformation {
            star: "a".into(),
            batch,
            rows: BTreeMap::new(),
            refused: BTreeMap::from([("late".to_owned(), refused), ("odd".to_owned(), 1)]),
            open: 0,
            offered: 0,
            released: 0,
            memory_bytes,
        };
        for (done, expected) in [
            (vec![batch(7, 2, 900), batch(8, 0, 500)], r#"{"batch":8,"RefusedRows":4,"GuestMemory":900}"#),
            (vec![batch(7, 0, 0)], r#"{"batch":7,"RefusedRows":1}"#),
            (vec![], r#"{"RefusedRows":0}"#),
        ] {
            let mut measured = Measured::of("transform");
            transformed(&mut measured, &done);
            assert_eq!(line(&measured), serde_json::from_str::<serde_json::Value>(expected).unwrap());
        }
    }

    #[test]
    fn a_load_says_what_is_known_of_how_it_stands() {
        for (standing, record_ids_used, expected) in [
            (
                Some(Standing { lag_seconds: Some(5), stars_behind: 1 }),
                Some(0.25),
                r#"{"Lag":5,"StarsBehind":1,"RecordIdsUsed":0.25}"#,
            ),
            (Some(Standing { lag_seconds: None, stars_behind: 2 }), None, r#"{"StarsBehind":2}"#),
            (None, None, "{}"),
        ] {
            let mut measured = Measured::of("load");
            loaded(&mut measured, &Loading { loads: vec![], failures: vec![], standing, record_ids_used });
            assert_eq!(line(&measured), serde_json::from_str::<serde_json::Value>(expected).unwrap());
        }
    }
}
