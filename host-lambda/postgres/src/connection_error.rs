//! Why there is no connection, in words a newcomer can act on.

use std::path::PathBuf;
use std::time::Duration;

use crate::PostgresError;

/// Why there is no connection. `place` is `user@host:port/database`.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The URL, or a `PG*` variable, cannot be used. It is not shown: it may hold a password.
    #[error("the database settings cannot be used: {problem}")]
    BadSettings {
        /// What is wrong with them.
        problem: &'static str,
    },
    /// Nobody answers there.
    #[error("no PostgreSQL server can be reached at {place}")]
    Unreachable {
        /// Where.
        place: String,
        /// What the network said.
        #[source]
        source: PostgresError,
    },
    /// The server did not answer in time.
    #[error("no answer from {place} within {} seconds", waited.as_secs())]
    TimedOut {
        /// Where.
        place: String,
        /// For how long.
        waited: Duration,
    },
    /// The server wants a password and there is none.
    #[error("the server wants a password for {place} and none is set")]
    PasswordMissing {
        /// Where.
        place: String,
    },
    /// The server refused the role or its password.
    #[error("the server refused to log in {place}")]
    WrongPassword {
        /// Where.
        place: String,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
    /// The server has no database of this name.
    #[error("there is no such database: {place}")]
    NoSuchDatabase {
        /// Where.
        place: String,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
    /// The role may not connect.
    #[error("the role may not connect to {place}")]
    MissingRight {
        /// Where.
        place: String,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
    /// The server is starting, stopping or has no connection left.
    #[error("the server cannot take a connection to {place} now")]
    NotReady {
        /// Where.
        place: String,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
    /// No encrypted connection that satisfies `sslmode`.
    #[error("no TLS connection to {place} that satisfies sslmode={mode}")]
    Tls {
        /// Where.
        place: String,
        /// The mode that was asked for.
        mode: &'static str,
        /// What the handshake said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file that `sslrootcert` names gives no certificates.
    #[error("no certificate can be read from {}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else the server said.
    #[error("the connection to {place} failed")]
    Refused {
        /// Where.
        place: String,
        /// What the server said.
        #[source]
        source: PostgresError,
    },
}

impl ConnectionError {
    /// Whether trying again later may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NotReady { .. } => true,
            Self::Refused { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadSettings { .. } => {
                "a database URL looks like postgresql://user:password@host:5432/database; what it leaves out comes \
                 from PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE"
            }
            Self::Unreachable { .. } => "check host and port, that the server runs, and that no firewall is between",
            Self::TimedOut { .. } => "check host and port and the firewall between, or raise connect_timeout",
            Self::PasswordMissing { .. } => "set it in the URL, in PGPASSWORD or in ~/.pgpass (mode 0600)",
            Self::WrongPassword { .. } => "check user and password, and the server's pg_hba.conf",
            Self::NoSuchDatabase { .. } => "check the database's name, or create it with createdb",
            Self::MissingRight { .. } => "GRANT CONNECT ON DATABASE … TO the role",
            Self::NotReady { .. } => "wait a little and try again",
            Self::Tls { .. } => {
                "check sslmode, and that sslrootcert names the authority that signed the server's certificate; a \
                 server in a trusted network without TLS needs sslmode=disable"
            }
            Self::Certificates { .. } => "sslrootcert must name a readable PEM file, or be `system`",
            Self::Refused { source, .. } => return source.hint(),
        };
        Some(hint.to_owned())
    }
}
