//! A connection over which statements are sent as text.

use tokio_postgres::SimpleQueryMessage;
use totesys_postgres::{Connection, ConnectionSettings, PostgresError, quote_identifier};

use crate::SimulateError;

/// A connection to the source, its tables found without naming their schema.
pub(crate) struct Session {
    connection: Connection,
}

/// The rows of a script's statements, in order, as text.
pub(crate) type Answer = Vec<Vec<Option<String>>>;

impl Session {
    pub(crate) async fn open(settings: &ConnectionSettings, schema: &str) -> Result<Self, SimulateError> {
        let session = Self { connection: settings.connect("totesys simulate").await? };
        let path =
            format!("SET search_path = {}; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'", quote_identifier(schema));
        session.run("preparing the session", &path).await?;
        Ok(session)
    }

    /// Runs one or more statements and gives their rows, all of them together.
    pub(crate) async fn run(&self, doing: &'static str, script: &str) -> Result<Answer, SimulateError> {
        let answered = self.connection.simple_query(script).await;
        let messages = answered.map_err(|error| SimulateError::Statement { doing, source: PostgresError::from(error) });
        let mut rows = Vec::new();
        for message in messages? {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect());
            }
        }
        Ok(rows)
    }

    /// The first number of a script's first row; none for NULL or no row.
    pub(crate) async fn number(&self, doing: &'static str, script: &str) -> Result<Option<i64>, SimulateError> {
        Ok(first_number(&self.run(doing, script).await?))
    }

    /// The numbers of a script's first column.
    pub(crate) async fn numbers(&self, doing: &'static str, script: &str) -> Result<Vec<i32>, SimulateError> {
        let rows = self.run(doing, script).await?;
        Ok(rows.iter().filter_map(|row| row.first()?.as_ref()?.parse().ok()).collect())
    }
}

fn first_number(rows: &Answer) -> Option<i64> {
    rows.first()?.first()?.as_ref()?.parse().ok()
}
