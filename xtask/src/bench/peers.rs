//! Other tools, in a Python environment of their own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::measure::{Measured, reported};
use super::plain;
use crate::hint::advise;
use crate::place::say;

const SCRIPT: &str = include_str!("peers.py");

/// What is installed from PyPI; DuckDB's extension must be of DuckDB's own version.
const WHEELS: &[&str] = &[
    "duckdb==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
    "connectorx==0.4.6",
    "polars==2.1.0",
    "pyarrow==26.0.1",
];

/// The environment with the peers.
pub(super) struct Peers {
    python: PathBuf,
    script: PathBuf,
}

impl Peers {
    /// Makes the environment, or finds it made.
    pub(super) fn install(folder: &Path) -> Result<Self> {
        let environment = folder.join("venv");
        let (python, stamp) = (environment.join("bin/python"), environment.join("wheels"));
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&WHEELS.join(" ")) {
            say(&format!("installing {} from PyPI", WHEELS.join(", ")));
            let made = plain("python3").args(["-m", "venv"]).arg(&environment).status();
            if !made.is_ok_and(|status| status.success()) {
                return Err(advise("python3 cannot make a virtual environment", "apt-get install python3-venv"));
            }
            let pip = plain(&python).args(["-m", "pip", "install", "--quiet"]).args(WHEELS).status()?;
            ensure!(pip.success(), "pip could not install the peers");
            fs::write(&stamp, WHEELS.join(" "))?;
        }
        let script = folder.join("peers.py");
        fs::write(&script, SCRIPT).with_context(|| format!("{} cannot be written", script.display()))?;
        Ok(Self { python, script })
    }

    /// Lets a peer do a piece of work.
    pub(super) fn run(&self, work: &str, parameters: &Value) -> Result<(Measured, Value)> {
        let mut command = plain(&self.python);
        command.arg(&self.script).arg(work).arg(parameters.to_string());
        reported(command)
    }

    /// What is compared with.
    pub(super) fn names() -> String {
        WHEELS.join(", ")
    }
}
