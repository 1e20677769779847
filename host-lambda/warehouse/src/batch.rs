//! One batch of one star, before and after.

use crate::{LedgerRow, Load, WarehouseError};

/// The batch about to be loaded.
#[derive(Debug, Clone)]
pub struct StarBatch {
    /// The star.
    pub star: String,
    /// The generation of the star's ledger this batch belongs to: 0 at first, one more with each rebuild.
    pub generation: u64,
    /// The batch's number.
    pub batch: u64,
    /// When its snapshot was taken, in microseconds since 1970 UTC.
    pub snapshot_micros: i64,
    /// The component that made the rows.
    pub component_digest: String,
    /// Who loads: lets a reader of the ledger tell attempts apart.
    pub attempt: String,
}

/// The earlier batch that observed a row which is loaded only now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Its number.
    pub batch: u64,
    /// When its snapshot was taken, in microseconds since 1970 UTC.
    pub snapshot_micros: i64,
}

/// What [`begin`](crate::Warehouse::begin) found.
#[derive(Debug)]
pub enum Begun<'a> {
    /// The batch is next: stage its rows and commit.
    Load(Load<'a>),
    /// The batch was loaded before; nothing was changed.
    AlreadyLoaded(LedgerRow),
}

/// What a load did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LoadReport {
    /// One entry for each table of the star, in described order.
    pub tables: Vec<TableReport>,
}

/// What a load did to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows the batch brought.
    pub rows_offered: u64,
    /// Dimension rows that were missing.
    pub inserted: u64,
    /// Dimension rows that differed.
    pub updated: u64,
    /// Fact versions appended, released ones included.
    pub appended: u64,
    /// Rows of the batch that changed nothing.
    pub unchanged: u64,
    /// Rows of the batch that now wait for a dimension row.
    pub waiting: u64,
    /// Rows of earlier batches that waited and were appended.
    pub released: u64,
    /// Rows, waiting or of the batch, that a later version overtook.
    pub superseded: u64,
    /// Keys of a fact whose row is gone from the source since the batch before.
    pub deleted: u64,
    /// The first record id given out.
    pub first_id: Option<i32>,
    /// The last record id given out.
    pub last_id: Option<i32>,
}

/// A batch in the form its SQL needs.
#[derive(Debug)]
pub(crate) struct CheckedBatch {
    pub(crate) star: String,
    pub(crate) number: i64,
    /// The snapshot time as a timestamptz literal.
    pub(crate) snapshot: String,
    pub(crate) component_digest: String,
    pub(crate) attempt: String,
}

impl TryFrom<StarBatch> for CheckedBatch {
    type Error = WarehouseError;

    fn try_from(batch: StarBatch) -> Result<Self, WarehouseError> {
        let snapshot = timestamp_literal(batch.snapshot_micros);
        let (Ok(number), Some(snapshot)) = (i64::try_from(batch.batch), snapshot) else {
            return Err(WarehouseError::Range { star: batch.star, batch: batch.batch });
        };
        Ok(Self {
            number,
            snapshot,
            star: batch.star,
            component_digest: batch.component_digest,
            attempt: batch.attempt,
        })
    }
}

/// A time as a timestamptz literal, unless it lies outside the calendar.
pub(crate) fn timestamp_literal(micros: i64) -> Option<String> {
    let moment = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(format!("'{moment:.6}'::timestamptz"))
}
