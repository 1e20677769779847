//! `package`: the functions' program, as AWS Lambda takes it.

mod elf;

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use infra_templates::{Architecture, Environment};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use xshell::{Shell, cmd};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::arguments::Package as Arguments;
use crate::hint::advise;
use crate::place::{cargo, say, workspace};
use crate::processor::{here, target};

/// The C library of Lambda's `provided.al2023`.
const GLIBC: elf::Glibc = elf::Glibc(2, 34);

/// What a release package may weigh, in bytes: what is larger is slower to start.
const RELEASE_LIMIT: u64 = 15 * 1000 * 1000;

/// What Lambda takes at all, unpacked, in bytes.
const UNPACKED_LIMIT: u64 = 250 * 1024 * 1024;

/// The databases' authorities, beside the program.
const CERTIFICATES: &str = "sslrootcert.pem";

/// The functions' code, ready for the code bucket.
pub(crate) struct Package {
    /// The zip.
    pub(crate) bytes: Vec<u8>,
    /// Its SHA-256, in lower-case hex.
    pub(crate) sha256: String,
}

impl Package {
    fn of(bytes: Vec<u8>) -> Self {
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        Self { bytes, sha256 }
    }

    /// A zip that was made before, if the environment could run it.
    pub(crate) fn read(file: &Path, environment: &Environment) -> Result<Self> {
        let bytes = fs::read(file).map_err(|error| {
            advise(
                format!("`{}` cannot be read: {error}", file.display()),
                "`cargo xtask package --out FILE` makes one",
            )
        })?;
        let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|_| not_ours(file))?;
        let mut program = Vec::new();
        // One byte more than Lambda takes is enough to know.
        let bootstrap = archive.by_name("bootstrap").map_err(|_| not_ours(file))?;
        bootstrap.take(UNPACKED_LIMIT + 1).read_to_end(&mut program).map_err(|_| not_ours(file))?;
        check(&program, environment.architecture)?;
        if environment.sslrootcert.is_some() && archive.by_name(CERTIFICATES).is_err() {
            return Err(advise(
                format!("`{}` was made without the environment's `sslrootcert`", file.display()),
                format!("`cargo xtask package --env {} --out FILE` puts it in", environment.name),
            ));
        }
        Ok(Self::of(bytes))
    }

    /// Unpacks it into a folder; gives the program.
    pub(crate) fn unpack(&self, folder: &Path) -> Result<PathBuf> {
        zip::ZipArchive::new(Cursor::new(&self.bytes))?.extract(folder)?;
        Ok(folder.join("bootstrap"))
    }
}

fn not_ours(file: &Path) -> anyhow::Error {
    advise(
        format!("`{}` is no zip with a program `bootstrap`", file.display()),
        "`cargo xtask package --out FILE` makes one",
    )
}

/// The verb: builds, checks, and writes the zip.
pub(crate) fn verb(environment: Option<&Environment>, arguments: &Arguments) -> Result<()> {
    let asked = arguments.architecture.map(Architecture::from);
    let architecture = asked.or(environment.map(|environment| environment.architecture)).unwrap_or_else(here);
    let certificates = environment.and_then(|environment| environment.sslrootcert.as_deref());
    let package = build(architecture, certificates, arguments.dev)?;
    let out = arguments.out.clone().unwrap_or_else(|| folder().join(format!("{}.zip", package.sha256)));
    fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
    fs::write(&out, &package.bytes).with_context(|| format!("{} cannot be written", out.display()))?;
    if arguments.output.json {
        let bytes = package.bytes.len();
        println!(
            "{}",
            json!({ "file": out, "bytes": bytes, "sha256": package.sha256, "architecture": architecture.name() })
        );
    } else {
        println!("{}: {:.1} MB for {}", out.display(), megabytes(package.bytes.len() as u64), architecture.name());
        println!("sha256 {}", package.sha256);
    }
    Ok(())
}

/// The package as a deployment to this machine's processor would have it.
pub(crate) fn for_this_machine() -> Result<Package> {
    build(here(), None, false)
}

/// The package of an environment.
pub(crate) fn package(environment: &Environment, dev: bool) -> Result<Package> {
    build(environment.architecture, environment.sslrootcert.as_deref(), dev)
}

fn folder() -> PathBuf {
    workspace().join("target/package")
}

