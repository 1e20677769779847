//! Building the WASM components: compiled for `wasm32-unknown-unknown`, then made into components.

mod compile;
mod component;
mod sources;
mod stamp;
mod star_crate;
mod toolchain;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::Shell;

use compile::{Job, compile};
pub(crate) use component::imports;
use stamp::Stamp;
pub(crate) use star_crate::StarCrate;
use toolchain::Toolchain;

use crate::hint::advise;
use crate::place;

/// Every guest there is.
pub(crate) const GUESTS: &[&str] = &["sales", "purchases", "payments", "hostile", "picky", "veteran"];

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

/// What builds the guests on this machine, if anything that is installed does.
pub(crate) fn compiler() -> Option<&'static str> {
    let shell = Shell::new().ok()?;
    Toolchain::at_hand(&shell).map(|toolchain| toolchain.name())
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
    // Whoever comes second finds the stamp of the first.
    let (components, _lock) = locked(target, talk)?;
    let sources = sources::digest(&workspace)?;
    let before = Stamp::read(&components);
    if let Some(toolchain) = Toolchain::at_hand(shell)
        && let Some(guests) = before.current(&key(&sources, &toolchain, guests), &components, guests)
    {
        return Ok(guests);
    }
    let toolchain = Toolchain::obtain(shell, talk)?;
    talk(&format!("building the components {} with {}", guests.join(", "), toolchain.name()));
    let packages = guests.iter().flat_map(|guest| ["-p", guest]);
    let options = std::iter::once("--locked").chain(packages).map(str::to_owned).collect();
    let job = Job { folder: &workspace, target, options, sources: vec![(workspace.as_path(), "/totesys")] };
    compile(shell, &job, &toolchain, talk)?;
    let mut built = Vec::new();
    for name in guests {
        built.push(finish(target, &components, name, &name.replace('-', "_"))?);
    }
    Stamp::of(key(&sources, &toolchain, guests), &built).write(&components)?;
    Ok(built)
}

/// Builds the component of the crate in a folder, inside this checkout or anywhere else, with the toolchain, the flags
/// and the profile of the bundled ones.
///
/// Its lock file is not held to: one that comes from elsewhere names packages the crate does not need, and cargo takes
/// them out.
///
/// # Errors
/// When it is no crate of a star, there is no toolchain for it, or it does not compile.
pub(crate) fn build_crate(shell: &Shell, folder: &Path, talk: &dyn Fn(&str)) -> Result<Guest> {
    let star = StarCrate::open(folder)?;
    let workspace = place::workspace().canonicalize()?;
    if star.is_bundled() {
        let built = build(shell, &workspace, talk)?.into_iter().find(|guest| guest.name == star.name);
        return built.with_context(|| format!("the component `{}` was not built", star.name));
    }
    let target = star.target();
    let (components, _lock) = locked(&target, talk)?;
    let toolchain = Toolchain::obtain(shell, talk)?;
    talk(&format!("building the component {} with {}", star.name, toolchain.name()));
    let mut options = compile::profile(&workspace)?;
    options.extend(["--lib", "-p", &star.name].map(str::to_owned));
    let sources = vec![(workspace.as_path(), "/totesys"), (star.folder.as_path(), "/star")];
    compile(shell, &Job { folder: &star.folder, target: &target, options, sources }, &toolchain, talk)?;
    finish(&target, &components, &star.name, &star.library)
}

/// The folder of the components below a target folder, for one build at a time.
fn locked(target: &Path, talk: &dyn Fn(&str)) -> Result<(PathBuf, File)> {
    let components = target.join("components");
    fs::create_dir_all(&components).with_context(|| format!("{} cannot be made", components.display()))?;
    let components = components.canonicalize()?;
    let lock = File::create(components.join("build.lock"))?;
    if lock.try_lock().is_err() {
        talk("waiting for another build of the components");
        lock.lock()?;
    }
    Ok((components, lock))
}

/// Makes the module of a compiled library a component.
fn finish(target: &Path, components: &Path, name: &str, library: &str) -> Result<Guest> {
    let module = target.join(TARGET).join("guest").join(format!("{library}.wasm"));
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
    Ok(Guest { name: name.to_owned(), path, digest, rebuilt })
}

/// What a set of components was made from.
fn key(sources: &str, toolchain: &Toolchain, guests: &[&str]) -> String {
    stamp::sha256(format!("{sources}\n{}\n{guests:?}", toolchain.identity()).as_bytes())
}

#[cfg(test)]
mod tests;
