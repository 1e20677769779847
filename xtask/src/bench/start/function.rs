//! A process of a function: started, asked, watched.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use totesys_embedded_s3::EmbeddedS3;

use super::figures::{Cold, Span};
use super::http::{Asked, Listener};
use crate::bench::measure::{cpu_milliseconds, peak_bytes};

/// What the Runtime API's addresses begin with.
const INVOCATION: &str = "/2018-06-01/runtime/invocation";

/// What all functions of a deployment share.
pub(super) struct Deployment {
    /// The program, unpacked.
    pub(super) program: PathBuf,
    pub(super) lake: EmbeddedS3,
    /// Where Secrets Manager is.
    pub(super) secrets: String,
    /// Whose components run, in hexadecimal.
    pub(super) publisher: String,
}

/// A function that was called at least once, and waits for its next request.
pub(super) struct Function {
    runtime: Listener,
    waiting: Asked,
    /// Ended when it is dropped.
    _process: Child,
    log: PathBuf,
}

impl Function {
    /// Starts a function in an empty folder of its own, calls it, and measures both.
    pub(super) async fn first_call(
        deployment: &Deployment,
        folder: &Path,
        variables: &[(&str, &str)],
        request: Value,
    ) -> Result<(Self, Cold, Value)> {
        let runtime = Listener::open().await?;
        let log = folder.join("log");
        let mut command = Command::new(&deployment.program);
        command
            .env_clear()
            .current_dir(folder)
            // No artefact of an earlier process is at hand.
            .env("TMPDIR", folder)
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address()?)
            .env("AWS_LAMBDA_FUNCTION_NAME", "totesys")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "eu-west-2")
            .env("AWS_ACCESS_KEY_ID", deployment.lake.access_key())
            .env("AWS_SECRET_ACCESS_KEY", deployment.lake.secret_key())
            // Not the lake's own setting: the function prepares for AWS, TLS and its authorities included.
            .env("AWS_ENDPOINT_URL_S3", deployment.lake.endpoint())
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &deployment.secrets)
            .env("TOTESYS_LAKE_PREFIX", "totesys")
            .env("TOTESYS_CATALOG_PUBLISHERS", format!("['{}']", deployment.publisher))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true);
        let started = Instant::now();
        let process = command.spawn().with_context(|| format!("{:?} cannot be started", deployment.program))?;
        let id = process.id().context("the function has ended")?;
        let next = runtime.next().await.with_context(|| said(&log))?;
        let start = Span { milliseconds: milliseconds(started), cpu_milliseconds: cpu_milliseconds(id)? };
        let called = Instant::now();
        let answer = answered(&runtime, next, &request).await.with_context(|| said(&log))?;
        let milliseconds = milliseconds(called);
        let call = Span { milliseconds, cpu_milliseconds: cpu_milliseconds(id)? - start.cpu_milliseconds };
        let cold = Cold { start, call, peak_bytes: peak_bytes(id).unwrap_or_default() };
        let (waiting, answer) = settled(&runtime, answer).await.with_context(|| said(&log))?;
        Ok((Self { runtime, waiting, _process: process, log }, cold, answer))
    }

    /// Calls it once more.
    pub(super) async fn call(self, request: Value) -> Result<Self> {
        let Self { runtime, waiting, _process, log } = self;
        let answer = answered(&runtime, waiting, &request).await.with_context(|| said(&log))?;
        let (waiting, _) = settled(&runtime, answer).await.with_context(|| said(&log))?;
        Ok(Self { runtime, waiting, _process, log })
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// What a function logged.
fn said(log: &Path) -> String {
    format!("the function's log: {}", fs::read_to_string(log).unwrap_or_default().trim())
}

/// Gives a function that asks for a request one, and waits for what it has to say.
async fn answered(runtime: &Listener, next: Asked, request: &Value) -> Result<Asked> {
    if next.path != format!("{INVOCATION}/next") {
        bail!("the function did not start: {}", next.body);
    }
    let headers = [
        ("lambda-runtime-aws-request-id", "call"),
        ("lambda-runtime-deadline-ms", "9999999999999"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-2:123456789012:function:totesys"),
    ];
    next.answer(200, &headers, request).await?;
    runtime.next().await
}

/// Takes a function's answer, and waits until it asks for more.
async fn settled(runtime: &Listener, answer: Asked) -> Result<(Asked, Value)> {
    if answer.path != format!("{INVOCATION}/call/response") {
        bail!("the function failed: {}", answer.body);
    }
    let body = answer.body.clone();
    answer.answer(202, &[], &json!({})).await?;
    Ok((runtime.next().await?, body))
}
