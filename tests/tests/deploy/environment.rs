//! An environment that `cargo xtask` deploys to an emulator, and what its pipeline works on.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use totesys_tests::{Data, TestDatabase, filled_source};

use crate::emulator::{ACCOUNT, Emulator, Permissions, REGION};
use crate::tools;

/// What every name begins with.
pub(crate) const PREFIX: &str = "acme-totesys";

/// How long is waited for what should happen by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a verb said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    /// Data.
    pub(crate) out: String,
    /// Talk.
    pub(crate) err: String,
}

impl Said {
    /// Everything, for a look for words.
    pub(crate) fn all(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }
}

/// An execution of the state machine that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) arn: String,
    pub(crate) status: String,
    /// Its error, its cause and its output.
    pub(crate) outcome: String,
}

/// An environment named `test`.
pub(crate) struct Environment {
    pub(crate) emulator: Emulator,
    pub(crate) source: TestDatabase,
    pub(crate) warehouse: TestDatabase,
    pub(crate) folder: TempDir,
    /// What whoever deploys says it is; the account's owner at first.
    credentials: BTreeMap<&'static str, String>,
}

impl Environment {
    /// One of which nothing is deployed yet.
    pub(crate) async fn new(tools: &Path, permissions: Permissions, data: Data) -> Self {
        let emulator = Emulator::start(tools, permissions);
        let environment = Self {
            emulator,
            source: filled_source(data).await,
            warehouse: TestDatabase::create().await,
            folder: tempfile::tempdir().unwrap(),
            credentials: BTreeMap::new(),
        };
        environment.write_settings("");
        environment
    }

    /// Writes the settings file, with more of the environment's settings.
    pub(crate) fn write_settings(&self, more: &str) {
        let processor = std::env::consts::ARCH;
        self.write_settings_for(if processor == "aarch64" { "arm64" } else { processor }, more);
    }

    /// The same for functions on another processor than this machine's.
    pub(crate) fn write_settings_for(&self, architecture: &str, more: &str) {
        let key = self.folder.path().join("publisher.pk8");
        let settings = format!(
            "[catalog]\nkey = {key:?}\n\n[environments.test]\nregion = \"{REGION}\"\naccount = \"{ACCOUNT}\"\nprefix = \
             \"{PREFIX}\"\nemails = [\"ops@acme.example\"]\nschedule = \"1 minute\"\narchitecture = \
             \"{architecture}\"\n{more}\n"
        );
        std::fs::write(self.settings(), settings).unwrap();
    }

