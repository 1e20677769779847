//! The server process: finding one that runs, starting one that does not.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Tuning;
use super::account::Account;
use crate::hint::advise;

/// How long a server may take to come up (after a crash it replays its log) or to go down.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a server is started before it counts as broken: a port may be taken under our eyes, and
/// the processes of a killed server need a moment to notice.
const ATTEMPTS: u32 = 5;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) port: u16,
    pub(super) socket: PathBuf,
}

/// The server of this data folder, if one runs; waits for one that is starting or stopping.
pub(super) fn find(data: &Path) -> Result<Option<Listening>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Some(note) = Note::read(data) else { return Ok(None) };
        if let Some(listening) = note.answering() {
            return Ok(Some(listening));
        }
        if !note.is_of_live_server(data) {
            // PostgreSQL itself sees through a note whose process is gone, with care for orphans. It
            // is only fooled when another program has got the number since.
            if Path::new("/proc").join(&note.pid).exists() {
                tracing::info!("removing the note of a server that is gone");
                fs::remove_file(data.join("postmaster.pid"))?;
            }
            return Ok(None);
        }
        if Instant::now() > deadline {
            return Err(advise(
                format!("the server of {} (process {}) runs but does not answer", data.display(), note.pid),
                format!("look into {}, or stop the process", log_of(data).display()),
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a server and waits until it answers.
pub(super) fn launch(
    binaries: &Path,
    account: &Account,
    data: &Path,
    socket: &Path,
    tuning: Tuning,
) -> Result<(Listening, Child)> {
    let log = log_of(data);
    for _ in 0..ATTEMPTS {
        let port = free_port()?;
        let configuration = data.join("totesys.conf");
        fs::write(&configuration, settings(socket, port, tuning))?;
        account.own(&configuration)?;
        let output = OpenOptions::new().append(true).create(true).open(&log)?;
        account.own(&log)?;
        let mut postgres = account.command(&binaries.join("postgres"));
        postgres.arg("-D").arg(data).stdout(output.try_clone()?).stderr(output);
        let mut server = postgres.spawn().context("the PostgreSQL server could not be started")?;
        if await_answer(data, &mut server)? {
            return Ok((Listening { port, socket: socket.to_owned() }, server));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    let last = said.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC")).unwrap_or("nothing");
    Err(advise(
        format!("the private PostgreSQL server does not start; it said: {last}"),
        format!("look into {}, or remove {} to start afresh", log.display(), data.display()),
    ))
}

/// Whether the server answers; false when it ended instead.
fn await_answer(data: &Path, server: &mut Child) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while server.try_wait()?.is_none() {
        let note = Note::read(data).filter(|note| note.pid == server.id().to_string());
        if note.is_some_and(|note| note.answering().is_some()) {
            return Ok(true);
        }
        if Instant::now() > deadline {
            server.kill()?;
            server.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(false)
}

/// What a server notes down in `postmaster.pid`.
struct Note {
    pid: String,
    port: u16,
    socket: PathBuf,
    ready: bool,
}

impl Note {
    fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let line = |number| text.lines().nth(number).unwrap_or_default().trim();
        Some(Self {
            pid: line(0).to_owned(),
            port: line(3).parse().unwrap_or_default(),
            socket: line(4).into(),
            ready: line(7) == "ready",
        })
    }

    /// Where it listens, if somebody answers there: the folder is private, so it can only be our server.
    fn answering(&self) -> Option<Listening> {
        let path = self.socket.join(format!(".s.PGSQL.{}", self.port));
        (self.ready && UnixStream::connect(path).is_ok())
            .then(|| Listening { port: self.port, socket: self.socket.clone() })
    }

    /// Whether its process is a server of this data folder and not a later one with the same number.
    fn is_of_live_server(&self, data: &Path) -> bool {
        let arguments = fs::read(Path::new("/proc").join(&self.pid).join("cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_encoded_bytes())
    }
}

fn log_of(data: &Path) -> PathBuf {
    data.with_file_name("server.log")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

fn settings(socket: &Path, port: u16, tuning: Tuning) -> String {
    let socket = socket.to_string_lossy().replace('\\', r"\\").replace('\'', "''");
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '\"{}\"'\n\
         unix_socket_permissions = 0700\ntimezone = 'UTC'\nlog_timezone = 'UTC'\nmax_connections = 200\n",
        socket.replace('"', "\"\""),
    );
    if tuning == Tuning::Throwaway {
        settings.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_wal_size = '4GB'\n");
    }
    settings
}
