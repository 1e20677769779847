//! A database of its own for each test, on the server that `TOTESYS_TEST_SERVER` names or on one of the test's own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_postgres::SimpleQueryMessage;
use totesys_postgres::{Connection, ConnectionSettings, quote_identifier};

/// The environment variable with the URL of a server on which tests may create databases.
const SERVER: &str = "TOTESYS_TEST_SERVER";

/// Rows as text, NULL as `None`.
pub type Rows = Vec<Vec<Option<String>>>;

/// A database with a unique name; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    server_url: String,
    settings: ConnectionSettings,
    /// Whether its server is the test's own and takes all its databases with it.
    goes_with_server: bool,
}

impl TestDatabase {
    /// Creates an empty database.
    ///
    /// # Panics
    /// Without a usable test server.
    pub async fn create() -> Self {
        let server_url = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!("{SERVER} is not set: there is no PostgreSQL to test with; hint: run `cargo xtask test`")
        });
        Self::create_at(&server_url, false).await
    }

    /// Creates an empty database on a server of the test's own, with which it goes.
    ///
    /// # Panics
    /// When the server cannot be used.
    pub async fn create_on(server_url: &str) -> Self {
        Self::create_at(server_url, true).await
    }

    /// The same database on another server of the test's own, such as a replica.
    ///
    /// # Panics
    /// When the URL cannot be used.
    #[must_use]
    pub fn on_server(&self, server_url: &str) -> Self {
        let settings = server_settings(server_url).with_database(self.settings.database());
        Self { server_url: server_url.to_owned(), settings, goes_with_server: true }
    }

    async fn create_at(server_url: &str, goes_with_server: bool) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let name = format!("totesys_test_{}_{started}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let server = server_settings(server_url);
        let admin = connect(&server).await;
        admin
            .batch_execute(&format!("CREATE DATABASE {}", quote_identifier(&name)))
            .await
            .unwrap_or_else(|error| panic!("the test server refused to create a database: {error}"));
        Self { server_url: server_url.to_owned(), settings: server.with_database(&name), goes_with_server }
    }

    /// How to connect to this database, as the server's superuser.
    #[must_use]
    pub fn settings(&self) -> ConnectionSettings {
        self.settings.clone()
    }

    /// The URL of this database.
    ///
    /// # Panics
    /// When the server's URL cannot carry a database name.
    #[must_use]
    pub fn url(&self) -> String {
        let (before, query) = self.server_url.split_once('?').unwrap_or((&self.server_url, ""));
        let scheme = before.find("://").expect("the test server's URL has a scheme") + 3;
        let authority = before[scheme..].find('/').map_or(before, |slash| &before[..scheme + slash]);
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{authority}/{}{separator}{query}", self.settings.database())
    }

    /// A new connection to this database.
    ///
    /// # Panics
    /// When there is none to be had.
    pub async fn connect(&self) -> Connection {
        connect(&self.settings).await
    }

    /// What a query gives, as text.
    ///
    /// # Panics
    /// When it fails.
    pub async fn rows(&self, query: &str) -> Rows {
        let connection = self.connect().await;
        let messages = connection.simple_query(query).await.unwrap_or_else(|error| panic!("{error:?}\n{query}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        rows.collect()
    }

    /// The same of a warehouse, its schema before all others.
    ///
    /// # Panics
    /// When it fails.
    pub async fn warehouse_rows(&self, query: &str) -> Rows {
        self.rows(&format!("SET search_path = totesys; {query}")).await
    }

    /// Every table and view of the warehouse's schemas with its rows as sorted text, less the columns named.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn contents_without(&self, columns: &[&str]) -> BTreeMap<String, Vec<String>> {
        let session = self.connect().await;
        let tables = "SELECT format('%I.%I', table_schema, table_name),
                        string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
                      FROM information_schema.columns
                      WHERE table_schema LIKE 'totesys%' AND column_name <> ALL ($1) GROUP BY 1 ORDER BY 1";
        let mut contents = BTreeMap::new();
        for row in session.query(tables, &[&columns]).await.expect("the catalogue can be read") {
            let (table, kept): (String, String) = (row.get(0), row.get(1));
            let query = format!("SELECT ROW({kept})::text FROM {table} ORDER BY 1");
            let rows = session.query(&query, &[]).await.unwrap_or_else(|error| panic!("{error:?}\n{query}"));
            contents.insert(table, rows.iter().map(|row| row.get(0)).collect());
        }
        contents
    }

    /// Runs one or more statements, each committed on its own, over a new connection.
    ///
    /// # Panics
    /// When a statement fails.
    pub async fn execute(&self, sql: &str) {
        let connection = self.connect().await;
        if let Err(error) = connection.batch_execute(sql).await {
            panic!("a test's statement failed: {error:?}\n{sql}");
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.goes_with_server {
            return;
        }
        let server = server_settings(&self.server_url);
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(self.settings.database()));
        // A thread of its own, because a runtime cannot block inside the test's runtime.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { connect(&server).await.batch_execute(&drop).await.map_err(std::io::Error::other) })
        });
        // The server waits until each of its sessions has taken note, so tasks with one have to go on meanwhile.
        let runtime = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
        let dropped = match runtime {
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| dropped.join()),
            _ => dropped.join(),
        };
        if !matches!(dropped, Ok(Ok(()))) {
            tracing_free_note(self.settings.database());
        }
    }
}

/// A database left behind is a nuisance, not a failed test.
#[expect(clippy::print_stderr, reason = "the test harness has no other way to say it")]
fn tracing_free_note(name: &str) {
    eprintln!("the test database {name} could not be dropped");
}

fn server_settings(url: &str) -> ConnectionSettings {
    ConnectionSettings::parse(url, &|name| std::env::var(name).ok())
        .unwrap_or_else(|error| panic!("the test server's URL cannot be used: {error}"))
}

async fn connect(settings: &ConnectionSettings) -> Connection {
    settings.connect("totesys-tests").await.unwrap_or_else(|error| panic!("the test server cannot be used: {error}"))
}
