//! Asking a person, where there is one.

use std::io::IsTerminal as _;

use anyhow::Result;

use super::difference::{Difference, Weight};
use crate::place::say;
use crate::stdin;

/// The exit code of what was not approved.
pub(crate) const NOT_APPROVED: u8 = 3;

/// Whether a difference may be carried out: asked is only what cannot be taken back, or widens permissions.
pub(crate) fn approved(difference: &Difference, yes: bool) -> Result<bool> {
    if yes || difference.weight() != Weight::Grave {
        return Ok(true);
    }
    asked(&format!("this {}", difference.reasons().join(", ")), "yes", "say --yes to approve it")
}

/// Asks for a word to be typed. Without a terminal nobody can be asked, and the hint says what a program says instead.
pub(crate) fn asked(what: &str, word: &str, hint: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        say(&format!("{what}: not approved, because nobody can be asked"));
        say(&format!("hint: {hint}"));
        return Ok(false);
    }
    say(&format!("{what}. Type {word} to go on:"));
    let approved = stdin::answer()?.trim() == word;
    if !approved {
        say("not approved: nothing of this was done");
    }
    Ok(approved)
}
