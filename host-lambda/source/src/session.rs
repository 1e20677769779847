//! Read-only sessions that share one snapshot.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use totesys_postgres::{BulkConnection, ConnectionSettings, PostgresError, quote_literal};

use crate::error::SourceError;
use crate::snapshot::SourceOptions;

/// What a session's server calls it.
const APPLICATION: &str = "totesys-extract";

/// What the first statement of a snapshot says of it.
pub(crate) struct SnapshotState {
    pub(crate) xmin: u64,
    pub(crate) xmax: u64,
    pub(crate) in_progress: BTreeSet<u32>,
    pub(crate) taken_at: i64,
    pub(crate) system_identifier: u64,
    pub(crate) timeline: u32,
    pub(crate) postmaster_start: i64,
    pub(crate) database_oid: u32,
    pub(crate) database: String,
    pub(crate) in_recovery: bool,
}

const STATE: &str = "\
    SELECT pg_snapshot_xmin(s.taken), pg_snapshot_xmax(s.taken),
      (SELECT string_agg(open::xid::text, ',') FROM pg_snapshot_xip(s.taken) AS open),
      (extract(epoch FROM statement_timestamp()) * 1000000)::int8,
      (SELECT system_identifier FROM pg_control_system()),
      CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
        ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int4 END,
      (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8,
      d.oid, d.datname, pg_is_in_recovery(), current_setting('transaction_read_only')
    FROM (SELECT pg_current_snapshot() AS taken) s, pg_database d WHERE d.datname = current_database()";

/// A table's lock: what to call it and the statement.
pub(crate) struct Lock {
    pub(crate) table: String,
    pub(crate) statement: String,
}

/// Opens a session that can do nothing but read, and in which names mean what they say.
pub(crate) async fn open(
    settings: &ConnectionSettings,
    options: &SourceOptions,
) -> Result<BulkConnection, SourceError> {
    let connection = settings.connect_bulk(APPLICATION).await?;
    let prepare = format!(
        "SET search_path = pg_catalog; SET default_transaction_read_only = on; SET row_security = off; \
         SET lock_timeout = {}; SET statement_timeout = {statement}; \
         SET idle_in_transaction_session_timeout = {statement}; SET client_encoding = 'UTF8'; \
         SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; \
         SET bytea_output = 'hex'; SET extra_float_digits = 1; SET jit = off",
        milliseconds(options.lock_timeout),
        statement = milliseconds(options.statement_timeout),
    );
    connection.batch_execute(&prepare).await.map_err(server("take the session's settings"))?;
    Ok(connection)
}

/// Begins the transaction of a snapshot: the locks come before the first query, which takes it.
pub(crate) async fn begin(client: &Client, snapshot: Option<&str>, locks: &[Lock]) -> Result<(), SourceError> {
    let mut begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned();
    if let Some(snapshot) = snapshot {
        begin.push_str(&format!("; SET TRANSACTION SNAPSHOT {}", quote_literal(snapshot)));
    }
    client.batch_execute(&begin).await.map_err(server("begin a transaction"))?;
    for lock in locks {
        client.batch_execute(&lock.statement).await.map_err(|error| SourceError::Table {
            doing: "lock",
            table: lock.table.clone(),
            source: error.into(),
        })?;
    }
    Ok(())
}

/// Takes the snapshot and asks what it is. One simple query, so that its own time lies before the snapshot.
pub(crate) async fn state(client: &Client) -> Result<SnapshotState, SourceError> {
    let row = first_row(client, STATE, "snapshot").await?;
    let text = |position| row.get(position).ok_or(SourceError::Answer { about: "its snapshot" });
    if text(10)? != "on" {
        return Err(SourceError::NotReadOnly);
    }
    let in_progress = row.get(2).unwrap_or_default();
    let in_progress = in_progress.split(',').filter(|xid| !xid.is_empty()).map(number).collect::<Result<_, _>>()?;
    Ok(SnapshotState {
        xmin: number(text(0)?)?,
        xmax: number(text(1)?)?,
        in_progress,
        taken_at: number(text(3)?)?,
        system_identifier: number::<i64>(text(4)?)?.cast_unsigned(),
        timeline: number(text(5)?)?,
        postmaster_start: number(text(6)?)?,
        database_oid: number(text(7)?)?,
        database: text(8)?.to_owned(),
        in_recovery: text(9)? == "t",
    })
}

/// Lets other sessions join this one's snapshot.
pub(crate) async fn export(client: &Client) -> Result<String, SourceError> {
    let row = first_row(client, "SELECT pg_export_snapshot()", "exported snapshot").await?;
    row.get(0).map(str::to_owned).ok_or(SourceError::Answer { about: "its exported snapshot" })
}

/// The server's version number, such as 150004.
pub(crate) async fn server_version(client: &Client) -> Result<u32, SourceError> {
    let row = first_row(client, "SHOW server_version_num", "version").await?;
    let version: u32 = number(row.get(0).unwrap_or_default())?;
    if version < 130_000 {
        return Err(SourceError::ServerTooOld { found: format!("{}.{}", version / 10_000, version % 10_000) });
    }
    Ok(version)
}

async fn first_row(client: &Client, query: &str, about: &'static str) -> Result<SimpleQueryRow, SourceError> {
    let messages = client.simple_query(query).await.map_err(server("describe its state"))?;
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.ok_or(SourceError::Answer { about })
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, SourceError> {
    text.parse().map_err(|_| SourceError::Answer { about: "its state" })
}

fn server(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> SourceError {
    move |error| SourceError::Server { doing, source: PostgresError::from(error) }
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// Sessions of one snapshot. The first took it; others join when several ranges are read at once.
pub(crate) struct Sessions {
    settings: ConnectionSettings,
    options: SourceOptions,
    exported: String,
    locks: Vec<Lock>,
    idle: Mutex<Vec<BulkConnection>>,
    permits: Semaphore,
}

impl Sessions {
    pub(crate) fn new(
        settings: ConnectionSettings,
        options: SourceOptions,
        first: BulkConnection,
        exported: String,
        locks: Vec<Lock>,
    ) -> Self {
        let permits = Semaphore::new(options.connections.max(1));
        Self { settings, options, exported, locks, idle: Mutex::new(vec![first]), permits }
    }

    /// How many sessions there may be at once.
    pub(crate) fn connections(&self) -> usize {
        self.options.connections.max(1)
    }

    /// A session for one task, as soon as one is free.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, SourceError> {
        let permit = self.permits.acquire().await.map_err(|_| SourceError::Answer { about: "its sessions" })?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = open(&self.settings, &self.options).await?;
                begin(&connection, Some(&self.exported), &self.locks).await?;
                connection
            }
        };
        Ok(Lease { connection, sessions: self, _permit: permit })
    }

    /// Ends the transactions.
    pub(crate) async fn close(self) -> Result<(), SourceError> {
        let idle = self.idle.into_inner().unwrap_or_else(PoisonError::into_inner);
        for connection in idle {
            connection.batch_execute("ROLLBACK").await.map_err(server("end a transaction"))?;
        }
        Ok(())
    }
}

/// A session in use. Unless it is given back whole, its connection is closed: what it was doing is unknown.
pub(crate) struct Lease<'a> {
    connection: BulkConnection,
    sessions: &'a Sessions,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    pub(crate) fn client(&self) -> &Client {
        &self.connection
    }

    pub(crate) fn connection(&self) -> &BulkConnection {
        &self.connection
    }

    pub(crate) fn give_back(self) {
        let Self { connection, sessions, _permit } = self;
        sessions.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
