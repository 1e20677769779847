//! The crate of a star, wherever it lies.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::{GUESTS, sources};
use crate::hint::advise;
use crate::place::{STARS, workspace};

/// What a crate's manifest has to say so that a component can be made of it.
const CRATE_TYPE: &str = "crate-type = [\"cdylib\", \"rlib\"]";

/// The crate of a star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StarCrate {
    /// Its package's name.
    pub(crate) name: String,
    /// Its folder, absolute and without links.
    pub(crate) folder: PathBuf,
    /// Its library's name, which cargo's module has.
    pub(super) library: String,
}

impl StarCrate {
    /// A bundled star by its name, any other by its crate's folder.
    pub(crate) fn find(star: &str) -> Result<Self> {
        if STARS.contains(&star) {
            return Self::open(&workspace().join(sources::FOLDER).join(star));
        }
        if !Path::new(star).exists() {
            return Err(advise(
                format!("there is no star `{star}`"),
                format!("name one of {}, or the folder of a star's crate", STARS.join(", ")),
            ));
        }
        Self::open(Path::new(star))
    }

    /// The crate in a folder.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("Cargo.toml");
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => advise(
                format!("there is no crate in {}", folder.display()),
                "name the folder its Cargo.toml lies in; `cargo xtask transform new NAME` makes one",
            ),
            _ => anyhow!(error).context(format!("{} cannot be read", path.display())),
        })?;
        let folder = folder.canonicalize().with_context(|| format!("{} cannot be entered", folder.display()))?;
        let manifest: toml::Table =
            text.parse().map_err(|error: toml::de::Error| anyhow!("{}: {}", path.display(), error.message()))?;
        let text_of = |table: &str, key: &str| manifest.get(table)?.get(key)?.as_str().map(str::to_owned);
        let name = text_of("package", "name").ok_or_else(|| {
            advise(format!("{} names no package", path.display()), "a star is a package of its own: name its folder")
        })?;
        let library = manifest.get("lib");
        let types = library.and_then(|library| library.get("crate-type").or_else(|| library.get("crate_type")));
        let cdylib = types
            .and_then(toml::Value::as_array)
            .is_some_and(|types| types.iter().any(|kind| kind.as_str() == Some("cdylib")));
        if !cdylib {
            return Err(advise(
                format!("no component can be made of the crate `{name}`"),
                format!("write {CRATE_TYPE} under [lib] in {}", path.display()),
            ));
        }
        let library = text_of("lib", "name").unwrap_or_else(|| name.replace('-', "_"));
        Ok(Self { name, folder, library })
    }

    /// Its cases.
    pub(crate) fn cases(&self) -> PathBuf {
        self.folder.join("cases")
    }

    /// Whether it is one of this checkout's guests.
    pub(crate) fn is_bundled(&self) -> bool {
        let guests = workspace().join(sources::FOLDER);
        GUESTS.contains(&self.name.as_str())
            && guests.canonicalize().is_ok_and(|guests| self.folder == guests.join(&self.name))
    }

    /// Where its component is built: below its own folder, but never among the sources of the bundled guests, whose
    /// digest is taken over all that lies there.
    pub(super) fn target(&self) -> PathBuf {
        let guests = workspace().join(sources::FOLDER);
        let among = guests.canonicalize().is_ok_and(|guests| self.folder.starts_with(guests));
        if among { workspace().join("target/guests") } else { self.folder.join("target/guests") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint;

    fn opened(manifest: &str) -> Result<StarCrate> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        StarCrate::open(folder.path())
    }

    #[test]
    fn a_bundled_star_is_found_by_name_and_by_folder() {
        let sales = StarCrate::find("sales").unwrap();
        assert!(sales.is_bundled());
        assert_eq!((sales.name.as_str(), sales.library.as_str()), ("sales", "sales"));
        assert_eq!(StarCrate::open(&workspace().join("transforms-wasm/sales/../sales")).unwrap(), sales);
        assert!(sales.target().ends_with("target/guests") && !sales.target().starts_with(&sales.folder));
    }

    #[test]
    fn a_crate_of_its_own_is_built_in_its_own_folder() {
        let lib = "[lib]\ncrate-type = ['cdylib', 'rlib']\n";
        let star = opened(&format!("[package]\nname = 'two-words'\n{lib}")).unwrap();
        assert_eq!((star.name.as_str(), star.library.as_str()), ("two-words", "two_words"));
        assert_eq!(star.target(), star.folder.join("target/guests"));
        assert!(!star.is_bundled());
        let named = opened(&format!("[package]\nname = 'sales'\n{lib}name = 'other'\n")).unwrap();
        assert_eq!((named.library.as_str(), named.is_bundled()), ("other", false));
    }

    #[test]
    fn what_is_no_crate_of_a_star() {
        let said = |error: anyhow::Error| (format!("{error:#}"), hint::of(&error).unwrap_or_default());
        let (problem, hint) = said(StarCrate::find("no-such-star").unwrap_err());
        assert_eq!(problem, "there is no star `no-such-star`");
        assert_eq!(hint, "name one of sales, purchases, payments, or the folder of a star's crate");
        let folder = tempfile::tempdir().unwrap();
        let (problem, hint) = said(StarCrate::open(folder.path()).unwrap_err());
        assert!(problem.starts_with("there is no crate in "), "{problem}");
        assert!(hint.contains("transform new NAME"), "{hint}");
        let (problem, hint) = said(opened("[package]\nname = 'a'\n").unwrap_err());
        assert_eq!(problem, "no component can be made of the crate `a`");
        assert!(hint.starts_with("write crate-type = [\"cdylib\", \"rlib\"] under [lib] in "), "{hint}");
        assert!(said(opened("[workspace]\n").unwrap_err()).0.ends_with("names no package"));
        assert!(said(opened("[package\n").unwrap_err()).0.contains("Cargo.toml: "));
    }
}
