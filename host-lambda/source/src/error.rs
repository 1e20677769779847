//! Why the source cannot be read, in words a newcomer can act on.

use totesys_postgres::{CodecError, ConnectionError, PostgresError, PostgresErrorKind};

/// Why the source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no connection.
    #[error("the source database cannot be reached")]
    Connection(#[from] ConnectionError),
    /// The server refused a statement that concerns no single table.
    #[error("the source database refused to {doing}")]
    Server {
        /// What was being done.
        doing: &'static str,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
    /// The server refused to read or lock a table.
    #[error("the source database refused to {doing} table `{table}`")]
    Table {
        /// What was being done.
        doing: &'static str,
        /// The table.
        table: String,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
    /// A described table does not exist.
    #[error("there is no table `{schema}.{table}` in the source database")]
    TableMissing {
        /// Its schema.
        schema: String,
        /// Its name.
        table: String,
    },
    /// A described table is a view, a foreign table or something else without row versions.
    #[error("`{table}` is a {kind}, not a table: its changes cannot be found")]
    NotATable {
        /// Its name.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// The role may not read a table.
    #[error("role `{role}` may not read table `{schema}.{table}`")]
    MissingRight {
        /// The role.
        role: String,
        /// The table's schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// A described column does not exist.
    #[error("table `{table}` has no column `{column}`; a component describes it as {expected}")]
    ColumnMissing {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The described type.
        expected: String,
    },
    /// A described column has a type that does not fit.
    #[error("column `{table}.{column}` is {found}, which does not fit the described {expected}")]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The described type.
        expected: String,
        /// The type in the database.
        found: String,
    },
    /// A table was asked about that is not part of the snapshot.
    #[error("table `{table}` is not part of this snapshot")]
    UnknownTable {
        /// The table.
        table: String,
    },
    /// The session could write.
    #[error("the session on the source database is not read-only")]
    NotReadOnly,
    /// The server is older than the features this relies on.
    #[error("the source database is PostgreSQL {found}; 13 is the oldest that works")]
    ServerTooOld {
        /// Its version number.
        found: String,
    },
    /// The server answered something that makes no sense.
    #[error("the source database's answer about {about} was not understood")]
    Answer {
        /// What it was asked.
        about: &'static str,
    },
    /// A replica has not replayed what the last batch saw.
    #[error("the source is a replica that is behind the last batch: at transaction {found}, the batch saw {seen}")]
    ReplicaBehind {
        /// The last batch's xmax.
        seen: u64,
        /// The replica's xmax.
        found: u64,
    },
    /// A table's stream could not be decoded.
    #[error("table `{table}` could not be decoded")]
    Codec {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: Box<CodecError>,
    },
    /// Whoever took the batches stopped.
    #[error("the reader of table `{table}` went away")]
    ReceiverGone {
        /// The table.
        table: String,
    },
}

impl SourceError {
    /// Whether the same may succeed when tried again later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_transient(),
            Self::Server { source, .. } | Self::Table { source, .. } => source.is_transient(),
            Self::ReplicaBehind { .. } => true,
            Self::Codec { source, .. } => matches!(**source, CodecError::Truncated { .. }),
            _ => false,
        }
    }

    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Connection(error) => return error.hint(),
            Self::Table { source, table, .. } if source.kind() == PostgresErrorKind::InsufficientPrivilege => {
                return Some(format!(
                    "GRANT SELECT ON `{table}` to the role; where row-level security is on, the role also needs BYPASSRLS"
                ));
            }
            Self::Server { source, .. } | Self::Table { source, .. } => return source.hint(),
            Self::Codec { source, .. } => return source.hint(),
            Self::TableMissing { .. } => {
                "check the database and the schema setting; the components' descriptions name the tables"
            }
            Self::NotATable { .. } => {
                "describe the table itself; views, materialized views and foreign tables have no row versions"
            }
            Self::MissingRight { role, schema, table } => {
                let role = totesys_postgres::quote_identifier(role);
                let table = totesys_postgres::qualified(schema, table);
                let schema = totesys_postgres::quote_identifier(schema);
                return Some(format!("GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {table} TO {role};"));
            }
            Self::ColumnMissing { .. } | Self::ColumnType { .. } => {
                "the source's schema changed: publish components that describe it as it is"
            }
            Self::NotReadOnly => "connect directly, or through a pooler that keeps a session's transactions whole",
            Self::ServerTooOld { .. } => "upgrade the server, or read from one that was",
            Self::ReplicaBehind { .. } => "wait until the replica has caught up, or read from the primary",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
