//! Rows on their way into one table: one COPY, for as long as nothing else is asked of the connection.

use std::pin::Pin;

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use star_contract::Column;
use tokio_postgres::CopyInSink;
use totesys_postgres::{CopyEncoder, RowNumber};

use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;
use crate::{WarehouseError, bulk};

/// About how many bytes are encoded before they are sent.
const BUFFER_BYTES: usize = 256 << 10;

/// After so many bytes a new COPY begins: `statement_timeout` counts against each, however large the table is.
const MOST_BYTES: usize = 256 << 20;

/// Where rows are copied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    into: String,
    /// The column their number goes to, and the others.
    number: String,
    columns: Vec<Column>,
    /// Whether the number is a record id: four bytes, from 1.
    record_ids: bool,
}

impl Target {
    /// A temporary table whose rows are numbered.
    pub(crate) fn temporary(table: &str, columns: &[Column]) -> Self {
        let (into, number) = (format!("pg_temp.{table}"), "_ord".to_owned());
        Self { into, number, columns: columns.to_vec(), record_ids: false }
    }

    /// The fact itself; numbers are its record ids.
    pub(crate) fn fact(work: &Work<'_>, shape: &Shape) -> Self {
        let into = work.places.table(&shape.table);
        Self { into, number: shape.id().to_owned(), columns: shape.columns.clone(), record_ids: true }
    }

    fn statement(&self) -> String {
        let names = self.columns.iter().map(|column| totesys_postgres::quote_identifier(&column.name));
        let names: Vec<_> = std::iter::once(self.number.clone()).chain(names).collect();
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", self.into, names.join(", "))
    }

    fn numbers(&self, shape: &Shape, before: i64, rows: usize) -> Result<RowNumber, WarehouseError> {
        Ok(match self.record_ids {
            true => RowNumber::Int32 { first: bulk::first_id(shape, before, rows)? },
            false => RowNumber::Int64 { first: before },
        })
    }
}

/// A COPY that has begun. Every other statement of its connection has to wait for [`finish`](Self::finish); dropped
/// without it, it fails its transaction.
pub(crate) struct Copying {
    target: Target,
    table: String,
    sink: Pin<Box<CopyInSink<Bytes>>>,
    encoder: CopyEncoder,
    out: BytesMut,
    sent: usize,
}

impl Copying {
    /// Begins.
    pub(crate) async fn begin(work: &Work<'_>, shape: &Shape, target: Target) -> Result<Self, WarehouseError> {
        let sink = work.transaction.copy_in::<_, Bytes>(&target.statement()).await;
        let sink = Box::pin(sink.map_err(while_doing("copying rows", &shape.table))?);
        let mut encoder = CopyEncoder::new(&target.columns);
        let mut out = BytesMut::with_capacity(BUFFER_BYTES);
        encoder.begin(&mut out);
        Ok(Self { table: shape.table.clone(), target, sink, encoder, out, sent: 0 })
    }

    /// Whether rows for `target` can go on here.
    pub(crate) fn takes(&self, target: &Target) -> bool {
        self.target == *target && self.sent < MOST_BYTES
    }

    /// Sends rows, numbered from `before` on.
    pub(crate) async fn send(&mut self, shape: &Shape, before: i64, batch: &RecordBatch) -> Result<(), WarehouseError> {
        let rows = batch.num_rows();
        let rows_per_slice =
            (rows.saturating_mul(BUFFER_BYTES) / batch.get_array_memory_size().max(1)).clamp(64, 64 * 1024);
        let mut offset = 0;
        while offset < rows {
            let slice = batch.slice(offset, rows_per_slice.min(rows - offset));
            let before = before.saturating_add(i64::try_from(offset).unwrap_or(i64::MAX));
            let numbers = self.target.numbers(shape, before, slice.num_rows())?;
            self.encoder
                .encode(&slice, numbers, &mut self.out)
                .map_err(|source| WarehouseError::Codec { table: shape.table.clone(), source: Box::new(source) })?;
            let encoded = self.out.split().freeze();
            self.sent += encoded.len();
            self.sink.feed(encoded).await.map_err(while_doing("copying rows", &self.table))?;
            offset += slice.num_rows();
        }
        Ok(())
    }

    /// Ends the COPY; only then are its rows in.
    pub(crate) async fn finish(mut self) -> Result<(), WarehouseError> {
        let failed = || while_doing("copying rows", &self.table);
        self.encoder.end(&mut self.out);
        self.sink.send(self.out.freeze()).await.map_err(failed())?;
        self.sink.as_mut().finish().await.map_err(failed())?;
        Ok(())
    }
}