    /// Lets verbs run from now on with the least rights that a deployer needs, as `doctor --policy` prints them.
    pub(crate) fn deploy_as_least(&mut self) {
        const ROLE: &str = "deployer";
        let policy = self.xtask_well(&["doctor", "--policy"]).out;
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") },
        }] });
        let role = json!({ "RoleName": ROLE, "AssumeRolePolicyDocument": trust.to_string() });
        self.emulator.ask("iam", "create_role", role);
        let named = json!({ "RoleName": ROLE, "PolicyName": "deployer", "PolicyDocument": policy });
        self.emulator.ask("iam", "put_role_policy", named);
        let session = json!({ "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}"), "RoleSessionName": "test" });
        let taken = &self.emulator.ask("sts", "assume_role", session)["Credentials"];
        let of = |key: &str| taken[key].as_str().unwrap().to_owned();
        self.credentials = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID", of("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", of("SecretAccessKey")),
            ("AWS_SESSION_TOKEN", of("SessionToken")),
        ]);
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("totesys.toml")
    }

    /// Runs a verb on this environment.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Said {
        self.xtask_told(arguments, "")
    }

    /// Runs a verb that has to end well.
    pub(crate) fn xtask_well(&self, arguments: &[&str]) -> Said {
        let said = self.xtask(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?} {said:#?}");
        said
    }

    /// Runs a verb that reads stdin.
    pub(crate) fn xtask_told(&self, arguments: &[&str], stdin: &str) -> Said {
        let mut xtask = Command::new(tools::xtask());
        xtask.args(arguments).args(["--env", "test", "--settings"]).arg(self.settings());
        xtask.current_dir(tools::workspace());
        // Settings of whoever runs the tests are not the environment's.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOTESYS_") || name.starts_with("AWS_")) {
            xtask.env_remove(name);
        }
        xtask.envs(self.emulator.variables()).envs(&self.credentials).env("RUST_BACKTRACE", "0");
        xtask.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = xtask.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        println!("{:>5.1} s  cargo xtask {}", begun.elapsed().as_secs_f64(), arguments.join(" "));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Deploys, with the package or another.
    pub(crate) fn deploy(&self, package: &Path) -> Said {
        self.xtask_well(&["deploy", "--yes", "--package", package.to_str().unwrap()])
    }

    /// Says where the databases are.
    pub(crate) fn set_secrets(&self) {
        // The source last: until it is known nothing is read, so no execution does half of the work.
        for (which, database) in [("warehouse", &self.warehouse), ("source", &self.source)] {
            let said = self.xtask_told(&["secret", "set", which], &format!("{}\n", database.url()));
            assert_eq!(said.code, Some(0), "{said:#?}");
        }
    }

    /// A stack's state; none where there is no such stack.
    pub(crate) fn stack_status(&self, stack: &str) -> Option<String> {
        let described = self.emulator.try_ask("cloudformation", "describe_stacks", json!({ "StackName": stack }));
        described.ok().map(|described| described["Stacks"][0]["StackStatus"].as_str().unwrap().to_owned())
    }

    /// A function as it is configured.
    pub(crate) fn function(&self, stage: &str) -> Value {
        let name = json!({ "FunctionName": format!("{PREFIX}-{stage}") });
        self.emulator.ask("lambda", "get_function_configuration", name)
    }

    /// The pipeline's state machine.
    pub(crate) fn machine() -> String {
        format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{PREFIX}-pipeline")
    }

    /// The ARNs of all executions of the pipeline.
    pub(crate) fn executions(&self) -> Vec<String> {
        let listed =
            self.emulator.ask("stepfunctions", "list_executions", json!({ "stateMachineArn": Self::machine() }));
        let executions = listed["executions"].as_array().unwrap().iter();
        executions.map(|execution| execution["executionArn"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the schedule has started an execution besides these and it has ended. Nobody else starts any.
    pub(crate) fn next_scheduled(&self, besides: &[String]) -> Ended {
        let started = until("the schedule starts an execution", || {
            self.executions().into_iter().rev().find(|arn| !besides.contains(arn))
        });
        self.ended(&started)
    }

    /// Waits until an execution has ended.
    pub(crate) fn ended(&self, arn: &str) -> Ended {
        until("the execution ends", || {
            let described = self.emulator.ask("stepfunctions", "describe_execution", json!({ "executionArn": arn }));
            let status = described["status"].as_str().unwrap();
            (status != "RUNNING").then(|| Ended {
                arn: arn.to_owned(),
                status: status.to_owned(),
                outcome: format!("{} {} {}", described["error"], described["cause"], described["output"]),
            })
        })
    }

    /// The states that an execution entered and that do something, in order.
    pub(crate) fn entered(&self, execution: &str) -> Vec<String> {
        let asked = json!({ "executionArn": execution, "maxResults": 1000 });
        let history = self.emulator.ask("stepfunctions", "get_execution_history", asked);
        let events = history["events"].as_array().unwrap().iter();
        let working = events.filter(|event| event["type"] == "TaskStateEntered" || event["type"] == "MapStateEntered");
        working.map(|event| event["stateEnteredEventDetails"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The lines that a stage's function has logged.
    pub(crate) fn logged(&self, stage: &str) -> Vec<String> {
        let asked = json!({ "logGroupName": format!("/aws/lambda/{PREFIX}-{stage}") });
        let found = self.emulator.ask("logs", "filter_log_events", asked);
        let events = found["events"].as_array().unwrap().iter();
        events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }
}

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
