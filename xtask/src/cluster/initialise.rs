//! The first start: the data folder and the superuser's password.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ring::rand::{SecureRandom, SystemRandom};

use super::account::Account;
use super::{SUPERUSER, Tuning};

/// Makes the data folder. It appears under its name only when it is complete.
///
/// The socket's folder is private, so whoever reaches the socket is trusted; the loopback port is
/// open to every local user, so it wants the generated password, kept in `pgpass` beside the data.
pub(super) fn initialise(binaries: &Path, account: &Account, data: &Path, tuning: Tuning) -> Result<()> {
    tracing::debug!(data = %data.display(), "making a private cluster");
    let (draft, password_file) = (data.with_extension("draft"), data.with_file_name("password"));
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    let password = password()?;
    write_secret(&password_file, &password, account)?;
    write_secret(&data.with_file_name("pgpass"), &format!("*:*:*:{SUPERUSER}:{password}\n"), account)?;
    let mut initdb = account.command(&binaries.join("initdb"));
    initdb.args(["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"]);
    initdb.args(["--username", SUPERUSER, "--pwfile"]).arg(&password_file).arg("--pgdata").arg(&draft);
    if tuning == Tuning::Throwaway {
        initdb.arg("--no-sync");
    }
    let output = initdb.output().context("initdb could not be started")?;
    fs::remove_file(&password_file)?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::OpenOptions::new()
        .append(true)
        .open(draft.join("postgresql.conf"))?
        .write_all(b"\ninclude 'totesys.conf'\n")?;
    fs::rename(&draft, data)?;
    Ok(())
}

fn password() -> Result<String> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_secret(path: &Path, secret: &str, account: &Account) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    account.own(path)?;
    Ok(())
}
