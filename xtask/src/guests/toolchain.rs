//! Which compiler builds the guests.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::TARGET;
use crate::debian;
use crate::hint::advise;

/// Debian's compiler, which comes with the sources of the standard library.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];

/// How long rustup may take to download the target.
const DOWNLOAD: Duration = Duration::from_secs(180);

/// What of the environment is left to cargo. `cargo xtask` passes on the settings of its own build,
/// which name another compiler, and others could change the bytes that come out.
const KEPT: &[&str] =
    &["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "RUSTUP_HOME"];

/// A compiler that can build the guests.
pub(super) enum Toolchain {
    /// A rustup toolchain, by its sysroot, that has the target.
    Rustup(PathBuf),
    /// Debian's compiler, which builds the standard library as well.
    Debian {
        /// `rust-lld`, which Debian's packages may lack.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// What is installed already.
    pub(super) fn at_hand(shell: &Shell) -> Option<Self> {
        let sysroot = sysroot(shell);
        if let Some(sysroot) = sysroot.as_deref().filter(|sysroot| has_target(sysroot)) {
            return Some(Self::Rustup(sysroot.to_owned()));
        }
        let complete = ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/lib/rustlib/src/rust/library/Cargo.lock"]
            .iter()
            .all(|file| Path::new(file).exists());
        let linker = linker(sysroot.as_deref()).filter(|_| complete)?;
        Some(Self::Debian { linker })
    }

    /// The one to build with: rustup's if it has the target or can get it, else Debian's.
    pub(super) fn obtain(shell: &Shell, talk: &dyn Fn(&str)) -> Result<Self> {
        let sysroot = sysroot(shell);
        if let Some(sysroot) = sysroot.as_deref().filter(|sysroot| has_target(sysroot) || add_target(sysroot, talk)) {
            return Ok(Self::Rustup(sysroot.to_owned()));
        }
        let why = "building the components without rustup's wasm32-unknown-unknown target";
        debian::ensure(DEBIAN_PACKAGES, why)?;
        if linker(sysroot.as_deref()).is_none() {
            debian::ensure(&["rust-web-llvm"], why)?;
            // Debian's rust-lld is a link into the package of that very name, such as lld-22.
            if let Ok(package) = fs::read_link("/usr/bin/rust-lld") {
                debian::ensure(&[&package.to_string_lossy()], why)?;
            }
        }
        Self::at_hand(shell).ok_or_else(|| {
            advise(
                "no compiler can build the components",
                format!("rustup target add {TARGET}, or on Debian: sudo apt-get install {}", DEBIAN_PACKAGES.join(" ")),
            )
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Rustup(_) => "rustup's compiler",
            Self::Debian { .. } => "Debian's compiler",
        }
    }

    pub(super) fn cargo(&self) -> PathBuf {
        self.program("cargo")
    }

    /// Where its standard library's sources or objects come from.
    pub(super) fn sysroot(&self) -> &Path {
        match self {
            Self::Rustup(sysroot) => sysroot,
            Self::Debian { .. } => Path::new("/usr/lib/rustlib/src/rust"),
        }
    }

    /// Changes when the compiler does: asking it for its version would take longer than all else.
    pub(super) fn identity(&self) -> String {
        let rustc = self.program("rustc");
        let (size, changed) = fs::metadata(&rustc).map_or((0, 0), |file| (file.size(), file.mtime()));
        let linker = match self {
            Self::Rustup(_) => String::new(),
            Self::Debian { linker } => linker.display().to_string(),
        };
        format!("{} {size} {changed} {linker}", rustc.display())
    }

    /// Makes a cargo command use this toolchain and nothing else.
    pub(super) fn prepare(&self, build: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let ours = text.starts_with("CARGO") || text.starts_with("RUST") || text == "LD_LIBRARY_PATH";
            if ours && !KEPT.iter().any(|kept| text.starts_with(kept)) {
                build.env_remove(&name);
            }
        }
        build.env("RUSTC", self.program("rustc"));
        if let Self::Debian { linker } = self {
            build
                .args(["-Z", "build-std=std,panic_abort"])
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        match self {
            Self::Rustup(sysroot) => sysroot.join("bin").join(name),
            Self::Debian { .. } => Path::new("/usr/bin").join(name),
        }
    }
}

/// The rustup toolchain in use. `cargo xtask` names its cargo, which spares asking a compiler.
fn sysroot(shell: &Shell) -> Option<PathBuf> {
    let ours = std::env::var_os("CARGO").and_then(|cargo| Some(Path::new(&cargo).parent()?.parent()?.to_owned()));
    let asked = || cmd!(shell, "rustc --print sysroot").quiet().ignore_stderr().read().ok().map(PathBuf::from);
    ours.filter(|sysroot| is_toolchain(sysroot)).or_else(asked).filter(|sysroot| is_toolchain(sysroot))
}

/// Debian's files lie in /usr and are no toolchain that rustup could add to.
fn is_toolchain(sysroot: &Path) -> bool {
    sysroot != Path::new("/usr") && sysroot.join("bin/rustc").is_file() && sysroot.join("lib/rustlib").is_dir()
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn linker(sysroot: Option<&Path>) -> Option<PathBuf> {
    let hosts = sysroot.and_then(|sysroot| fs::read_dir(sysroot.join("lib/rustlib")).ok());
    let own = hosts.into_iter().flatten().flatten().map(|host| host.path().join("bin/rust-lld"));
    own.chain([PathBuf::from("/usr/bin/rust-lld")]).find(|linker| linker.exists())
}

/// Lets rustup try; without a network it fails, and then Debian's compiler is next.
fn add_target(sysroot: &Path, talk: &dyn Fn(&str)) -> bool {
    talk("asking rustup for the wasm32-unknown-unknown target");
    let add = || -> Result<bool> {
        let mut rustup = Command::new("rustup")
            .args(["target", "add", TARGET, "--toolchain"])
            .arg(sysroot.file_name().unwrap_or(OsStr::new("stable")))
            .env_remove("RUSTUP_TOOLCHAIN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("rustup could not be started")?;
        let deadline = Instant::now() + DOWNLOAD;
        loop {
            if let Some(status) = rustup.try_wait()? {
                return Ok(status.success());
            }
            if Instant::now() > deadline {
                rustup.kill()?;
                rustup.wait()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    add().unwrap_or(false) && has_target(sysroot)
}
