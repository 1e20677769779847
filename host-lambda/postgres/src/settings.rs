//! Where a database is and who connects, by libpq's conventions.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ConnectionError;
use crate::passfile::{self, PassLine};
use crate::tls::TlsSettings;
use crate::url::{DatabaseUrl, bad};

/// How long connecting may take when `connect_timeout` is unset.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A folder with a Unix socket.
    Unix(PathBuf),
    /// A name or an address.
    Tcp(String),
}

impl Host {
    fn parse(text: String) -> Self {
        if text.starts_with('/') { Self::Unix(text.into()) } else { Self::Tcp(text) }
    }

    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(folder) => write!(f, "{}", folder.display()),
            Self::Tcp(name) if name.contains(':') => write!(f, "[{name}]"),
            Self::Tcp(name) => f.write_str(name),
        }
    }
}

#[derive(Clone)]
enum Password {
    Given(String),
    InFile(Vec<PassLine>),
}

/// Where a database is and who connects. Shown as `user@host:port/database`, never with the password.
#[derive(Clone)]
pub struct ConnectionSettings {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) user: String,
    password: Password,
    database: String,
    pub(crate) tls: TlsSettings,
    pub(crate) connect_timeout: Duration,
    pub(crate) application_name: Option<String>,
}

impl ConnectionSettings {
    /// Reads a `postgresql://` URL; what it leaves out comes from the `PG*` variables and `~/.pgpass`.
    /// `env` looks a variable up.
    ///
    /// # Errors
    /// When URL or variables cannot be used. The error never quotes them.
    pub fn parse(url: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConnectionError> {
        let url = DatabaseUrl::parse(url)?;
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let mut named = Parameters::default();
        for (name, value) in url.parameters {
            match name.as_str() {
                "sslmode" => named.sslmode = Some(value),
                "sslrootcert" => named.sslrootcert = Some(value),
                "connect_timeout" => named.connect_timeout = Some(value),
                "application_name" => named.application_name = Some(value),
                "passfile" => named.passfile = Some(value),
                _ => {
                    return Err(bad(
                        "the URL has a parameter other than user, password, host, port, dbname, sslmode, sslrootcert, \
                         connect_timeout, application_name and passfile",
                    ));
                }
            }
        }
        let host = Host::parse(url.host.or_else(|| env("PGHOST")).unwrap_or_else(|| "localhost".to_owned()));
        let port = match url.port.or_else(|| env("PGPORT")) {
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| bad("the port is no number from 1 to 65535"))?,
            None => 5432,
        };
        let user = url.user.or_else(|| env("PGUSER")).or_else(|| env("USER")).unwrap_or_else(|| "postgres".to_owned());
        let database = url.database.or_else(|| env("PGDATABASE")).unwrap_or_else(|| user.clone());
        let password = match url.password.or_else(|| env("PGPASSWORD")) {
            Some(password) => Password::Given(password),
            None => {
                let file = named.passfile.or_else(|| env("PGPASSFILE")).map(PathBuf::from);
                let file = file.or_else(|| env("HOME").map(|home| Path::new(&home).join(".pgpass")));
                Password::InFile(file.map(|file| passfile::read(&file)).unwrap_or_default())
            }
        };
        let tls = TlsSettings::decide(
            named.sslmode.or_else(|| env("PGSSLMODE")).as_deref(),
            named.sslrootcert.or_else(|| env("PGSSLROOTCERT")).as_deref(),
            host.is_local(),
        )?;
        let connect_timeout = match named.connect_timeout.or_else(|| env("PGCONNECT_TIMEOUT")) {
            Some(seconds) => match seconds.parse::<u32>() {
                Ok(0) => CONNECT_TIMEOUT,
                Ok(seconds) => Duration::from_secs(seconds.into()),
                Err(_) => return Err(bad("connect_timeout is no whole number of seconds")),
            },
            None => CONNECT_TIMEOUT,
        };
        let application_name = named.application_name.or_else(|| env("PGAPPNAME"));
        Ok(Self { host, port, user, password, database, tls, connect_timeout, application_name })
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self.clone() }
    }

    pub(crate) fn password(&self) -> Option<&str> {
        match &self.password {
            Password::Given(password) => Some(password),
            Password::InFile(lines) => {
                // As libpq: password files call every socket `localhost`.
                let host = match &self.host {
                    Host::Unix(_) => "localhost",
                    Host::Tcp(name) => name,
                };
                passfile::find(lines, [host, &self.port.to_string(), &self.database, &self.user])
            }
        }
    }
}

