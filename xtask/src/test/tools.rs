//! What a deployment is proved with and is not Rust: an emulator of AWS, and checkers of templates and state machines.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use xshell::{Shell, cmd};

use crate::hint::advise;

/// Rules for templates, and the program that reads them.
const GUARD: &str = "node_modules/@cdklabs/cdk-validator-cfnguard/bin";

/// Installs them into `target/emulator` where the pinned versions are not there yet; says where they are.
pub(super) fn install(shell: &Shell, workspace: &Path) -> Result<PathBuf> {
    let (pinned, folder) = (workspace.join("tests/emulator"), workspace.join("target/emulator"));
    shell.create_dir(&folder)?;
    let requirements = pinned.join("requirements.txt");
    once(&folder, "venv", &[&requirements], |venv| python(shell, &requirements, venv))?;
    let packages = [&pinned.join("package.json"), &pinned.join("package-lock.json")];
    once(&folder, "node", &packages.map(PathBuf::as_path), |node| javascript(shell, &packages, node))?;
    Ok(folder)
}

/// Makes a part anew when what it is made from has changed, or when it was not finished.
fn once(folder: &Path, name: &str, pinned: &[&Path], make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (part, stamp) = (folder.join(name), folder.join(format!("{name}.sha256")));
    let mut hash = Sha256::new();
    for file in pinned {
        hash.update(fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?);
    }
    // A virtual environment knows where it lies, so a folder that was moved does not count.
    hash.update(part.as_os_str().as_encoded_bytes());
    let wanted = format!("{:x}", hash.finalize());
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir(&part)?;
    make(&part)?;
    Ok(fs::write(&stamp, wanted)?)
}

fn python(shell: &Shell, requirements: &Path, venv: &Path) -> Result<()> {
    let usable = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))";
    if cmd!(shell, "python3 -c {usable}").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        return Err(advise(
            "there is no Python of version 3.11 or later that makes virtual environments",
            "`apt-get install python3-venv`, or leave the tests of the deployment out with --no-aws",
        ));
    }
    cmd!(shell, "python3 -m venv {venv}").quiet().run()?;
    let pip = venv.join("bin/pip");
    let options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"];
    cmd!(shell, "{pip} install {options...} -r {requirements}").quiet().run().map_err(|error| {
        advise(format!("the emulator of AWS cannot be installed: {error}"), "PyPI must be within reach, this once")
    })
}

fn javascript(shell: &Shell, packages: &[&PathBuf], node: &Path) -> Result<()> {
    if cmd!(shell, "npm --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        return Err(advise(
            "there is no npm",
            "install node 20 or later with npm, or leave the tests of the deployment out with --no-aws",
        ));
    }
    for file in packages {
        shell.copy_file(file, node)?;
    }
    let folder = shell.push_dir(node);
    // What the rules' package wants beside it is for another way to use them, and large.
    let options = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--silent"];
    cmd!(shell, "npm ci {options...}").quiet().run().map_err(|error| {
        advise(
            format!("the checkers of templates cannot be installed: {error}"),
            "the npm registry must be within reach, this once",
        )
    })?;
    drop(folder);
    let guard = node.join(GUARD).join("ubuntu").join(std::env::consts::ARCH).join("cfn-guard");
    fs::set_permissions(&guard, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("there is no {}", guard.display()))
}