fn build(architecture: Architecture, certificates: Option<&str>, dev: bool) -> Result<Package> {
    let certificates = certificates
        .map(|file| {
            let read = fs::read(file);
            read.map_err(|error| {
                advise(
                    format!("sslrootcert: `{file}` cannot be read: {error}"),
                    "name the PEM file of the databases' authorities; docs/aws.md says where Amazon RDS has its own",
                )
            })
        })
        .transpose()?;
    let shell = Shell::new()?;
    shell.change_dir(workspace());
    let program = if dev { debug_program(&shell, architecture)? } else { release_program(&shell, architecture)? };
    let bytes = fs::read(&program).with_context(|| format!("{} cannot be read", program.display()))?;
    check(&bytes, architecture)?;
    let package = Package::of(zipped(&bytes, certificates.as_deref())?);
    if !dev {
        weigh(package.bytes.len() as u64)?;
    }
    Ok(package)
}

/// Whether a release package is light enough to start fast.
fn weigh(bytes: u64) -> Result<()> {
    if bytes > RELEASE_LIMIT {
        let (is, limit) = (megabytes(bytes), megabytes(RELEASE_LIMIT));
        return Err(advise(
            format!("the package has {is:.1} MB, more than {limit:.0} MB"),
            "a dependency or feature made the program larger: `cargo tree -p host-lambda -e features`",
        ));
    }
    Ok(())
}

/// Whether Lambda could start a program.
fn check(program: &[u8], architecture: Architecture) -> Result<()> {
    if program.len() as u64 > UNPACKED_LIMIT {
        return Err(advise(
            format!("the program has {:.0} MB; Lambda takes 250 MiB", megabytes(program.len() as u64)),
            "leave --dev out",
        ));
    }
    let found = elf::read(program)?;
    if found.machine != architecture {
        return Err(advise(
            format!("the program was built for {}, not for {}", found.machine.name(), architecture.name()),
            "set the environment's `architecture`, or build with --architecture",
        ));
    }
    if let Some(needed) = found.glibc.filter(|needed| *needed > GLIBC) {
        return Err(advise(
            format!("the program needs glibc {needed}; Lambda's provided.al2023 has {GLIBC}"),
            "install zig and cargo-zigbuild (`pip install ziglang cargo-zigbuild`): they link against the older one",
        ));
    }
    Ok(())
}

/// The program with symbols stripped, of the profile tests are built with.
fn debug_program(shell: &Shell, architecture: Architecture) -> Result<PathBuf> {
    if architecture != here() {
        return Err(advise(
            format!("--dev builds for this machine, which is no {}", architecture.name()),
            "leave --dev out, or set `architecture`",
        ));
    }
    let cargo = cargo();
    // Together with this program: by itself the other would have other features, and everything be compiled once more.
    cmd!(shell, "{cargo} build --locked --bin bootstrap --bin xtask").quiet().run()?;
    let stripped = folder().join("debug/bootstrap");
    fs::create_dir_all(stripped.parent().unwrap_or(Path::new(".")))?;
    let built = workspace().join("target/debug/bootstrap");
    cmd!(shell, "strip -o {stripped} {built}").quiet().run().map_err(|error| {
        advise(format!("the program cannot be stripped: {error}"), "install binutils (it comes with build-essential)")
    })?;
    Ok(stripped)
}

/// The program as it is deployed. `-p` keeps the compiler of components out of it.
fn release_program(shell: &Shell, architecture: Architecture) -> Result<PathBuf> {
    let cargo = cargo();
    let target = target(architecture).triple();
    // A folder of its own: with other features and another target nothing could be shared.
    let folder = folder();
    let build = ["--profile", "lambda", "--locked", "-p", "host-lambda", "--bin", "bootstrap"];
    let zig = cmd!(shell, "cargo-zigbuild --version").quiet().ignore_stdout().ignore_stderr().run().is_ok();
    if zig {
        let versioned = format!("{target}.{GLIBC}");
        cmd!(shell, "{cargo} zigbuild {build...} --target {versioned} --target-dir {folder}").quiet().run()?;
    } else if architecture == here() {
        say("there is no cargo-zigbuild: built with this machine's C library, which must not be newer than Lambda's");
        cmd!(shell, "{cargo} build {build...} --target {target} --target-dir {folder}").quiet().run()?;
    } else {
        return Err(advise(
            format!("without cargo-zigbuild nothing can be built for {} on this machine", architecture.name()),
            format!("`pip install ziglang cargo-zigbuild` and `rustup target add {target}`, or set `architecture`"),
        ));
    }
    Ok(folder.join(target).join("lambda/bootstrap"))
}

/// A zip of the same bytes for the same program.
fn zipped(program: &[u8], certificates: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    zip.start_file("bootstrap", options.unix_permissions(0o755))?;
    zip.write_all(program)?;
    if let Some(certificates) = certificates {
        zip.start_file(CERTIFICATES, options.unix_permissions(0o644))?;
        zip.write_all(certificates)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[allow(clippy::cast_precision_loss, reason = "megabytes for a person")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests;
