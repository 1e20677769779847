//! Reading a secret from stdin; a terminal shows none of it.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::hint::advise;
use crate::place::say;
use crate::stdin;

/// One line of a terminal, or everything that is piped in.
pub(super) async fn read(question: &str) -> Result<String> {
    let terminal = std::io::stdin().is_terminal();
    let _silence = if terminal {
        say(question);
        Some(Silence::keep()?)
    } else {
        None
    };
    let text = stdin::read(!terminal).await.map_err(|error| {
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
