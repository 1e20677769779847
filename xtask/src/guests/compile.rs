//! Running cargo so that the same sources give the same bytes in any folder.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use super::TARGET;
use super::toolchain::Toolchain;

/// What cargo is to compile.
pub(super) struct Job<'a> {
    /// Where it runs.
    pub(super) folder: &'a Path,
    /// Where to; cargo's own folder as well as ours.
    pub(super) target: &'a Path,
    /// Which packages, and how.
    pub(super) options: Vec<String>,
    /// Folders of sources, with the names they have in the bytes.
    pub(super) sources: Vec<(&'a Path, &'static str)>,
}

/// Compiles core modules into `<target>/wasm32-unknown-unknown/guest/`.
pub(super) fn compile(shell: &Shell, job: &Job<'_>, toolchain: &Toolchain, talk: &dyn Fn(&str)) -> Result<()> {
    let (cargo, target, options) = (toolchain.cargo(), job.target, &job.options);
    let mut build: Command =
        cmd!(shell, "{cargo} build --profile guest --target {TARGET} --target-dir {target} {options...}").into();
    toolchain.prepare(&mut build);
    build
        .current_dir(job.folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(job, toolchain.sysroot())?.join("\u{1f}"))
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
fn flags(job: &Job<'_>, sysroot: &Path) -> Result<Vec<String>> {
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
    };
    let target = job.target.canonicalize()?;
    let mut remapped = vec![(sysroot, "/rust"), (cargo_home.as_path(), "/cargo"), (target.as_path(), "/target")];
    remapped.extend(&job.sources);
    // The last one that fits counts: folders inside others come later.
    remapped.sort_by_key(|(from, _)| from.components().count());
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
    flags.extend(remapped.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    Ok(flags)
}

/// The workspace's profile for guests as options of cargo, for crates that have another manifest above them or none.
pub(super) fn profile(workspace: &Path) -> Result<Vec<String>> {
    let path = workspace.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("{} cannot be read", path.display()))?;
    let profile = manifest.get("profile").and_then(|profiles| profiles.get("guest")).and_then(toml::Value::as_table);
    let profile = profile.with_context(|| format!("{} has no [profile.guest]", path.display()))?;
    let option =
        |(key, value): (&String, &toml::Value)| ["--config".to_owned(), format!("profile.guest.{key}={value}")];
    Ok(profile.iter().flat_map(option).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_another_has_a_name_of_its_own() {
        let target = tempfile::tempdir().unwrap();
        let inside = target.path().join("checkout/star");
        let job = Job {
            folder: &inside,
            target: target.path(),
            options: Vec::new(),
            sources: vec![(inside.as_path(), "/star"), (inside.parent().unwrap(), "/totesys")],
        };
        let flags = flags(&job, Path::new("/")).unwrap();
        let order: Vec<&str> = flags.iter().filter_map(|flag| Some(flag.rsplit_once('=')?.1)).collect();
        let places = ["/rust", "/target", "/totesys", "/star"].map(|name| order.iter().position(|to| *to == name));
        assert!(places.is_sorted() && places[0].is_some(), "{order:?}");
    }

    #[test]
    fn the_profile_of_guests_goes_to_crates_outside() {
        let options = profile(&crate::place::workspace()).unwrap();
        assert!(options.iter().any(|option| option == "profile.guest.inherits=\"release\""), "{options:?}");
        assert!(options.iter().any(|option| option == "profile.guest.codegen-units=1"), "{options:?}");
        let nested = tempfile::tempdir().unwrap();
        fs::write(nested.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        assert!(profile(nested.path()).unwrap_err().to_string().ends_with("has no [profile.guest]"));
    }
}
