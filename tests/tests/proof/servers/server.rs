//! A PostgreSQL server of a test's own: one that can be stopped, aged, backed up as files, followed and promoted.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use totesys_postgres::{Connection, ConnectionSettings};

/// A folder of server programs that goes before all others.
const CHOSEN: &str = "TOTESYS_PG_BIN";

/// Debian's folder with one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What is run.
const PROGRAMS: &[&str] = &["initdb", "pg_basebackup", "pg_ctl", "pg_resetwal", "postgres", "vacuumdb"];

/// Where the servers live: a place that the account they run as can enter, and short enough for a socket's path.
const PLACE: &str = "/var/tmp";

/// There is no TCP, so the number only names the socket.
const PORT: &str = "5432";

const SUPERUSER: &str = "postgres";

/// Small, and quick rather than safe. Nothing is vacuumed unasked: vacuum takes transaction numbers of its own.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "fsync=off",
    "shared_buffers=16MB",
    "max_connections=30",
    "autovacuum=off",
    "autovacuum_freeze_max_age=2000000000",
    "wal_retrieve_retry_interval=100ms",
    "timezone=UTC",
];

/// How long a server may take to start, or a replica to catch up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same, for programs that are waited for.
const PATIENCE_IN_SECONDS: &str = "60";

/// Transactions that may pass until everything has to be frozen: less than half the circle of numbers, less the
/// millions before it in which a server refuses to write, and less than `autovacuum_freeze_max_age`.
const LONGEST_JUMP: u64 = 1_900_000_000;

/// Transactions whose states one file of `pg_xact` holds, at two bits each.
const STATES_PER_FILE: u64 = 1 << 20;

/// A server; it is stopped and its files are gone when it is dropped.
pub(super) struct Server {
    programs: PathBuf,
    /// Whom root becomes for it.
    account: Option<(u32, u32)>,
    process: Option<Child>,
    folder: TempDir,
}

impl Server {
    /// A new server that runs.
    pub(super) async fn start() -> Self {
        let mut server = Self::in_new_folder();
        server.run("initdb", &["--encoding=UTF8", "--locale=C", "--auth=trust", "--username=postgres", "--no-sync"]);
        server.launch().await;
        // What is to be frozen must be so in every database: the oldest of them counts.
        server.execute("postgres", "UPDATE pg_database SET datallowconn = true").await;
        server
    }

    /// A replica that follows this server.
    pub(super) async fn replica(&self) -> Self {
        let mut replica = Self::in_new_folder();
        let data = replica.data().to_string_lossy().into_owned();
        let from = self.socket();
        let mut arguments = vec!["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"];
        arguments.extend(["--host", from.as_str(), "--port", PORT, "--username", SUPERUSER, "--pgdata", data.as_str()]);
        replica.run("pg_basebackup", &arguments);
        replica.launch().await;
        replica
    }

