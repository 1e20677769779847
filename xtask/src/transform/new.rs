//! `transform new`: a crate for a star of one's own, with a mapping, a case and a passing test.

mod name;

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};

use crate::arguments::New;
use crate::hint::advise;
use crate::place::{say, workspace};

/// The files of the crate: where each lies, and what it is made of.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../templates/star/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../templates/star/lib.rs.in")),
    ("tests/cases.rs", include_str!("../../templates/star/cases.rs.in")),
    ("cases/ordinary-order.md", include_str!("../../templates/star/ordinary-order.md.in")),
    ("README.md", include_str!("../../templates/star/README.md.in")),
    (".gitignore", include_str!("../../templates/star/gitignore.in")),
];

/// What the crate has from the checkout as it is: versions of its dependencies, and how its lines are laid out.
const COPIED: &[&str] = &["Cargo.lock", "rustfmt.toml"];

/// Makes the crate and says what to do next.
pub(crate) fn new(arguments: &New) -> Result<()> {
    let folder = arguments.path.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let folder = make(&arguments.name, &folder)?;
    println!("{}", folder.display());
    let (word, component) = (shell_word(&text(&folder)?), shell_word(&text(&component(&arguments.name, &folder))?));
    say(&format!(
        "the star `{}` is made: src/lib.rs is what it does, cases/ordinary-order.md shows it",
        arguments.name
    ));
    for (verb, operand, does) in [
        ("test", &word, "runs its case, natively and in the sandbox"),
        ("build", &word, "builds its component"),
        ("plan", &component, "says what would change if it went live"),
        ("publish", &component, "puts it live: the next `cargo xtask run` fills its tables"),
    ] {
        say(&format!("  cargo xtask transform {verb} {operand}\n      {does}"));
    }
    Ok(())
}

/// Makes the crate in a folder that is empty or not there yet, and says where that is.
fn make(name: &str, folder: &Path) -> Result<PathBuf> {
    let checkout = workspace().canonicalize().context("the checkout cannot be entered")?;
    let lock = checkout.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("{} cannot be read", lock.display()))?;
    name::check(name, &lock)?;
    let among = checkout.join("transforms-wasm");
    if resolved(folder).with_context(|| format!("{} cannot be found", folder.display()))?.starts_with(among) {
        return Err(advise(
            format!("{} lies among the bundled stars", folder.display()),
            "those are members of the workspace, as CONTRIBUTING.md says; a star of its own lies anywhere else",
        ));
    }
    empty(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let folder = folder.canonicalize().with_context(|| format!("{} cannot be entered", folder.display()))?;
    let values = values(name, &folder, &checkout)?;
    for (path, template) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        }
        fs::write(&path, rendered(template, &values))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    for file in COPIED {
        let content = fs::read(checkout.join(file)).with_context(|| format!("{file} cannot be read"))?;
        fs::write(folder.join(file), content).with_context(|| format!("{file} cannot be written"))?;
    }
    Ok(folder)
}

/// Where a path leads, as far as that is there: without symbolic links and `..`.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        if component == Component::ParentDir {
            // What is there is resolved already, so its parent is the one it is written in.
            resolved.pop();
            continue;
        }
        resolved.push(component);
        if let Ok(real) = resolved.canonicalize() {
            resolved = real;
        }
    }
    Ok(resolved)
}

/// Refuses a folder that holds anything.
fn empty(folder: &Path) -> Result<()> {
    let taken = if folder.is_dir() {
        let mut entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        entries.next().is_some()
    } else {
        fs::symlink_metadata(folder).is_ok()
    };
    if taken {
        return Err(advise(
            format!("{} is there already", folder.display()),
            "nothing is overwritten: name a folder that is empty or does not exist with --path",
        ));
    }
    Ok(())
}

/// Where the component will lie.
fn component(name: &str, folder: &Path) -> PathBuf {
    folder.join("target/guests/components").join(format!("{name}.wasm"))
}

/// What stands for each placeholder.
fn values(name: &str, folder: &Path, checkout: &Path) -> Result<[(&'static str, String); 7]> {
    let quoted = |path: &str| Ok::<_, anyhow::Error>(toml::Value::String(text(&checkout.join(path))?).to_string());
    Ok([
        ("{{name}}", name.to_owned()),
        ("{{table}}", name::table(name)),
        ("{{author-kit}}", quoted("transforms-wasm/author-kit")?),
        ("{{star-cases}}", quoted("transforms-wasm/cases")?),
        ("{{checkout}}", text(checkout)?),
        ("{{folder}}", shell_word(&text(folder)?)),
        ("{{component}}", shell_word(&text(&component(name, folder))?)),
    ])
}

fn rendered(template: &str, values: &[(&'static str, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

/// A path as text, which files and commands need.
fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| advise(format!("the name of {} is not UTF-8", path.display()), "take a folder whose name is"))
}

/// A path as one word of a shell.
fn shell_word(path: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+@%".contains(char);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod paths {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_lead_where_they_lead() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path().canonicalize().unwrap();
        fs::create_dir_all(parent.join("there/deep")).unwrap();
        symlink(parent.join("there/deep"), parent.join("link")).unwrap();
        symlink("nothing", parent.join("dangling")).unwrap();
        for (path, leads) in [
            ("there", "there"),
            ("there/new/newer", "there/new/newer"),
            ("link", "there/deep"),
            ("link/new", "there/deep/new"),
            ("link/../new", "there/new"),
            ("none/../link/new", "there/deep/new"),
            ("there/./deep/../../new", "new"),
            ("none/link/../../link", "there/deep"),
            ("dangling/new", "dangling/new"),
        ] {
            assert_eq!(resolved(&parent.join(path)).unwrap(), parent.join(leads), "{path}");
        }
        assert_eq!(resolved(Path::new("/../..")).unwrap(), Path::new("/"));
        assert!(resolved(Path::new("")).is_err());
    }

    #[test]
    fn no_way_leads_among_the_bundled_stars() {
        let parent = tempfile::tempdir().unwrap();
        symlink(workspace().join("transforms-wasm"), parent.path().join("link")).unwrap();
        for folder in [
            workspace().join("transforms-wasm/of-mine"),
            workspace().join("xtask/../transforms-wasm/of-mine"),
            workspace().join("xtask/none/../../transforms-wasm/of-mine"),
            parent.path().join("link/of-mine"),
            parent.path().join("none/../link/of-mine"),
        ] {
            let error = make("design-sales", &folder).unwrap_err();
            assert!(error.to_string().ends_with("lies among the bundled stars"), "{error:#}");
            assert!(!workspace().join("transforms-wasm/of-mine").exists());
        }
        make("design-sales", &parent.path().join("beside")).unwrap();
    }
}
