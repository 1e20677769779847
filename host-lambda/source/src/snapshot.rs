//! One snapshot of the source and what it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use star_contract::{Column, Delivery};
use totesys_postgres::{ConnectionSettings, XidWindow, qualified};

use crate::baseline::{Baseline, TableShape, raw};
use crate::catalog;
use crate::columns::{self, IngestedColumn};
use crate::error::SourceError;
use crate::keys::KeyExpressions;
use crate::mode::{self, ReadMode};
use crate::session::{self, Lock, Sessions};

/// How the source is read.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// The schema with the tables.
    pub schema: String,
    /// Connections at most.
    pub connections: usize,
    /// How long to wait for a table that another session has locked.
    pub lock_timeout: Duration,
    /// How long one statement may take, and how long a transaction may idle.
    pub statement_timeout: Duration,
    /// Tables larger than this are read in several ranges.
    pub range_bytes: u64,
    /// Columns, as `table.column`, that are not ingested unless a component describes them.
    pub exclude_columns: Vec<String>,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            schema: "public".to_owned(),
            connections: 2,
            lock_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(15 * 60),
            range_bytes: 64 << 20,
            exclude_columns: Vec::new(),
        }
    }
}

/// A table that components read.
#[derive(Debug, Clone)]
pub struct TableRequest {
    /// Its name.
    pub table: String,
    /// The columns that components describe, merged.
    pub columns: Vec<Column>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// Changes or snapshots.
    pub delivery: Delivery,
}

/// A table of the snapshot.
pub(crate) struct SnapshotTable {
    /// Its name in SQL.
    pub(crate) qualified: String,
    pub(crate) oid: u32,
    pub(crate) columns: Vec<Column>,
    /// What is selected for the columns.
    pub(crate) select_list: String,
    /// Whether reading page ranges makes sense.
    pub(crate) has_ranges: bool,
    /// The columns of the key.
    pub(crate) key: Vec<Column>,
    pub(crate) key_sums: KeyExpressions,
}

/// One REPEATABLE READ, READ ONLY snapshot of the source, its tables locked against changes of their shape.
pub struct SourceSnapshot {
    pub(crate) sessions: Sessions,
    pub(crate) tables: BTreeMap<String, SnapshotTable>,
    pub(crate) window: XidWindow,
    pub(crate) range_bytes: u64,
    baseline: Baseline,
    taken_at: i64,
}

/// Which of two snapshots of one server is the later one: of versions that each of them shows, the later one shows the
/// newer. The server's clock does not say so, because time passes between a snapshot and the statement that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotOrder {
    /// No transaction from this one on had ended.
    pub xmax: u64,
    /// Of those before it, how many were under way: they become fewer as long as `xmax` stays. Counted downwards, so
    /// that later is greater.
    pub under_way: std::cmp::Reverse<u64>,
}

impl std::fmt::Debug for SourceSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceSnapshot")
            .field("baseline", &self.baseline)
            .field("taken_at", &self.taken_at)
            .finish_non_exhaustive()
    }
}

