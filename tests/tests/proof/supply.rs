//! What the programs are built from: licences, banned crates and sources, by `deny.toml`, as `cargo deny` checks them.
//!
//! cargo-deny itself is not everywhere; this reads the same file and the same lock file, so that no machine is blind.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde_json::Value;

const DENY: &str = include_str!("../../../deny.toml");

/// What `deny.toml` says, by section and key.
fn rules() -> Value {
    toml::from_str(DENY).expect("deny.toml is TOML")
}

fn texts(of: &Value) -> BTreeSet<String> {
    let texts = of.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().or_else(|| text["name"].as_str()).expect("a name").to_owned()).collect()
}

/// Every crate of the lock file that one of the targets needs.
fn metadata() -> Metadata {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let targets = texts(&rules()["graph"]["targets"]).into_iter();
    let options = targets.flat_map(|target| ["--filter-platform".to_owned(), target]).chain(["--locked".to_owned()]);
    MetadataCommand::new()
        .current_dir(workspace)
        .other_options(options.collect::<Vec<_>>())
        .exec()
        .expect("cargo knows every crate of the lock file")
}

/// Whether a licence expression can be satisfied with what is allowed. `/` is an old way to write OR.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let holds = any_of(&mut rest, allowed)?;
    if rest.is_empty() { Ok(holds) } else { Err(format!("`{expression}` goes on after its end")) }
}

fn any_of(words: &mut &[&str], allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut holds = all_of(words, allowed)?;
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        holds |= all_of(words, allowed)?;
    }
    Ok(holds)
}

fn all_of(words: &mut &[&str], allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut holds = one(words, allowed)?;
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        holds &= one(words, allowed)?;
    }
    Ok(holds)
}

fn one(words: &mut &[&str], allowed: &BTreeSet<String>) -> Result<bool, String> {
    match **words {
        ["(", ref rest @ ..] => {
            let mut inner = rest;
            let holds = any_of(&mut inner, allowed)?;
            match inner {
                [")", after @ ..] => {
                    *words = after;
                    Ok(holds)
                }
                _ => Err("a parenthesis is not closed".to_owned()),
            }
        }
        [licence, "WITH", exception, ..] => {
            *words = &words[3..];
            Ok(allowed.contains(&format!("{licence} WITH {exception}")))
        }
        [licence, ..] if !matches!(licence, ")" | "OR" | "AND") => {
            *words = &words[1..];
            Ok(allowed.contains(licence))
        }
        _ => Err("a licence is missing".to_owned()),
    }
}

fn described(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

#[test]
fn every_licence_is_allowed_and_every_allowed_licence_is_in_use() {
    let allowed = texts(&rules()["licenses"]["allow"]);
    let metadata = metadata();
    assert!(metadata.packages.len() > 250, "more than our own crates are looked at");
    for package in &metadata.packages {
        let licence = package.license.as_deref().unwrap_or("");
        assert_eq!(satisfied(licence, &allowed), Ok(true), "{}: `{licence}`", described(package));
    }
    // A licence that nobody needs any more has no business in the list.
    for licence in &allowed {
        let without: BTreeSet<String> = allowed.iter().filter(|other| *other != licence).cloned().collect();
        let needed = metadata
            .packages
            .iter()
            .any(|package| satisfied(package.license.as_deref().unwrap_or(""), &without) != Ok(true));
        let named =
            metadata.packages.iter().any(|package| package.license.as_ref().is_some_and(|l| l.contains(licence)));
        assert!(needed || named, "nothing is under `{licence}`");
    }
}

#[test]
fn every_crate_comes_from_where_crates_may_come_from() {
    let registries = texts(&rules()["sources"]["allow-registry"]);
    for package in metadata().packages {
        match &package.source {
            None => assert!(package.publish == Some(Vec::new()), "{} is ours and stays here", described(&package)),
            Some(source) => {
                let registry = source.repr.strip_prefix("registry+").unwrap_or_default();
                assert!(registries.contains(registry), "{} comes from {}", described(&package), source.repr);
            }
        }
    }
}

#[test]
fn nothing_that_is_banned_is_in_the_lock_file() {
    let banned = texts(&rules()["bans"]["deny"]);
    assert!(banned.len() > 3);
    for package in metadata().packages {
        assert!(!banned.contains(&package.name.to_string()), "{} is banned", described(&package));
        for dependency in package.dependencies.iter().filter(|_| package.source.is_none()) {
            let wild = dependency.path.is_none() && dependency.req.to_string() == "*";
            assert!(!wild, "{} takes any version of {}", described(&package), dependency.name);
        }
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", Ok(true)),
        ("GPL-3.0", Ok(false)),
        ("MIT OR GPL-3.0", Ok(true)),
        ("MIT/Apache-2.0", Ok(true)),
        ("MIT AND GPL-3.0", Ok(false)),
        ("GPL-3.0 OR MIT AND ISC", Ok(true)),
        ("(GPL-3.0 OR MIT) AND ISC", Ok(true)),
        ("(GPL-3.0 OR MIT) AND BSD-3-Clause", Ok(false)),
        ("Apache-2.0", Ok(false)),
        ("Apache-2.0 WITH LLVM-exception", Ok(true)),
        ("Apache-2.0 WITH LLVM-exception AND ISC", Ok(true)),
        ("", Err(())),
        ("MIT OR", Err(())),
        ("(MIT", Err(())),
        ("MIT ISC", Err(())),
    ] {
        assert_eq!(satisfied(expression, &allowed).map_err(drop), expected, "{expression}");
    }
}
