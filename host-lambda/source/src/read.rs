//! Counting and reading a table of a snapshot.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use arrow_array::RecordBatch;
use totesys_postgres::{BatchLimits, CopiedOut, CopyDecoder, CopyOutError, RefusedValue, quote_identifier};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::error::SourceError;
use crate::mode::ReadMode;
use crate::snapshot::{SnapshotTable, SourceSnapshot};

/// A range of a table's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRange {
    /// The first page.
    pub first: u32,
    /// The page after the last; open-ended without.
    pub end: Option<u32>,
}

impl PageRange {
    /// All pages.
    pub const ALL: Self = Self { first: 0, end: None };

    pub(crate) fn predicate(self) -> Option<String> {
        let from = format!("ctid >= '({},0)'::tid", self.first);
        match self.end {
            Some(end) => Some(format!("{from} AND ctid < '({end},0)'::tid")),
            None if self.first == 0 => None,
            None => Some(from),
        }
    }
}

/// What reading a portion gave besides batches.
#[derive(Debug, Clone, Default)]
pub struct PortionRead {
    /// Rows in batches.
    pub rows: u64,
    /// Bytes that came over the wire.
    pub bytes: u64,
    /// Rows with a value their column cannot hold.
    pub refused: Vec<RefusedValue>,
    /// Transactions at or after the snapshot's xmin that inserted the rows, for [`crate::Baseline::with_delivered`].
    pub recent_xids: BTreeSet<u32>,
}

/// Part of a table: what one COPY reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Portion {
    /// The rows of a range that the mode reads.
    Range(PageRange),
    /// Rows by their places, which a survey of the same snapshot found; numbers only, so nothing needs quoting.
    Rows(Vec<String>),
    /// The keys of all rows of a range, whatever the mode.
    Keys(PageRange),
}

impl SourceSnapshot {
    /// Reads one portion and sends its batches. Several portions may be read at once: each takes a connection of
    /// its own, and waits while all are in use.
    ///
    /// # Errors
    /// When the server refuses, the stream cannot be decoded, or the receiver is gone.
    pub async fn read(
        &self,
        table: &str,
        mode: &ReadMode,
        portion: &Portion,
        batches: SyncSender<RecordBatch>,
    ) -> Result<PortionRead, SourceError> {
        let span = info_span!("read", table, rows = Empty, refused = Empty, bytes = Empty, duration_ms = Empty);
        let reading = async {
            let source = self.table(table)?;
            let lease = self.sessions.lease().await?;
            let started = Instant::now();
            let columns = if matches!(portion, Portion::Keys(_)) { &source.key } else { &source.columns };
            let mut decoder = CopyDecoder::new(columns, BatchLimits::default());
            // A field more for each row costs the server a tenth of its time, and mostly says nothing.
            let with_xids = !self.window.is_empty();
            if with_xids {
                decoder = decoder.with_row_xids(self.window.clone());
            }
            let copy = copy_statement(source, mode, portion, with_xids);
            let CopiedOut { summary, refused } =
                lease.connection().copy_out(&copy, decoder, batches).await.map_err(copy_failed(table))?;
            let read =
                PortionRead { rows: summary.rows, bytes: summary.bytes, refused, recent_xids: summary.recent_xids };
            lease.give_back();
            Span::current()
                .record("rows", read.rows)
                .record("refused", read.refused.len())
                .record("bytes", read.bytes)
                .record("duration_ms", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
            tracing::debug!("portion read");
            Ok(read)
        };
        reading.instrument(span).await
    }
}

fn copy_statement(source: &SnapshotTable, mode: &ReadMode, portion: &Portion, with_xids: bool) -> String {
    let conditions: Vec<String> = match portion {
        Portion::Range(range) => range.predicate().into_iter().chain(mode.predicate()).collect(),
        Portion::Rows(places) => {
            let places: Vec<_> = places.iter().map(|place| format!("\"{place}\"")).collect();
            vec![format!("ctid = ANY ('{{{}}}'::tid[])", places.join(","))]
        }
        Portion::Keys(range) => range.predicate().into_iter().collect(),
    };
    let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let keys;
    let selected = match portion {
        Portion::Keys(_) => {
            let names: Vec<_> = source.key.iter().map(|column| quote_identifier(&column.name)).collect();
            keys = names.join(", ");
            &keys
        }
        _ => &source.select_list,
    };
    let xids = if with_xids { ", xmin" } else { "" };
    format!("COPY (SELECT {selected}{xids} FROM {}{filter}) TO STDOUT (FORMAT binary)", source.qualified)
}

fn copy_failed(table: &str) -> impl Fn(CopyOutError) -> SourceError {
    move |error| {
        let table = table.to_owned();
        match error {
            CopyOutError::Server(source) => SourceError::Table { doing: "read", table, source },
            CopyOutError::Codec(source) => SourceError::Codec { table, source: Box::new(source) },
            CopyOutError::ReceiverGone => SourceError::ReceiverGone { table },
        }
    }
}

pub(crate) fn refused(table: &str, doing: &'static str) -> impl Fn(tokio_postgres::Error) -> SourceError {
    move |error| SourceError::Table { doing, table: table.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use star_contract::{Column, ColumnType};

    use super::*;
    use crate::keys::KeyExpressions;

    #[test]
    fn conditions_are_joined() {
        let source = SnapshotTable {
            qualified: r#""public"."design""#.to_owned(),
            oid: 1,
            columns: Vec::new(),
            select_list: r#""design_id""#.to_owned(),
            has_ranges: true,
            key: vec![Column {
                name: "design_id".to_owned(),
                column_type: ColumnType::Int32,
                nullable: false,
                extras: Vec::new(),
            }],
            key_sums: KeyExpressions::of(&[], &[], false),
        };
        let since = ReadMode::Since { xmin: 7, delivered: vec![] };
        assert_eq!(
            copy_statement(&source, &since, &Portion::Range(PageRange { first: 2, end: Some(4) }), true),
            "COPY (SELECT \"design_id\", xmin FROM \"public\".\"design\" WHERE ctid >= '(2,0)'::tid AND \
             ctid < '(4,0)'::tid AND age(xmin) <= (SELECT age(('7'::xid8)::xid)) AND age(xmin) >= 0) \
             TO STDOUT (FORMAT binary)"
        );
        let whole = ReadMode::Whole { reason: "first-batch" };
        assert!(!copy_statement(&source, &whole, &Portion::Range(PageRange::ALL), true).contains("WHERE"));
        assert_eq!(
            copy_statement(&source, &since, &Portion::Rows(vec!["(0,1)".into(), "(7,3)".into()]), true),
            "COPY (SELECT \"design_id\", xmin FROM \"public\".\"design\" WHERE \
             ctid = ANY ('{\"(0,1)\",\"(7,3)\"}'::tid[])) TO STDOUT (FORMAT binary)"
        );
        assert_eq!(
            copy_statement(&source, &since, &Portion::Keys(PageRange::ALL), false),
            "COPY (SELECT \"design_id\" FROM \"public\".\"design\") TO STDOUT (FORMAT binary)"
        );
    }
}
