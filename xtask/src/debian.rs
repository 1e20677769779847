//! Debian's packages: installed when we may, named when we may not.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};
use std::sync::Once;

use anyhow::{Context, Result};

use crate::hint::advise;

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Sees to it that Debian packages are installed; `why` ends the sentence "… is needed for".
pub(crate) fn ensure(packages: &[&str], why: &str) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let named = missing.join(" ");
    let how = format!("sudo apt-get install --no-install-recommends {named}");
    if !is_root() {
        return Err(advise(format!("{why} needs packages that are not installed: {named}"), how));
    }
    if Command::new("apt-get").arg("--version").output().is_err() {
        return Err(advise(
            format!("{why} needs what Debian packages as {named}, and there is no apt-get here"),
            "install it by hand, or run on Debian",
        ));
    }
    tracing::info!(packages = %named, "installing Debian packages");
    static LISTS: Once = Once::new();
    // Stale lists may do; if they do not, the installation below says so.
    LISTS.call_once(|| drop(apt_get(&["update"])));
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(&missing);
    let output = apt_get(&arguments).context("apt-get could not be started")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(advise(
            format!("apt-get could not install {named}, which {why} needs: {}", said.trim()),
            format!("see what `{how}` says; the package lists may need `apt-get update`"),
        ));
    }
    Ok(())
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

fn apt_get(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("apt-get")
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        .output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_left_alone() {
        ensure(&["dpkg"], "this test").unwrap();
        assert!(!installed("no-such-package-totesys"));
    }
}