#[derive(Default)]
struct Parameters {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    connect_timeout: Option<String>,
    application_name: Option<String>,
    passfile: Option<String>,
}

impl fmt::Display for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, variables: &[(&str, &str)]) -> Result<ConnectionSettings, ConnectionError> {
        ConnectionSettings::parse(url, &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn urls_and_variables_together() {
        let variables = [
            ("PGHOST", "db.example"),
            ("PGPORT", "6000"),
            ("PGUSER", "reader"),
            ("PGPASSWORD", "p"),
            ("PGDATABASE", "d"),
        ];
        for (url, variables, expected, password, mode) in [
            ("", &variables[..], "reader@db.example:6000/d", Some("p"), "verify-full"),
            ("postgresql://", &[], "postgres@localhost:5432/postgres", None, "prefer"),
            ("postgres://a:b%40c%25@h:1/x", &variables[..], "a@h:1/x", Some("b@c%"), "verify-full"),
            ("postgresql://a@%2Ftmp%2Fpg:5433/x", &[], "a@/tmp/pg:5433/x", None, "prefer"),
            ("postgresql:///x?host=/tmp/pg&user=a&sslmode=disable", &[], "a@/tmp/pg:5432/x", None, "disable"),
            ("postgresql://a@[::1]:7/x", &[], "a@[::1]:7/x", None, "prefer"),
            ("postgresql://a@127.8.9.1", &[], "a@127.8.9.1:5432/a", None, "prefer"),
            ("postgresql://a@h/x?sslmode=require", &[("PGSSLMODE", "disable")], "a@h:5432/x", None, "require"),
            ("postgresql://a@h/x", &[("PGSSLMODE", "disable")], "a@h:5432/x", None, "disable"),
        ] {
            let settings = parse(url, variables).unwrap();
            assert_eq!(settings.to_string(), expected, "{url}");
            assert_eq!(settings.password(), password, "{url}");
            assert_eq!(settings.tls.mode.name(), mode, "{url}");
        }
    }

    #[test]
    fn bad_settings_are_refused_and_never_echoed() {
        for url in [
            "mysql://a:hunter2@h/x",
            "hunter2",
            "postgresql://a:hunter2%zz@h/x",
            "postgresql://a:hunter2@h:port/x",
            "postgresql://a:hunter2@h:0/x",
            "postgresql://a:hunter2@h,i/x",
            "postgresql://a:hunter2@::1/x",
            "postgresql://a:hunter2@h/x?hunter2",
            "postgresql://a:hunter2@h/x?unknown=hunter2",
            "postgresql://a:hunter2@h/x?sslmode=hunter2",
            "postgresql://a:hunter2@h/x?connect_timeout=hunter2",
        ] {
            let error = parse(url, &[]).unwrap_err();
            assert!(matches!(error, ConnectionError::BadSettings { .. }));
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hunter2"), "{url}");
        }
        let settings = parse("postgresql://a:hunter2@h/x", &[]).unwrap();
        assert!(!format!("{settings} {settings:?}").contains("hunter2"));
    }

    #[test]
    fn another_database_of_the_same_server() {
        let settings = parse("postgresql://a:p@h/x", &[]).unwrap().with_database("y");
        assert_eq!((settings.database(), settings.password()), ("y", Some("p")));
    }
}
