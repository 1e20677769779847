//! `test`: formatting, lints and every test.

mod tools;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use infra_templates::Architecture;
use xshell::{Shell, cmd};

use crate::arguments::Test;
use crate::cluster::{Cluster, Tuning};
use crate::guests::{self, GUESTS, Guest};
use crate::hint::advise;
use crate::place::{cargo, home, say, workspace};
use crate::processor::target;

/// The star that is made outside the checkout.
const OUTSIDE: &str = "order-book";

/// Where the real snapshot lies, beside the checkout.
const SNAPSHOT: &str = "../shared/data/totesys-2024-08-22";

/// Runs everything that can fail.
pub(crate) fn test(arguments: &Test) -> Result<()> {
    let workspace = workspace();
    let snapshot = workspace.join(SNAPSHOT);
    if !arguments.no_snapshot && !snapshot.is_dir() {
        return Err(advise(
            format!("the real snapshot is not at {}", snapshot.display()),
            "put it there, or leave its tests out with --no-snapshot",
        ));
    }
    let shell = Shell::new()?;
    shell.change_dir(&workspace);
    let cargo = cargo();
    if !arguments.only_tests {
        phase("formatting", || Ok(cmd!(shell, "{cargo} fmt --all --check").quiet().run()?))?;
        phase("lints", || {
            Ok(cmd!(shell, "{cargo} clippy --workspace --all-targets --locked -- -D warnings").quiet().run()?)
        })?;
    }
    if cmd!(shell, "{cargo} deny --version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        phase("licences, bans and sources", || {
            // Not `--offline`: it reads the crates of every platform, and only this one's are here.
            Ok(cmd!(shell, "{cargo} deny check bans licenses sources").quiet().run()?)
        })?;
    }
    let guests = phase("components", || guests::build(&shell, &workspace, &say))?;
    phase("the components again, from a copy elsewhere", || same_again(&shell, &workspace, &guests))?;
    let folder = guests.first().and_then(|guest| guest.path.parent()).unwrap_or(&workspace).to_owned();
    let outside = phase("a star made outside the checkout", || made_outside(&shell, &workspace))?;
    let language = match cmd!(shell, "npm --version").quiet().ignore_stdout().ignore_stderr().run() {
        Ok(()) => Some(phase("a component in JavaScript", || in_javascript(&shell, &workspace))?),
        Err(_) => {
            say("there is no npm: the component in JavaScript is left out");
            None
        }
    };
    let deployment = match arguments.no_aws {
        true => None,
        false => {
            let tools = phase("an emulator of AWS, and checkers of templates", || tools::install(&shell, &workspace))?;
            let package = tools.join("functions.zip");
            // Asked for now: building the tests may put another file in its place.
            let xtask = std::env::current_exe()?;
            phase("the functions, built as the tests are", || functions(&shell, &xtask, &package))?;
            Some((tools, package, xtask))
        }
    };
    if arguments.all {
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            let (processor, target) = (architecture.name(), target(architecture).triple());
            if std_of(&shell, target) {
                let name = format!("the functions, built for release on {processor}");
                phase(&name, || released(&shell, processor))?;
            } else {
                say(&format!("the functions for {processor} are left out: `rustup target add {target}`"));
            }
        }
    }
    let cluster = phase("PostgreSQL", || Cluster::start(&home().join("test-cluster"), Tuning::Throwaway))?;
    let url = cluster.url("postgres");
    let more = &arguments.cargo;
    phase("tests", || {
        let mut tests = cmd!(shell, "{cargo} test --workspace --locked {more...}")
            .quiet()
            .env("TOTESYS_TEST_SERVER", &url)
            // Some tests start servers of their own.
            .env("TOTESYS_PG_BIN", cluster.binaries())
            .env("TOTESYS_TEST_OUTSIDE", &outside)
            .env("TOTESYS_TEST_COMPONENTS", &folder);
        if let Some(language) = &language {
            tests = tests.env("TOTESYS_TEST_LANGUAGE", language);
        }
        tests = match &deployment {
            Some((tools, package, xtask)) => tests
                .env("TOTESYS_TEST_TOOLS", tools)
                .env("TOTESYS_TEST_PACKAGE", package)
                .env("TOTESYS_TEST_XTASK", xtask),
            None => tests.env("TOTESYS_TEST_TOOLS", "none"),
        };
        if !arguments.no_snapshot {
            tests = tests.env("TOTESYS_TEST_SNAPSHOT", &snapshot);
        }
        Ok(tests.run()?)
    })
}

