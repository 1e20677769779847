//! The programs of this machine.

use std::path::Path;
use std::process::{Command, Stdio};

use infra_templates::Architecture;

use super::finding::Finding;
use crate::place::cargo;
use crate::processor::{here, target};
use crate::{cluster, guests};

const AREA: &str = "tools";

/// The Rust this workspace asks for.
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Looks for what building, testing and deploying call; for a processor if an environment has one.
pub(super) fn look(architecture: Option<Architecture>) -> Vec<Finding> {
    let mut findings = vec![rust(), c_compiler(), guests(), servers()];
    findings.extend(release(architecture));
    findings.extend(of_tests());
    findings
}

/// The first line of what a program says of its version.
fn version(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
    output.status.success().then_some(line)
}

fn rust() -> Finding {
    const HOW: &str = "install Rust through https://rustup.rs, or `rustup update`";
    match (version(&cargo(), &["--version"]), version("rustc", &["--version"])) {
        (Some(cargo), Some(rustc)) => match numbers(&rustc) >= numbers(RUST) {
            true => Finding::ok(AREA, format!("{rustc}, {cargo}")),
            false => {
                Finding::error(AREA, format!("{rustc} is older than {RUST}, which this workspace is written in"), HOW)
            }
        },
        _ => Finding::error(AREA, "cargo or rustc is not to be found", HOW),
    }
}

/// The numbers of the first word that begins with a digit.
fn numbers(text: &str) -> Vec<u32> {
    let mut words = text.split_whitespace();
    let word = words.find(|word| word.starts_with(|letter: char| letter.is_ascii_digit())).unwrap_or_default();
    word.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

fn c_compiler() -> Finding {
    match version("cc", &["--version"]) {
        Some(compiler) => Finding::ok(AREA, format!("C compiler: {compiler}")),
        None => Finding::error(
            AREA,
            "there is no C compiler (cc), which links every program",
            "apt-get install build-essential",
        ),
    }
}

fn guests() -> Finding {
    match guests::compiler() {
        Some(compiler) => Finding::ok(AREA, format!("components are built with {compiler}")),
        None => Finding::error(
            AREA,
            "no compiler for WebAssembly components is installed",
            "rustup target add wasm32-unknown-unknown; on Debian `cargo xtask build` says or installs what else does",
        ),
    }
}

fn servers() -> Finding {
    match cluster::programs().first() {
        Some(folder) => Finding::ok(AREA, format!("PostgreSQL's programs: {}", folder.display())),
        None => Finding::warning(
            AREA,
            "there is no PostgreSQL server: the demo, tests and runs without settings start one",
            "apt-get install postgresql, or set TOTESYS_PG_BIN to the folder with initdb, postgres and pg_ctl",
        ),
    }
}

fn release(architecture: Option<Architecture>) -> Vec<Finding> {
    const ZIG: &str = "pip install ziglang cargo-zigbuild";
    let here = here();
    let wanted = architecture.unwrap_or(here);
    let (zigbuild, zig) = (version("cargo-zigbuild", &["--version"]), zig());
    let mut findings = vec![match (zigbuild, zig) {
        (Some(zigbuild), Some(zig)) => Finding::ok(AREA, format!("{zigbuild}, zig {zig}")),
        (Some(_), None) => Finding::error(AREA, "cargo-zigbuild is there and zig is not", ZIG),
        (None, _) if wanted != here => Finding::error(
            AREA,
            format!("without cargo-zigbuild nothing is built for {} on this machine", wanted.name()),
            format!("{ZIG}; or set the environment's `architecture` to {}", here.name()),
        ),
        (None, _) => Finding::warning(
            AREA,
            "there is no cargo-zigbuild: packages for AWS Lambda need this machine's C library to be as old as Lambda's",
            ZIG,
        ),
    }];
    if architecture.is_some() {
        findings.push(standard_library(wanted));
    }
    findings
}

/// Zig by itself, or as the package of PyPI that cargo-zigbuild finds as well.
fn zig() -> Option<String> {
    version("zig", &["version"]).or_else(|| version("python3", &["-m", "ziglang", "version"]))
}

fn standard_library(architecture: Architecture) -> Finding {
    let target = target(architecture).triple();
    let sysroot = version("rustc", &["--print", "sysroot"]).unwrap_or_default();
    if Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").is_dir() {
        return Finding::ok(AREA, format!("Rust's standard library for {target}"));
    }
    Finding::error(
        AREA,
        format!("there is no standard library of Rust for {target}, the environment's architecture"),
        format!("rustup target add {target}"),
    )
}

/// What only tests call, where it is missing.
fn of_tests() -> Vec<Finding> {
    let optional = [
        ("python3", "the emulator of AWS that tests deploy to", "apt-get install python3-venv"),
        ("npm", "a validator of the state machine", "apt-get install npm"),
    ];
    let missing = optional.into_iter().filter(|(program, ..)| version(program, &["--version"]).is_none());
    let finding = |(program, what, how)| {
        Finding::warning(AREA, format!("there is no {program}: only {what} needs it, in `cargo xtask test`"), how)
    };
    missing.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (text, expected) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", vec![1, 95, 0]),
            ("rustc 1.96.0-nightly (abc 2026-05-01)", vec![1, 96, 0]),
            ("1.95", vec![1, 95]),
            ("no number", vec![]),
        ] {
            assert_eq!(numbers(text), expected);
        }
        assert!(numbers("1.100") > numbers("1.95.0") && numbers("1.95.0") >= numbers("1.95"));
    }

    #[test]
    fn this_machine_can_build() {
        let found = [rust(), c_compiler(), standard_library(Architecture::X86_64)];
        if cfg!(target_arch = "x86_64") {
            assert!(found.iter().all(|finding| finding.remedy.is_none()), "{found:?}");
        }
        assert_eq!(version("no-such-program-totesys", &["--version"]), None);
    }
}
