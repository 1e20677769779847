//! What a push gives back.

use author_kit::guest::bindings::exports::totesys::star::transform::{Outcome, OutputBatch, RefusedRow};

pub(super) fn nothing() -> Outcome {
    Outcome { outputs: vec![], refused: vec![], extras: vec![] }
}

pub(super) fn rows(table: &str, arrow_ipc: Vec<u8>) -> Outcome {
    Outcome { outputs: vec![OutputBatch { table: table.to_owned(), arrow_ipc }], ..nothing() }
}

/// One output so many times.
pub(super) fn flood(table: &str, arrow_ipc: &[u8], times: usize) -> Outcome {
    let output = |_| OutputBatch { table: table.to_owned(), arrow_ipc: arrow_ipc.to_vec() };
    Outcome { outputs: (0..times).map(output).collect(), ..nothing() }
}

/// One row refused so many times.
pub(super) fn refused(table: &str, row: u32, times: usize) -> Outcome {
    let refusal = RefusedRow {
        table: table.to_owned(),
        push: 0,
        row,
        column: None,
        code: "hostile".into(),
        text: String::new(),
        extras: vec![],
    };
    Outcome { refused: vec![refusal; times], ..nothing() }
}

/// The first row refused otherwise.
pub(super) fn altered(table: &str, alter: impl FnMut(&mut RefusedRow)) -> Outcome {
    let mut outcome = refused(table, 0, 1);
    outcome.refused.iter_mut().for_each(alter);
    outcome
}

/// Each of so many rows refused for a reason of its own.
pub(super) fn codes(table: &str, rows: u32) -> Outcome {
    let mut outcome = refused(table, 0, rows as usize);
    for (row, refusal) in (0..).zip(&mut outcome.refused) {
        (refusal.row, refusal.code) = (row, format!("hostile-{row}"));
    }
    outcome
}
