//! What `cargo xtask test` installed and built for these tests.

use std::path::PathBuf;

/// Set by `cargo xtask test`; `none` when it was told `--no-aws`.
const TOOLS: &str = "TOTESYS_TEST_TOOLS";

/// Where the tools lie; `None` when the tests that need them were left out.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = named(TOOLS);
    (folder.as_os_str() != "none").then_some(folder)
}

/// The functions' zip.
pub(crate) fn package() -> PathBuf {
    named("TOTESYS_TEST_PACKAGE")
}

/// The program under test.
pub(crate) fn xtask() -> PathBuf {
    named("TOTESYS_TEST_XTASK")
}

/// The checkout.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn named(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set; hint: `cargo xtask test`")).into()
}
