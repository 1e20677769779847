//! Reading a secret from stdin; a terminal shows none of it.

use std::io::{BufRead, IsTerminal, Read};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::hint::advise;
use crate::place::say;

/// No address is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// One line of a terminal, or everything that is piped in.
pub(super) async fn read(question: &str) -> Result<String> {
    let terminal = std::io::stdin().is_terminal();
    let _silence = if terminal {
        say(question);
        Some(Silence::keep()?)
    } else {
        None
    };
    // A thread of its own, so that Ctrl-C needs not wait for the line.
    let (line, read) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let stdin = std::io::stdin().lock().take(LONGEST);
        let mut stdin = std::io::BufReader::new(stdin);
        let done = if terminal { stdin.read_line(&mut text) } else { stdin.read_to_string(&mut text) };
        // Nobody waits any more after Ctrl-C.
        let _ = line.send(done.map(|_| text));
    });
    let text = read.await.context("stdin was not read")?.map_err(|error| {
        advise(format!("stdin cannot be read: {error}"), "text in UTF-8 is expected, such as a postgresql:// URL")
    })?;
    if text.trim().is_empty() {
        return Err(advise(
            "stdin is empty",
            "type or pipe the address in, such as: cargo xtask secret set source --env NAME < FILE",
        ));
    }
    Ok(text)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence;

impl Silence {
    fn keep() -> Result<Self> {
        stty("-echo").map(|()| Self)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Err(error) = stty("echo") {
            say(&format!("warning: {error:#}; `stty echo` lets the terminal show what is typed again"));
        }
    }
}

fn stty(setting: &str) -> Result<()> {
    let status = Command::new("stty").arg(setting).stdin(Stdio::inherit()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(advise(
            "the terminal cannot be kept from showing what is typed (stty)",
            "pipe the address in: cargo xtask secret set source --env NAME < FILE",
        )),
    }
}
