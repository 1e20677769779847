//! Building the WASM components: compiled for `wasm32-unknown-unknown`, then made into components.

mod component;
mod sources;
mod stamp;
mod toolchain;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

pub(crate) use component::imports;
use stamp::Stamp;
use toolchain::Toolchain;

use crate::hint::advise;

/// Every guest there is.
pub(crate) const GUESTS: &[&str] = &["sales", "purchases", "payments", "hostile", "picky"];

/// What the guests are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

/// A guest as a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The name of its crate.
    pub name: String,
    /// The component.
    pub path: PathBuf,
    /// The component's sha256 in hexadecimal.
    pub digest: String,
    /// Whether it is another component than before.
    pub rebuilt: bool,
}

/// Builds all guests into `target/guests`; done at once if nothing has changed.
///
/// # Errors
/// When there is no toolchain for them, or they do not compile.
pub(crate) fn build(shell: &Shell, workspace: &Path, talk: &dyn Fn(&str)) -> Result<Vec<Guest>> {
    build_into(shell, workspace, &workspace.join("target/guests"), GUESTS, talk)
}

/// Builds some guests into a target folder of the caller's choice.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_into(
    shell: &Shell,
    workspace: &Path,
    target: &Path,
    guests: &[&str],
    talk: &dyn Fn(&str),
) -> Result<Vec<Guest>> {
    if let Some(unknown) = guests.iter().find(|guest| !GUESTS.contains(guest)) {
        return Err(advise(format!("there is no guest `{unknown}`"), format!("name one of {}", GUESTS.join(", "))));
    }
    let workspace = workspace.canonicalize()?;
    let components = target.join("components");
    fs::create_dir_all(&components).with_context(|| format!("{} cannot be made", components.display()))?;
    let components = components.canonicalize()?;
    // One build at a time; whoever comes second finds the stamp of the first.
    let lock = File::create(components.join("build.lock"))?;
    if lock.try_lock().is_err() {
        talk("waiting for another build of the components");
        lock.lock()?;
    }
    let sources = sources::digest(&workspace)?;
    let before = Stamp::read(&components);
    if let Some(toolchain) = Toolchain::at_hand(shell)
        && let Some(guests) = before.current(&key(&sources, &toolchain, guests), &components, guests)
    {
        return Ok(guests);
    }
    let toolchain = Toolchain::obtain(shell, talk)?;
    talk(&format!("building the components {} with {}", guests.join(", "), toolchain.name()));
    compile(shell, &workspace, target, &toolchain, guests, talk)?;
    let mut built = Vec::new();
    for name in guests {
        let module = target.join(TARGET).join("guest").join(format!("{}.wasm", name.replace('-', "_")));
        let module = fs::read(&module).with_context(|| format!("{} cannot be read", module.display()))?;
        let bytes = component::from_module(&module).with_context(|| format!("`{name}` is no valid component"))?;
        let digest = stamp::sha256(&bytes);
        let path = components.join(format!("{name}.wasm"));
        let rebuilt = fs::read(&path).map_or(true, |old| stamp::sha256(&old) != digest);
        if rebuilt {
            // Whoever reads the component meanwhile sees the old one or the new one, never a part.
            let draft = path.with_extension("draft");
            fs::write(&draft, &bytes)?;
            fs::rename(&draft, &path)?;
        }
        built.push(Guest { name: (*name).to_owned(), path, digest, rebuilt });
    }
    Stamp::of(key(&sources, &toolchain, guests), &built).write(&components)?;
    Ok(built)
}

/// What a set of components was made from.
fn key(sources: &str, toolchain: &Toolchain, guests: &[&str]) -> String {
    stamp::sha256(format!("{sources}\n{}\n{guests:?}", toolchain.identity()).as_bytes())
}

fn compile(
    shell: &Shell,
    workspace: &Path,
    target: &Path,
    toolchain: &Toolchain,
    guests: &[&str],
    talk: &dyn Fn(&str),
) -> Result<()> {
    let cargo = toolchain.cargo();
    let packages = guests.iter().flat_map(|guest| ["-p", guest]);
    let mut build: Command =
        cmd!(shell, "{cargo} build --locked --profile guest --target {TARGET} --target-dir {target} {packages...}")
            .into();
    toolchain.prepare(&mut build);
    build
        .current_dir(workspace)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, target, toolchain)?.join("\u{1f}"))
        // Some crates draw a random seed at compile time.
        .env("CONST_RANDOM_SEED", "totesys")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = build.spawn().with_context(|| format!("{} could not be started", cargo.display()))?;
    let mut last = VecDeque::new();
    for line in running.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line.context("cargo's messages could not be read")?;
        talk(&line);
        last.push_back(line);
        if last.len() > 60 {
            last.pop_front();
        }
    }
    let status = running.wait()?;
    let said = last.into_iter().collect::<Vec<_>>().join("\n");
    ensure!(status.success(), "the components do not compile:\n{said}");
    Ok(())
}

/// The same flags give the same bytes in any folder, because no path of this one is left in them.
fn flags(workspace: &Path, target: &Path, toolchain: &Toolchain) -> Result<Vec<String>> {
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
    };
    let sysroot = toolchain.sysroot();
    let target = target.canonicalize()?;
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
    // The last one that fits counts: folders inside others come later.
    for (from, to) in
        [(sysroot, "/rust"), (cargo_home.as_path(), "/cargo"), (workspace, "/totesys"), (target.as_path(), "/target")]
    {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests;
