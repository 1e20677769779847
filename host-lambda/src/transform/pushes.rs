//! Rows cut into pieces that one push can carry.

use arrow_array::RecordBatch;
use star_contract::MAX_PUSH_BYTES;

/// An IPC stream is a little larger than its columns: this much is left for its messages.
const IPC_SLACK: usize = 64 * 1024;

/// Halves the rows until each piece fits into a push, and says where in the rows it begins. A single row that is too
/// large for one is a piece of its own, which does not fit.
pub(crate) fn pieces(rows: RecordBatch) -> Vec<(usize, RecordBatch)> {
    let (mut pieces, mut pending) = (Vec::new(), vec![(0, rows)]);
    while let Some((at, rows)) = pending.pop() {
        if rows.num_rows() > 1 && !fits(&rows) {
            let half = rows.num_rows() / 2;
            pending.push((at + half, rows.slice(half, rows.num_rows() - half)));
            pending.push((at, rows.slice(0, half)));
        } else {
            pieces.push((at, rows));
        }
    }
    pieces
}

/// Whether one push can carry the rows.
pub(crate) fn fits(rows: &RecordBatch) -> bool {
    pushed_bytes(rows) <= MAX_PUSH_BYTES - IPC_SLACK
}

/// About what these rows take as an IPC stream; a slice counts as what it shows.
pub(super) fn pushed_bytes(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX / 1024)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringArray;

    use super::*;

    #[test]
    fn pieces_fit_and_follow_one_another_and_only_a_single_row_can_be_too_large() {
        let text = |bytes: usize| "x".repeat(bytes);
        let texts = [text(3 << 20), text(3 << 20), text(3 << 20), text(9 << 20), text(1)];
        let rows = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from_iter_values(texts)) as _)]).unwrap();
        let pieces = pieces(rows);
        let shapes: Vec<_> = pieces.iter().map(|(at, rows)| (*at, rows.num_rows(), fits(rows))).collect();
        assert_eq!(shapes, [(0, 2, true), (2, 1, true), (3, 1, false), (4, 1, true)]);
    }
}
