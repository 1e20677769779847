//! One open connection and the task that drives it.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode as DriverSslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::settings::{ConnectionSettings, Host};
use crate::tls::SslMode;
use crate::{ConnectionError, PostgresError, PostgresErrorKind};

/// An open connection: a [`Client`] with the task that drives it, which ends with this value.
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    tls: Option<MakeRustlsConnect>,
}

impl Connection {
    /// What cancels the statement this connection runs, from anywhere.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken { token: self.client.cancel_token(), tls: self.tls.clone() }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("closed", &self.client.is_closed()).finish_non_exhaustive()
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Cancels the statement that a connection runs.
#[derive(Clone)]
pub struct CancelToken {
    token: tokio_postgres::CancelToken,
    tls: Option<MakeRustlsConnect>,
}

impl CancelToken {
    /// Asks the server to cancel; whether a statement was still running cannot be known.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn cancel(&self) -> Result<(), PostgresError> {
        let cancelled = match &self.tls {
            Some(tls) => self.token.cancel_query(tls.clone()).await,
            None => self.token.cancel_query(NoTls).await,
        };
        Ok(cancelled?)
    }
}

/// How bytes reach the server.
#[derive(Clone, Copy)]
pub(crate) enum Transport {
    Plain,
    Tls(DriverSslMode),
}

impl Transport {
    pub(crate) fn driver_mode(self) -> DriverSslMode {
        match self {
            Self::Plain => DriverSslMode::Disable,
            Self::Tls(mode) => mode,
        }
    }
}

impl ConnectionSettings {
    /// Connects. `application_name` is what the server's views call the session, unless settings name it.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self, application_name: &str) -> Result<Connection, ConnectionError> {
        self.by_transport(|transport| self.connect_over(transport, application_name)).await
    }

    /// Opens as `sslmode` wants it, within the time that settings allow.
    pub(crate) async fn by_transport<T, F>(&self, open: impl Fn(Transport) -> F) -> Result<T, ConnectionError>
    where
        F: Future<Output = Result<T, ConnectionError>>,
    {
        let opening = async {
            let (first, second) = self.transports();
            match (open(first).await, second) {
                // pg_hba.conf may admit encrypted connections only.
                (Err(ConnectionError::WrongPassword { .. } | ConnectionError::Refused { .. }), Some(second)) => {
                    open(second).await
                }
                (settled, _) => settled,
            }
        };
        match tokio::time::timeout(self.connect_timeout, opening).await {
            Ok(settled) => settled,
            Err(_) => Err(ConnectionError::TimedOut { place: self.to_string(), waited: self.connect_timeout }),
        }
    }

    /// What `sslmode` asks for, and what to try when the server refuses that.
    fn transports(&self) -> (Transport, Option<Transport>) {
        match (&self.host, self.tls.mode) {
            (Host::Unix(_), _) | (_, SslMode::Disable) => (Transport::Plain, None),
            (_, SslMode::Allow) => (Transport::Plain, Some(Transport::Tls(DriverSslMode::Require))),
            (_, SslMode::Prefer) => (Transport::Tls(DriverSslMode::Prefer), None),
            _ => (Transport::Tls(DriverSslMode::Require), None),
        }
    }

    async fn connect_over(&self, transport: Transport, application_name: &str) -> Result<Connection, ConnectionError> {
        let config = self.config(application_name, transport.driver_mode());
        let explain = |error| self.explain(error);
        if let Transport::Plain = transport {
            let (client, driver) = config.connect(NoTls).await.map_err(explain)?;
            return Ok(Connection { client, driver: tokio::spawn(drive(driver)), tls: None });
        }
        let tls = MakeRustlsConnect::new(self.tls.client_config()?);
        let (client, driver) = config.connect(tls.clone()).await.map_err(explain)?;
        Ok(Connection { client, driver: tokio::spawn(drive(driver)), tls: Some(tls) })
    }

    pub(crate) fn config(&self, application_name: &str, mode: DriverSslMode) -> Config {
        let mut config = Config::new();
        match &self.host {
            Host::Unix(folder) => config.host_path(folder),
            Host::Tcp(name) => config.host(name),
        };
        config
            .port(self.port)
            .user(&self.user)
            .dbname(self.database())
            .application_name(self.application_name.as_deref().unwrap_or(application_name))
            .connect_timeout(self.connect_timeout)
            .ssl_mode(mode);
        if let Some(password) = self.password() {
            config.password(password);
        }
        config
    }

    pub(crate) fn explain(&self, error: tokio_postgres::Error) -> ConnectionError {
        let place = self.to_string();
        // The driver does not publish its kinds; these two are told apart by its constant wording.
        match error.to_string().as_str() {
            "error performing TLS handshake" => {
                return ConnectionError::Tls { place, mode: self.tls.mode.name(), source: Box::new(error) };
            }
            "invalid configuration" if self.password().is_none() => {
                return ConnectionError::PasswordMissing { place };
            }
            _ => {}
        }
        let source = PostgresError::from(error);
        match source.sqlstate() {
            Some("28P01" | "28000") => ConnectionError::WrongPassword { place, source },
            Some("3D000") => ConnectionError::NoSuchDatabase { place, source },
            Some("42501") => ConnectionError::MissingRight { place, source },
            Some("53300" | "57P01" | "57P02" | "57P03") => ConnectionError::NotReady { place, source },
            None if source.kind() == PostgresErrorKind::ConnectionLost => {
                ConnectionError::Unreachable { place, source }
            }
            _ => ConnectionError::Refused { place, source },
        }
    }
}

pub(crate) async fn drive(driver: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = driver.await {
        // Whoever waits on the connection gets an error of their own; this only says when it happened.
        tracing::debug!(error = %PostgresError::from(error), "connection ended");
    }
}
