//! Asking the emulator as a program other than ours would.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// What AWS said no with.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A client of every service.
pub(crate) struct Asker {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Asker {
    /// Starts one, from the command that runs Python with the variables a client needs.
    pub(crate) fn start(mut python: Command, scripts: &Path) -> Self {
        python.arg(scripts.join("ask.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let talk = Mutex::new((child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap())));
        Self { child, talk }
    }

    /// Asks as a role, or as whoever owns the account.
    pub(crate) fn ask(
        &self,
        role: Option<&str>,
        service: &str,
        operation: &str,
        arguments: &Value,
    ) -> Result<Value, Refusal> {
        let request = json!({ "service": service, "operation": operation, "arguments": arguments, "role": role });
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(talk.0, "{request}").unwrap();
        let mut line = String::new();
        talk.1.read_line(&mut line).unwrap();
        let mut said: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}` after {request}"));
        match said["error"].as_str() {
            None => Ok(said["answer"].take()),
            Some(code) => {
                Err(Refusal { code: code.to_owned(), message: said["message"].as_str().unwrap_or_default().to_owned() })
            }
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
