//! The emulator of AWS, in a process of the test's own on 127.0.0.1.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asker::{Asker, Refusal};
use crate::tools;

/// The account that the emulator plays.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The region of all tests.
pub(crate) const REGION: &str = "eu-west-2";

/// How long a minute of a schedule is, in seconds: longer than a run takes here, so that runs do not pile up.
const MINUTE: u64 = 15;

/// Whether permissions count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permissions {
    /// Everybody may do everything.
    Ignored,
    /// Roles may do what their policies and those of buckets and queues say; the account's owner everything.
    Enforced,
}

/// A running emulator. It ends with this value, and with this process.
pub(crate) struct Emulator {
    server: Child,
    asker: Asker,
    variables: BTreeMap<&'static str, String>,
    folder: TempDir,
}

impl Emulator {
    /// Starts one and waits until it answers.
    pub(crate) fn start(tools: &Path, permissions: Permissions) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let scripts = tools::workspace().join("tests/emulator");
        let variables = BTreeMap::from([
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]);
        let python = |variables: &BTreeMap<&'static str, String>| {
            let mut python = Command::new(tools.join("venv/bin/python"));
            // The functions find what the server finds, so it finds nothing of this machine's.
            python.env_clear().envs(variables).env("TMPDIR", folder.path()).env("HOME", folder.path());
            python.env("PATH", std::env::var_os("PATH").unwrap_or_default());
            python
        };
        let mut serve = python(&variables);
        serve.arg(scripts.join("serve.py")).args([port.to_string(), MINUTE.to_string()]);
        serve.env("MINISTACK_REGION", REGION).env("RUST_BACKTRACE", "0");
        if permissions == Permissions::Enforced {
            serve.env("AUTH", "true");
        }
        let log = std::fs::File::create(folder.path().join("emulator.log")).unwrap();
        serve.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = serve.spawn().unwrap();
        let log = folder.path().join("emulator.log");
        await_answer(&mut server, port, &log);
        let asker = Asker::start(python(&variables), &scripts);
        Self { server, asker, variables, folder }
    }

    /// What a client needs to know of it.
    pub(crate) fn variables(&self) -> &BTreeMap<&'static str, String> {
        &self.variables
    }

    /// What it did, for a test that fails.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("emulator.log")
    }

    /// Asks as the account's owner, who is answered.
    pub(crate) fn ask(&self, service: &str, operation: &str, arguments: Value) -> Value {
        self.try_ask(service, operation, arguments)
            .unwrap_or_else(|refusal| panic!("{service} {operation}: {}: {}", refusal.code, refusal.message))
    }

    /// Asks as the account's owner.
    pub(crate) fn try_ask(&self, service: &str, operation: &str, arguments: Value) -> Result<Value, Refusal> {
        self.asker.ask(None, service, operation, &arguments)
    }

    /// Asks as a role.
    pub(crate) fn ask_as(
        &self,
        role: &str,
        service: &str,
        operation: &str,
        arguments: Value,
    ) -> Result<Value, Refusal> {
        self.asker.ask(Some(&role_arn(role)), service, operation, &arguments)
    }

    /// Whether a role's policies let it do something.
    pub(crate) fn may(&self, role: &str, action: &str, resource: &str) -> bool {
        let asked = json!({
            "PolicySourceArn": role_arn(role), "ActionNames": [action], "ResourceArns": [resource],
        });
        let simulated = self.ask("iam", "simulate_principal_policy", asked);
        match simulated["EvaluationResults"][0]["EvalDecision"].as_str() {
            Some("allowed") => true,
            Some("implicitDeny" | "explicitDeny") => false,
            _ => panic!("{simulated}"),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It ends, and the functions' processes with it, when its stdin does.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().filter(|line| !line.contains("hypercorn.access")).collect();
            println!("the emulator's last lines:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

fn role_arn(role: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{role}")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn await_answer(server: &mut Child, port: u16, log: &Path) {
    let begun = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        let gone = server.try_wait().unwrap();
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(gone.is_none() && begun.elapsed() < Duration::from_secs(60), "no emulator: {gone:?}\n{}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
}
