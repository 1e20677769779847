//! A private PostgreSQL cluster, for those who name no server of their own.
//!
//! Several commands may use one cluster at once: the first starts it, the last one out stops it. A
//! server that outlived a killed command is found, used and then stopped by the next one.

mod account;
mod binaries;
mod folder;
mod initialise;
mod postmaster;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, Result, bail};
use totesys_postgres::{ConnectionSettings, PostgresError, quote_identifier};

use account::Account;
use postmaster::Listening;

/// The superuser of a private cluster.
const SUPERUSER: &str = "postgres";

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tuning {
    /// Data survives a crash of the machine.
    Durable,
    /// Fast: a crash of the machine may lose everything. For tests.
    Throwaway,
}

/// A running private cluster; dropping it stops the server unless another command still uses it.
pub(crate) struct Cluster {
    account: Account,
    binaries: PathBuf,
    data: PathBuf,
    listening: Listening,
    /// Held while starting or stopping.
    turn: PathBuf,
    /// Held, shared, as long as this command uses the cluster.
    membership: Option<File>,
    server: Option<Child>,
}

impl Cluster {
    /// Starts the cluster that lives in `folder`, or joins it if it runs; makes it on first use.
    ///
    /// # Errors
    /// When there are no server binaries, or the server does not start.
    pub(crate) fn start(folder: &Path, tuning: Tuning) -> Result<Self> {
        let installed = binaries::installed()?;
        let account = Account::for_cluster(folder)?;
        let folder = folder::prepare(folder, &account)?;
        let turn = folder.join("turn.lock");
        let _turn = folder::lock_file(&turn, &account, File::lock)?;
        let membership = folder::lock_file(&folder.join("users.lock"), &account, File::lock_shared)?;
        let data = folder.join("data");
        let binaries = binaries::suiting(&installed, &data)?;
        let (listening, server) = match postmaster::find(&data)? {
            Some(listening) => (listening, None),
            None => {
                if !data.exists() {
                    initialise::initialise(&binaries, &account, &data, tuning)?;
                }
                let socket = folder::socket(&folder, &account)?;
                let (listening, server) = postmaster::launch(&binaries, &account, &data, &socket, tuning)?;
                (listening, Some(server))
            }
        };
        tracing::debug!(port = listening.port, folder = %folder.display(), "private cluster is up");
        Ok(Self { account, binaries, data, listening, turn, membership: Some(membership), server })
    }

    /// The URL of a database of this cluster, as its superuser, over the Unix socket.
    pub(crate) fn url(&self, database: &str) -> String {
        let socket = percent_encoded(&self.listening.socket.to_string_lossy());
        format!("postgresql://{SUPERUSER}@{socket}:{}/{}", self.listening.port, percent_encoded(database))
    }

    /// The folder with all programs of its server's version: the one it was found in may hold links to a few.
    pub(crate) fn binaries(&self) -> PathBuf {
        let server = self.binaries.join("postgres").canonicalize();
        let folder = server.ok().and_then(|server| server.parent().map(Path::to_owned));
        folder.unwrap_or_else(|| self.binaries.clone())
    }

    /// Creates a database if it is missing.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn create_database(&self, name: &str) -> Result<()> {
        let settings = ConnectionSettings::parse(&self.url("postgres"), &|_| None)?;
        let connection = settings.connect("totesys").await?;
        let statement = format!("CREATE DATABASE {}", quote_identifier(name));
        match connection.batch_execute(&statement).await.map_err(PostgresError::from) {
            // 23505: another session was creating it at the same moment.
            Err(error) if !matches!(error.sqlstate(), Some("42P04" | "23505")) => {
                Err(error).with_context(|| format!("database `{name}` could not be created"))
            }
            _ => Ok(()),
        }
    }

    /// Stops the server, unless another command still uses it, and waits until it is down.
    ///
    /// # Errors
    /// When the server does not stop.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(membership) = self.membership.take() else { return Ok(()) };
        let _turn = folder::lock_file(&self.turn, &self.account, File::lock)?;
        membership.unlock()?;
        if membership.try_lock().is_err() {
            tracing::debug!("the private cluster stays up: another command uses it");
            return Ok(());
        }
        for mode in ["fast", "immediate"] {
            let mut pg_ctl = self.account.command(&self.binaries.join("pg_ctl"));
            let stopped = pg_ctl.args(["stop", "-s", "-w", "-t", "60", "-m", mode, "-D"]).arg(&self.data).output()?;
            if stopped.status.success() || !self.data.join("postmaster.pid").exists() {
                if let Some(mut server) = self.server.take() {
                    server.wait()?;
                }
                return Ok(());
            }
        }
        bail!("the private cluster in {} does not stop", self.data.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(error = format!("{error:#}"), "private cluster was left running");
        }
    }
}

/// The folders with the server's programs that are on this machine, best first.
pub(crate) fn programs() -> Vec<PathBuf> {
    binaries::at_hand()
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
