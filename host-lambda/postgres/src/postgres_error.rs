//! What a server's refusal may say: never a row's values.

use std::error::Error;

use tokio_postgres::error::{DbError, SqlState};

/// What kind of trouble a statement met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresErrorKind {
    /// The role may not do this.
    InsufficientPrivilege,
    /// A lock was not granted within `lock_timeout`.
    LockTimeout,
    /// The statement ran into `statement_timeout` or was cancelled.
    Cancelled,
    /// Another transaction, or a replica's recovery, was in the way.
    Serialization,
    /// The connection or the server is gone.
    ConnectionLost,
    /// A value does not suit its type (SQLSTATE class 22).
    DataException,
    /// A row breaks a constraint (SQLSTATE class 23).
    ConstraintViolation,
    /// Anything else.
    Other,
}

/// A failed statement: its kind, SQLSTATE and what the server said as far as that cannot hold row values.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PostgresError(Box<Report>);

#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
struct Report {
    kind: PostgresErrorKind,
    sqlstate: Option<String>,
    message: Option<String>,
    table: Option<String>,
    column: Option<String>,
    constraint: Option<String>,
    /// Set only when the trouble is not the server's own report: those carry details with row values.
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PostgresError {
    /// What the operating system said before there was a connection.
    pub(crate) fn local(error: std::io::Error) -> Self {
        Self::without_report(PostgresErrorKind::ConnectionLost, error.into())
    }

    fn without_report(kind: PostgresErrorKind, source: Box<dyn Error + Send + Sync>) -> Self {
        let (sqlstate, message, table, column, constraint) = (None, None, None, None, None);
        Self(Box::new(Report { kind, sqlstate, message, table, column, constraint, source: Some(source) }))
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> PostgresErrorKind {
        self.0.kind
    }

    /// The five letters and digits of the server's report.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The constraint that was broken, if one was.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.0.constraint.as_deref()
    }

    /// Whether the same statements may succeed when tried again later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use PostgresErrorKind::{ConnectionLost, LockTimeout, Serialization};
        matches!(self.0.kind, LockTimeout | Serialization | ConnectionLost)
    }

    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self.0.kind {
            PostgresErrorKind::InsufficientPrivilege => "grant the role the right it lacks, or connect as another role",
            PostgresErrorKind::LockTimeout => {
                "another session holds the table (a migration, perhaps): try again when it is done"
            }
            PostgresErrorKind::Cancelled => {
                "it took longer than statement_timeout, or was cancelled: raise the timeout"
            }
            PostgresErrorKind::Serialization => "another transaction or a replica's recovery was in the way: try again",
            PostgresErrorKind::ConnectionLost => "check that the server is up and try again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl Report {
    fn describe(&self) -> String {
        let mut text = match (&self.message, self.kind) {
            (Some(message), _) => message.clone(),
            (None, PostgresErrorKind::ConnectionLost) => "the connection to the server was lost".to_owned(),
            (None, _) => "the server's answer was not understood".to_owned(),
        };
        for (what, name) in [("table", &self.table), ("column", &self.column), ("constraint", &self.constraint)] {
            if let Some(name) = name {
                text.push_str(&format!(", {what} `{name}`"));
            }
        }
        if let Some(sqlstate) = &self.sqlstate {
            text.push_str(&format!(" ({sqlstate})"));
        }
        text
    }

    fn from_server(report: &DbError) -> Self {
        let kind = kind_of(report.code());
        let sqlstate = report.code().code();
        // These reports quote the offending value, and a trigger's own message may say anything under any code.
        let raised = report.routine() == Some("exec_stmt_raise");
        let quotes_values =
            raised || sqlstate.starts_with("22") || sqlstate.starts_with("23") || sqlstate.starts_with("P0");
        let message = if quotes_values { condition(sqlstate).to_owned() } else { report.message().to_owned() };
        Self {
            kind,
            sqlstate: Some(sqlstate.to_owned()),
            message: Some(message),
            table: report.table().map(str::to_owned),
            column: report.column().map(str::to_owned),
            constraint: report.constraint().map(str::to_owned),
            source: None,
        }
    }
}

/// Sorts an error by what can be done about it, without anything that could quote a row.
#[must_use]
pub fn classify(error: &tokio_postgres::Error) -> PostgresErrorKind {
    match error.as_db_error() {
        Some(report) => kind_of(report.code()),
        None if error.is_closed() || has_io_cause(error) => PostgresErrorKind::ConnectionLost,
        None => PostgresErrorKind::Other,
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(report) = error.as_db_error() {
            return Self(Box::new(Report::from_server(report)));
        }
        Self::without_report(classify(&error), error.into())
    }
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<std::io::Error>())
}

fn kind_of(code: &SqlState) -> PostgresErrorKind {
    use PostgresErrorKind as Kind;
    match code.code() {
        "42501" => Kind::InsufficientPrivilege,
        "55P03" => Kind::LockTimeout,
        "57014" => Kind::Cancelled,
        "40001" | "40P01" => Kind::Serialization,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Kind::ConnectionLost,
        code if code.starts_with("08") => Kind::ConnectionLost,
        code if code.starts_with("22") => Kind::DataException,
        code if code.starts_with("23") => Kind::ConstraintViolation,
        _ => Kind::Other,
    }
}

/// PostgreSQL's name of a condition whose message may quote a value.
fn condition(sqlstate: &str) -> &'static str {
    match sqlstate {
        "22001" => "string_data_right_truncation",
        "22003" => "numeric_value_out_of_range",
        "22004" => "null_value_not_allowed",
        "22007" => "invalid_datetime_format",
        "22008" => "datetime_field_overflow",
        "22012" => "division_by_zero",
        "22021" => "character_not_in_repertoire",
        "22023" => "invalid_parameter_value",
        "22P02" => "invalid_text_representation",
        "22P03" => "invalid_binary_representation",
        "22P04" => "bad_copy_file_format",
        "23001" => "restrict_violation",
        "23502" => "not_null_violation",
        "23503" => "foreign_key_violation",
        "23505" => "unique_violation",
        "23514" => "check_violation",
        "23P01" => "exclusion_violation",
        code if code.starts_with("22") => "data_exception",
        code if code.starts_with("23") => "integrity_constraint_violation",
        _ => "raise_exception",
    }
}
