//! The functions' program, run as AWS Lambda runs it: with variables, and requests from a Runtime API.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use totesys_tests::{Totesys, publisher};

use super::http::{self, Asked};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The file of its log lines.
const LOG: &str = "log";

/// Secrets of an account that a test keeps.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    values: BTreeMap<String, String>,
    reads: usize,
}

impl Secrets {
    pub(super) fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().values.insert(name.to_owned(), value.to_owned());
    }

    /// How often one was read.
    pub(super) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    /// Serves them; gives the endpoint.
    async fn serve(&self) -> String {
        let (address, mut requests) = http::serve().await;
        let secrets = self.clone();
        tokio::spawn(async move {
            while let Some(asked) = requests.recv().await {
                secrets.answer(asked).await;
            }
        });
        format!("http://{address}")
    }

    async fn answer(&self, asked: Asked) {
        let target = asked.headers.get("x-amz-target").map(String::as_str);
        assert_eq!(target, Some("secretsmanager.GetSecretValue"));
        let wanted = asked.body["SecretId"].as_str().unwrap_or_default().to_owned();
        let found = {
            let mut kept = self.0.lock().unwrap();
            kept.reads += 1;
            kept.values.get(&wanted).cloned()
        };
        match found {
            Some(value) => asked.answer(200, &[], &json!({ "Name": wanted, "SecretString": value })).await,
            None => asked.answer(400, &[], &json!({ "__type": "ResourceNotFoundException" })).await,
        }
    }
}

/// What a call came to: an answer, or an error's type and message.
pub(super) type Answer = Result<Value, (String, String)>;

/// A process of a function that waits for requests.
pub(super) struct Function {
    requests: mpsc::UnboundedReceiver<Asked>,
    /// The process asking for its next request.
    waiting: Option<Asked>,
    stdout: Lines<BufReader<ChildStdout>>,
    calls: u32,
    _process: Child,
    folder: TempDir,
}

impl Function {
    /// Starts a function over a pipeline's lake, with these variables besides.
    pub(super) async fn start(totesys: &Totesys, secrets: &Secrets, variables: &[(&str, &str)]) -> Self {
        let (runtime, requests) = http::serve().await;
        let folder = tempfile::tempdir().expect("a folder can be made");
        let lake = totesys.lake_settings();
        let (access, secret) = lake.credentials.unwrap_or_default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_function"));
        command
            .env_clear()
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .env("AWS_LAMBDA_RUNTIME_API", &runtime)
            .env("AWS_LAMBDA_FUNCTION_NAME", "totesys")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "eu-west-2")
            .env("AWS_ACCESS_KEY_ID", access)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.serve().await)
            .env("TOTESYS_LAKE_PREFIX", "totesys")
            .env("TOTESYS_LAKE_ENDPOINT", lake.endpoint.unwrap_or_default())
            .env("TOTESYS_CATALOG_PUBLISHERS", format!("['{}']", publisher().0.public()))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join(LOG)).expect("a log can be written"))
            .kill_on_drop(true);
        let mut process = command.spawn().expect("the function's program can be started");
        let stdout = BufReader::new(process.stdout.take().expect("its output is piped")).lines();
        Self { requests, waiting: None, stdout, calls: 0, _process: process, folder }
    }

    /// Calls it.
    pub(super) async fn call(&mut self, request: Value) -> Answer {
        let next = match self.waiting.take() {
            Some(next) => next,
            None => self.asked().await,
        };
        assert_eq!(next.path, "/2018-06-01/runtime/invocation/next");
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        let headers = [
            ("lambda-runtime-aws-request-id", id.as_str()),
            ("lambda-runtime-deadline-ms", "9999999999999"),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-2:123456789012:function:totesys"),
        ];
        next.answer(200, &headers, &request).await;
        let said = self.asked().await;
        let body = said.body.clone();
        let answer = match said.path.strip_prefix(&format!("/2018-06-01/runtime/invocation/{id}/")) {
            Some("response") => Ok(body),
            Some("error") => {
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                Err((text("errorType"), text("errorMessage")))
            }
            _ => panic!("{}: {body}", said.path),
        };
        said.answer(202, &[], &Value::Null).await;
        // It asks for more: what it was called for is done with.
        self.waiting = Some(self.asked().await);
        answer
    }

    /// The next line of its output, which must be a metric's.
    pub(super) async fn metrics(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await.expect("it prints a line");
        let line = line.expect("its output can be read").expect("it goes on");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    async fn asked(&mut self) -> Asked {
        match tokio::time::timeout(PATIENCE, self.requests.recv()).await {
            Ok(asked) => asked.expect("the Runtime API goes on"),
            Err(_) => {
                let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
                panic!("it says nothing for {PATIENCE:?}; its log: {log}");
            }
        }
    }
}
