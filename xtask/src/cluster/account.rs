//! The account a server runs under: PostgreSQL refuses to run as root.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::debian::is_root;
use crate::hint::advise;

/// The account a server runs under: our own, or another one that we as root switch to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    switch_to: Option<(u32, u32)>,
}

impl Account {
    /// As root, whoever owns the data of this cluster already, else Debian's `postgres`.
    pub(super) fn for_cluster(folder: &Path) -> Result<Self> {
        if !is_root() {
            return Ok(Self { switch_to: None });
        }
        let owner = std::fs::metadata(folder.join("data")).ok().map(|data| (data.uid(), data.gid()));
        let switch_to = match owner.filter(|(uid, _)| *uid != 0) {
            Some(owner) => owner,
            None => postgres().ok_or_else(|| {
                advise(
                    "a PostgreSQL server does not run as root, and there is no user `postgres` to run it as",
                    "useradd --system postgres, or run this as an ordinary user",
                )
            })?,
        };
        Ok(Self { switch_to: Some(switch_to) })
    }

    /// A program under this account, out of reach of the terminal's Ctrl-C and of our `PG*` variables.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").process_group(0).stdin(Stdio::null()).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some((uid, gid)) = self.switch_to {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives this account a file or folder of ours.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match self.switch_to {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    /// Whether a folder belongs to us or to this account, so that nobody else decides what is in it.
    pub(super) fn trusts(&self, owner: u32) -> bool {
        let us = std::fs::metadata("/proc/self").map(|own| own.uid()).ok();
        us == Some(owner) || self.switch_to.is_some_and(|(uid, _)| uid == owner)
    }

    /// Whether this account can reach what is in a folder.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        self.command(Path::new("test")).arg("-x").arg(folder).status().is_ok_and(|status| status.success())
    }
}

fn postgres() -> Option<(u32, u32)> {
    let id = |which| {
        let output = Command::new("id").args([which, "postgres"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    Some((id("-u")?, id("-g")?))
}
