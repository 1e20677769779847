//! Where the server's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::debian;
use crate::hint::advise;

/// A folder of server programs that goes before all others.
const CHOSEN: &str = "TOTESYS_PG_BIN";

/// Debian's folder with one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folders with server programs, best first. As root, installs Debian's when there are none.
pub(super) fn installed() -> Result<Vec<PathBuf>> {
    if let Some(chosen) = std::env::var_os(CHOSEN).map(PathBuf::from) {
        return match is_complete(&chosen) {
            true => Ok(vec![chosen]),
            false => Err(advise(
                format!("{CHOSEN} names {}, where initdb, postgres and pg_ctl are not", chosen.display()),
                format!("name the folder that has them, or unset {CHOSEN}"),
            )),
        };
    }
    let mut found = search();
    if found.is_empty() {
        debian::ensure(&["postgresql"], "a private PostgreSQL cluster")?;
        found = search();
    }
    if found.is_empty() {
        return Err(advise(
            format!("initdb, postgres and pg_ctl are neither in PATH nor under {DEBIAN}"),
            format!("set {CHOSEN} to the folder that has them"),
        ));
    }
    Ok(found)
}

/// The first folder whose version can open this data folder, if there is one yet.
pub(super) fn suiting(installed: &[PathBuf], data: &Path) -> Result<PathBuf> {
    let made_by = std::fs::read_to_string(data.join("PG_VERSION")).ok().map(|version| version.trim().to_owned());
    let suits = |folder: &&PathBuf| made_by.is_none() || major(folder) == made_by;
    installed.iter().find(suits).cloned().ok_or_else(|| {
        let version = made_by.as_deref().unwrap_or_default();
        advise(
            format!("the cluster in {} was made by PostgreSQL {version}, which is not installed", data.display()),
            format!("install postgresql-{version}, or remove {} to start afresh", data.display()),
        )
    })
}

/// The same folders as far as they are there, without installing anything.
pub(super) fn at_hand() -> Vec<PathBuf> {
    match std::env::var_os(CHOSEN).map(PathBuf::from) {
        Some(chosen) => Some(chosen).filter(|folder| is_complete(folder)).into_iter().collect(),
        None => search(),
    }
}

fn search() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    let folders = std::env::split_paths(&path).chain(versions.into_iter().map(|(_, folder)| folder));
    folders.filter(|folder| is_complete(folder)).collect()
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).is_file())
}

/// The major version, out of a line such as `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(folder: &Path) -> Option<String> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let version = line.split_whitespace().nth(2)?;
    Some(version.chars().take_while(char::is_ascii_digit).collect())
}