/// Whether rustup has the standard library of a target.
fn std_of(shell: &Shell, target: &str) -> bool {
    let installed = cmd!(shell, "rustup target list --installed").quiet().ignore_stderr().read();
    installed.is_ok_and(|installed| installed.lines().any(|line| line == target))
}

/// Packages the functions as they are deployed: processor, C library and size are checked there.
fn released(shell: &Shell, processor: &str) -> Result<()> {
    let xtask = std::env::current_exe()?;
    Ok(cmd!(shell, "{xtask} package --architecture {processor}").quiet().run()?)
}

/// Packages the functions for this machine.
fn functions(shell: &Shell, xtask: &Path, file: &Path) -> Result<()> {
    Ok(cmd!(shell, "{xtask} package --dev --out {file}").quiet().ignore_stdout().run()?)
}

/// Makes, tests and builds a star of its own as its author would; says where its component lies.
fn made_outside(shell: &Shell, workspace: &Path) -> Result<PathBuf> {
    let (xtask, target) = (std::env::current_exe()?, workspace.join("target/outside"));
    let star = std::env::temp_dir().join(format!("totesys-outside-{:x}", workspace.metadata()?.ino())).join(OUTSIDE);
    shell.remove_path(&star)?;
    shell.create_dir(&target)?;
    cmd!(shell, "{xtask} transform new {OUTSIDE} --path {star}").quiet().ignore_stdout().ignore_stderr().run()?;
    // What was compiled the last time stays, though the crate is made anew.
    std::os::unix::fs::symlink(&target, star.join("target"))?;
    cmd!(shell, "{xtask} transform test {star}").quiet().run()?;
    cmd!(shell, "{xtask} transform build {star}").quiet().run()?;
    Ok(target.join("guests/components").join(format!("{OUTSIDE}.wasm")))
}

/// Tests a star written in JavaScript, and makes it a component; says where it lies.
fn in_javascript(shell: &Shell, workspace: &Path) -> Result<PathBuf> {
    let sources = workspace.join("tests/other-languages/javascript");
    let target = workspace.join("target/other-languages");
    cmd!(shell, "sh {sources}/build.sh {target}").quiet().run()?;
    Ok(target.join("language.wasm"))
}

/// Builds the components once more, from a copy of the sources and into another folder: every byte must be the same.
fn same_again(shell: &Shell, workspace: &Path, built: &[Guest]) -> Result<()> {
    let again = workspace.join("target/guests-again");
    let copy = again.join("a/copy/elsewhere");
    shell.remove_path(&copy)?;
    shell.create_dir(&copy)?;
    let sources =
        ["Cargo.toml", "Cargo.lock", ".cargo", "transforms-wasm", "host-lambda", "infra-templates", "xtask", "tests"];
    cmd!(shell, "cp -r {sources...} {copy}").quiet().run()?;
    for (first, second) in built.iter().zip(guests::build_into(shell, &copy, &again.join("target"), GUESTS, &say)?) {
        if first.digest != second.digest {
            return Err(advise(
                format!("`{}` built twice gives {} and {}", first.name, first.digest, second.digest),
                "something of the folder, the time or chance got into the component",
            ));
        }
    }
    Ok(())
}

/// Says how long a phase took.
fn phase<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let outcome = work();
    let state = if outcome.is_ok() { "ok" } else { "FAILED" };
    say(&format!("== {name}: {state} in {:.0} s", started.elapsed().as_secs_f64()));
    outcome
}