    /// Starts a server that is stopped, and waits until it answers.
    pub(super) async fn launch(&mut self) {
        let log = self.folder.path().join("server.log");
        let output = File::options().append(true).create(true).open(&log).expect("the log can be written");
        let mut postgres = self.command(self.programs.join("postgres"));
        let socket = format!("unix_socket_directories={}", self.socket());
        for setting in SETTINGS.iter().copied().chain([socket.as_str()]) {
            postgres.args(["-c", setting]);
        }
        postgres.stdout(output.try_clone().expect("the log can be written")).stderr(output);
        self.process = Some(postgres.spawn().expect("the server can be started"));
        let settings = self.settings("postgres");
        let deadline = Instant::now() + PATIENCE;
        while settings.connect("totesys-tests").await.is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                panic!("the server in {} does not start; it said: {said}", self.folder.path().display());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it so that its files are whole.
    pub(super) fn stop(&mut self) {
        assert!(self.shut_down("fast"), "the server in {} does not stop", self.folder.path().display());
    }

    /// Copies the files of a server that is stopped.
    pub(super) fn back_up(&self) {
        assert!(self.process.is_none(), "files that are written to are no backup");
        let copied = Command::new("cp").arg("-a").arg(self.data()).arg(self.backup()).status();
        assert!(copied.is_ok_and(|status| status.success()), "the files of a server can be copied");
    }

    /// Puts the copy in the place of the files of a server that is stopped.
    pub(super) fn restore(&self) {
        assert!(self.process.is_none(), "the files of a server that runs cannot be replaced");
        fs::remove_dir_all(self.data()).expect("the files can be removed");
        fs::rename(self.backup(), self.data()).expect("the copy is there");
    }

    /// Moves the number of the next transaction on as if the others had passed and vacuum had kept up with them. The
    /// server is restarted by it.
    pub(super) async fn jump_to(&mut self, xid: u64) {
        let mut next = self.next_xid().await;
        while next < xid {
            let socket = self.socket();
            let mut arguments = vec!["--all", "--freeze", "--quiet"];
            arguments.extend(["--host", socket.as_str(), "--port", PORT, "--username", SUPERUSER]);
            self.run("vacuumdb", &arguments);
            self.stop();
            next = xid.min(next + LONGEST_JUMP);
            let (epoch, number) = (next >> 32, next & u64::from(u32::MAX));
            self.have_states_of(number);
            let data = self.data().to_string_lossy().into_owned();
            self.run("pg_resetwal", &["-e", &epoch.to_string(), "-x", &number.to_string(), "-D", &data]);
            self.launch().await;
        }
    }

    /// The number of the next transaction, its epoch included.
    pub(super) async fn next_xid(&self) -> u64 {
        let next = self.ask("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").await;
        next.parse().expect("a transaction has a number")
    }

    /// Lets transactions pass that change nothing.
    pub(super) async fn let_pass(&self, transactions: u32) {
        let passing = format!(
            "DO $$ BEGIN FOR n IN 1..{transactions} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        );
        self.execute("postgres", &passing).await;
    }

    /// Keeps a replica as it is, whatever it receives.
    pub(super) async fn pause(&self) {
        self.execute("postgres", "SELECT pg_wal_replay_pause()").await;
        self.wait_until("pg_is_wal_replay_paused()").await;
    }

    /// Lets a replica go on.
    pub(super) async fn resume(&self) {
        self.execute("postgres", "SELECT pg_wal_replay_resume()").await;
    }

    /// Waits until a replica shows what another server has written by now.
    pub(super) async fn catch_up_with(&self, primary: &Self) {
        let written = primary.ask("SELECT pg_current_wal_flush_lsn()::text").await;
        self.wait_until(&format!("pg_last_wal_replay_lsn() >= '{written}'::pg_lsn")).await;
    }

    /// Makes a replica a server of its own.
    pub(super) async fn promote(&self) {
        self.execute("postgres", "SELECT pg_promote()").await;
        self.wait_until("NOT pg_is_in_recovery()").await;
    }

    /// Runs one or more statements in a database.
    pub(super) async fn execute(&self, database: &str, sql: &str) {
        let connection = self.connect(database).await;
        if let Err(error) = connection.batch_execute(sql).await {
            panic!("a test's statement failed: {error:?}\n{sql}");
        }
    }

    /// The server's URL.
    pub(super) fn url(&self) -> String {
        let socket = self.socket().replace('/', "%2F");
        format!("postgresql://{SUPERUSER}@{socket}:{PORT}/postgres")
    }

    fn settings(&self, database: &str) -> ConnectionSettings {
        let settings = ConnectionSettings::parse(&self.url(), &|_| None).expect("the URL can be used");
        settings.with_database(database)
    }

    async fn connect(&self, database: &str) -> Connection {
        let connected = self.settings(database).connect("totesys-tests").await;
        connected.unwrap_or_else(|error| panic!("a test's server cannot be used: {error:?}"))
    }

    /// The one text that a query gives.
    async fn ask(&self, query: &str) -> String {
        let row = self.connect("postgres").await.query_one(query, &[]).await;
        row.unwrap_or_else(|error| panic!("{error:?}\n{query}")).get(0)
    }

    async fn wait_until(&self, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(&format!("SELECT (({condition}) IS TRUE)::text")).await != "true" {
            assert!(Instant::now() < deadline, "never so within {PATIENCE:?}: {condition}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn in_new_folder() -> Self {
        let (programs, account) = (programs(), account());
        let folder = tempfile::Builder::new().prefix("totesys-server-").tempdir_in(PLACE);
        let folder = folder.unwrap_or_else(|error| panic!("a server needs a folder in {PLACE}: {error}"));
        let server = Self { programs, account, process: None, folder };
        server.own(server.folder.path());
        server
    }

    /// The file that keeps the state of a transaction, if it is missing: the server wants it when it starts.
    fn have_states_of(&self, number: u64) {
        let file = self.data().join(format!("pg_xact/{:04X}", number / STATES_PER_FILE));
        if !file.exists() {
            let bytes = usize::try_from(STATES_PER_FILE / 4).expect("a file fits into memory");
            fs::write(&file, vec![0; bytes]).expect("the states can be written");
            self.own(&file);
        }
    }

    fn own(&self, path: &Path) {
        if let Some((user, group)) = self.account {
            chown(path, Some(user), Some(group)).expect("root can give files away");
        }
    }

    /// Runs a server's program to its end.
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = self.command("timeout");
        command.arg(PATIENCE_IN_SECONDS).arg(self.programs.join(program)).args(arguments);
        let output = command.output().unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?} failed ({}): {said}", output.status);
    }

    /// A program under the server's account, out of reach of our own `PG*` variables.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").env("PGDATA", self.data());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    /// Whether it went down as it was asked to; down it is in any case.
    fn shut_down(&mut self, mode: &str) -> bool {
        let Some(mut process) = self.process.take() else { return true };
        let mut pg_ctl = self.command(self.programs.join("pg_ctl"));
        pg_ctl.args(["stop", "-s", "-w", "-t", PATIENCE_IN_SECONDS, "-m", mode]);
        let stopped = pg_ctl.output().is_ok_and(|output| output.status.success());
        if !stopped {
            let _ = process.kill();
        }
        let _ = process.wait();
        stopped
    }

    fn socket(&self) -> String {
        self.folder.path().to_string_lossy().into_owned()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down("immediate");
    }
}

fn programs() -> PathBuf {
    if let Some(chosen) = std::env::var_os(CHOSEN).map(PathBuf::from) {
        assert!(is_complete(&chosen), "{CHOSEN} names {}, where not all of {PROGRAMS:?} are", chosen.display());
        return chosen;
    }
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort();
    let newest = versions.into_iter().rev().map(|(_, folder)| folder).find(|folder| is_complete(folder));
    newest.unwrap_or_else(|| {
        panic!("not all of {PROGRAMS:?} are under {DEBIAN}; hint: set {CHOSEN} to the folder that has them")
    })
}

fn is_complete(folder: &Path) -> bool {
    PROGRAMS.iter().all(|program| folder.join(program).is_file())
}

/// PostgreSQL refuses to run as root, so root becomes Debian's `postgres` for it.
fn account() -> Option<(u32, u32)> {
    let us = fs::metadata("/proc/self").expect("/proc says who we are").uid();
    if us != 0 {
        return None;
    }
    let id = |which: &str| {
        let output = Command::new("id").args([which, "postgres"]).output().expect("`id` can be run");
        let number = String::from_utf8_lossy(&output.stdout).trim().parse::<u32>();
        number.expect("a server does not run as root, and there is no user `postgres` to run it as")
    };
    Some((id("-u"), id("-g")))
}