impl SourceSnapshot {
    /// Connects, checks the requested tables, locks them and takes the snapshot.
    ///
    /// # Errors
    /// When there is no connection, or a table cannot be read as described.
    pub async fn open(
        settings: &ConnectionSettings,
        options: &SourceOptions,
        tables: &[TableRequest],
    ) -> Result<Self, SourceError> {
        let first = session::open(settings, options).await?;
        let version = session::server_version(&first).await?;
        // Before the transaction, so that a missing table or right is named in words of our own.
        catalog::inspect(&first, &options.schema, tables).await?;
        let locks: Vec<_> = tables
            .iter()
            .map(|request| Lock {
                table: request.table.clone(),
                statement: format!("LOCK TABLE {} IN ACCESS SHARE MODE", qualified(&options.schema, &request.table)),
            })
            .collect();
        session::begin(&first, None, &locks).await?;
        let state = session::state(&first).await?;
        // Again under the locks: only now nothing can change any more.
        let mut found = catalog::inspect(&first, &options.schema, tables).await?;
        let names = catalog::names(&first, &options.schema).await?;
        let exported = session::export(&first).await?;

        let mut snapshot_tables = BTreeMap::new();
        let mut shapes = BTreeMap::new();
        for request in tables {
            let Some(table) = found.remove(&request.table) else { continue };
            let ingested = columns::ingested(request, &table.columns, &options.exclude_columns)?;
            let has_ranges = version >= 140_000 && table.children.is_empty();
            let in_key = |column: &&IngestedColumn| request.key.contains(&column.column.name);
            let widened = ingested.iter().filter(in_key).any(|column| column.source_type != "integer");
            let key: Vec<_> = ingested.iter().filter(in_key).map(|column| column.column.clone()).collect();
            shapes.insert(request.table.clone(), shape(table.oid, table.children, &ingested));
            snapshot_tables.insert(
                request.table.clone(),
                SnapshotTable {
                    qualified: qualified(&options.schema, &request.table),
                    oid: table.oid,
                    select_list: ingested
                        .iter()
                        .map(|column| column.expression.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                    columns: ingested.into_iter().map(|column| column.column).collect(),
                    has_ranges,
                    key_sums: KeyExpressions::of(&request.key, &key, widened),
                    key,
                },
            );
        }
        Ok(Self {
            sessions: Sessions::new(settings.clone(), options.clone(), first, exported, locks),
            tables: snapshot_tables,
            window: XidWindow { first: raw(state.xmin), end: raw(state.xmax), in_progress: state.in_progress },
            range_bytes: options.range_bytes.max(1),
            baseline: Baseline {
                system_identifier: state.system_identifier,
                timeline: state.timeline,
                postmaster_start: state.postmaster_start,
                database_oid: state.database_oid,
                database: state.database,
                xmin: state.xmin,
                xmax: state.xmax,
                delivered: Vec::new(),
                tables: shapes,
                all_tables: Some(names),
                in_recovery: state.in_recovery,
            },
            taken_at: state.taken_at,
        })
    }

    /// What a batch of this snapshot remembers; see [`Baseline::with_delivered`] for what its reading adds.
    #[must_use]
    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// When the snapshot was taken by the server's clock, in microseconds since 1970 UTC.
    #[must_use]
    pub fn taken_at(&self) -> i64 {
        self.taken_at
    }

    /// The snapshot's place among others of the server. A replica does not say what is under way, so that snapshots
    /// between which only older transactions ended look alike there.
    #[must_use]
    pub fn order(&self) -> SnapshotOrder {
        let under_way = std::cmp::Reverse(self.window.in_progress.len() as u64);
        SnapshotOrder { xmax: self.baseline.xmax, under_way }
    }

    /// The columns of a table's batches: the described ones in their order, then the table's others. Empty for
    /// a table that was not requested.
    #[must_use]
    pub fn columns(&self, table: &str) -> &[Column] {
        self.tables.get(table).map_or(&[], |table| &table.columns)
    }

    /// The columns of a table's key, as they stand in batches of keys.
    #[must_use]
    pub fn key_columns(&self, table: &str) -> &[Column] {
        self.tables.get(table).map_or(&[], |table| &table.key)
    }

    /// Decides how each table is read after the batch that left `previous`.
    ///
    /// # Errors
    /// When this is a replica that is behind that batch.
    pub fn decide(&self, previous: Option<&Baseline>) -> Result<BTreeMap<String, ReadMode>, SourceError> {
        mode::decide(&self.baseline, previous)
    }

    /// Ends the transaction and closes the connections.
    ///
    /// # Errors
    /// When the server is gone; nothing is lost by that.
    pub async fn close(self) -> Result<(), SourceError> {
        self.sessions.close().await
    }

    pub(crate) fn table(&self, table: &str) -> Result<&SnapshotTable, SourceError> {
        self.tables.get(table).ok_or_else(|| SourceError::UnknownTable { table: table.to_owned() })
    }
}

fn shape(oid: u32, partitions: Vec<u32>, columns: &[IngestedColumn]) -> TableShape {
    let columns = columns.iter().map(|column| (column.column.name.clone(), column.source_type.clone())).collect();
    TableShape { oid, partitions, columns, rows: None, keys: None, partial: false }
}
