//! What a portion of a source's table holds.

use arrow_array::RecordBatch;
use std::sync::mpsc;
use totesys_source::{Portion, PortionRead, ReadMode, SourceError, SourceSnapshot};

/// Reads a portion to its end.
///
/// # Errors
/// As [`SourceSnapshot::read`].
///
/// # Panics
/// When the receiving thread does.
pub async fn read_portion(
    snapshot: &SourceSnapshot,
    table: &str,
    mode: &ReadMode,
    portion: &Portion,
) -> Result<(Vec<RecordBatch>, PortionRead), SourceError> {
    let (sender, batches) = mpsc::sync_channel(2);
    let collecting = tokio::task::spawn_blocking(move || batches.into_iter().collect());
    let read = snapshot.read(table, mode, portion, sender).await;
    let batches = collecting.await.expect("batches are collected");
    Ok((batches, read?))
}
