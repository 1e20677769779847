//! The architecture's invariants: who may depend on whom, and what may be written where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(workspace())
        .no_deps()
        .features(CargoOpt::AllFeatures)
        .exec()
        .expect("cargo knows the workspace")
}

/// The direct dependencies of each crate of ours, tests and build scripts left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let of = |package: &cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        (package.name.to_string(), normal.map(|d| d.name.clone()).collect())
    };
    metadata().packages.iter().map(of).collect()
}

/// Rust sources of a folder, as (path from the workspace, text).
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(workspace()).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

const FOLDERS: &[&str] = &["transforms-wasm", "host-lambda", "infra-templates", "xtask", "tests"];

fn all_sources() -> Vec<(String, String)> {
    FOLDERS.iter().flat_map(|folder| sources(folder)).collect()
}

/// Only these crates may know a library: others reach what it does through them.
#[test]
fn each_outside_world_is_known_to_its_crate_alone() {
    let owners: &[(&str, &[&str])] = &[
        ("lambda_runtime", &["host-lambda"]),
        ("aws-sdk-s3", &["totesys-lake"]),
        ("aws-config", &["totesys-lake", "totesys-secrets", "xtask"]),
        ("aws-sdk-cloudformation", &["xtask", "totesys-tests"]),
        ("aws-sdk-sfn", &["xtask", "totesys-tests"]),
        ("aws-sdk-secretsmanager", &["totesys-secrets", "xtask"]),
        ("parquet", &["totesys-lake"]),
        ("s3s", &["totesys-embedded-s3"]),
        ("s3s-fs", &["totesys-embedded-s3"]),
        ("wasmtime", &["totesys-sandbox", "totesys-publisher"]),
        ("wit-bindgen", &["author-kit", "veteran"]),
        (
            "tokio-postgres",
            &["totesys-postgres", "totesys-source", "totesys-warehouse", "totesys-simulate", "xtask", "totesys-tests"],
        ),
    ];
    let dependencies = dependencies();
    for (library, owners) in owners {
        let users: Vec<_> =
            dependencies.iter().filter(|(_, uses)| uses.contains(*library)).map(|(name, _)| name.as_str()).collect();
        for user in &users {
            assert!(owners.contains(user), "`{user}` depends on `{library}`, which only {owners:?} may");
        }
        assert!(!users.is_empty(), "nobody depends on `{library}` any more: update this list");
    }
}

#[test]
fn crates_depend_in_one_direction() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let allowed: &[(&str, &[&str])] = &[
        ("star-contract", &[]),
        ("author-kit", &["star-contract"]),
        ("conformed", &["author-kit"]),
        ("sales", &["author-kit", "conformed"]),
        ("purchases", &["author-kit", "conformed"]),
        ("payments", &["author-kit", "conformed"]),
        ("hostile", &["author-kit"]),
        ("picky", &["author-kit"]),
        ("veteran", &[]),
        ("star-cases", &["author-kit", "star-contract"]),
        ("totesys-postgres", &["star-contract"]),
        ("totesys-simulate", &["totesys-postgres"]),
        ("totesys-source", &["star-contract", "totesys-postgres"]),
        ("totesys-warehouse", &["star-contract", "totesys-failpoint", "totesys-postgres"]),
        ("totesys-lake", &["star-contract"]),
        ("totesys-secrets", &[]),
        ("totesys-failpoint", &[]),
        // Templates are made without an account, and without anything that runs on one.
        ("infra-templates", &["star-contract"]),
        ("totesys-embedded-s3", &["totesys-failpoint"]),
        ("totesys-sandbox", &["star-contract"]),
        ("totesys-publisher", &["star-contract", "totesys-failpoint", "totesys-lake", "totesys-sandbox"]),
        (
            "host-lambda",
            &[
                "star-contract",
                "totesys-failpoint",
                "totesys-lake",
                "totesys-postgres",
                "totesys-sandbox",
                "totesys-secrets",
                "totesys-source",
                "totesys-warehouse",
            ],
        ),
    ];
    for (name, allowed) in allowed {
        let uses = dependencies.get(*name).unwrap_or_else(|| panic!("there is no crate `{name}`"));
        let uses: Vec<_> = uses.iter().map(String::as_str).filter(|used| ours.contains(used)).collect();
        let forbidden: Vec<_> = uses.iter().filter(|used| !allowed.contains(used)).collect();
        assert!(forbidden.is_empty(), "`{name}` may not depend on {forbidden:?}");
    }
    let known: BTreeSet<&str> =
        allowed.iter().map(|(name, _)| *name).chain(["xtask", "totesys-tests", "totesys-bench"]).collect();
    assert_eq!(known, ours, "every crate has its place in this list");
    for (name, uses) in &dependencies {
        assert!(!uses.contains("xtask"), "`{name}` depends on xtask");
        assert!(!uses.contains("totesys-tests"), "`{name}` depends on the tests");
        assert!(!uses.contains("totesys-bench"), "`{name}` depends on the benchmark");
    }
}

#[test]
fn the_host_has_no_compiler() {
    let host = metadata().packages.into_iter().find(|package| *package.name == "totesys-sandbox").unwrap();
    let wasmtime = host.dependencies.iter().find(|dependency| dependency.name == "wasmtime").unwrap();
    assert!(!wasmtime.uses_default_features);
    let features: BTreeSet<&str> = wasmtime.features.iter().map(String::as_str).collect();
    assert_eq!(features, BTreeSet::from(["component-model", "runtime", "std"]));
    assert!(!dependencies()["host-lambda"].contains("totesys-publisher"));
}

#[test]
fn the_host_names_no_totesys_table() {
    // Words that are no ordinary English in the host's own prose.
    let names = [
        "sales_order",
        "purchase_order",
        "payment_type",
        "fact_payment",
        "dim_staff",
        "dim_date",
        "dim_currency",
        "counterparty",
        "\"sales\"",
        "\"purchases\"",
        "\"payments\"",
        "department_id",
    ];
    for (path, text) in sources("host-lambda") {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in names {
            assert!(!code.contains(name), "{path} names `{name}`");
        }
    }
}

#[test]
fn the_components_name_no_bucket() {
    for (path, text) in sources("transforms-wasm") {
        for word in ["bucket", "s3://", "ingestion", "postgres://", "std::fs", "std::net", "std::time"] {
            assert!(!text.to_lowercase().contains(word), "{path} names `{word}`");
        }
    }
}

#[test]
fn unsafe_stands_in_one_file() {
    let word = concat!("un", "safe");
    let with: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, text)| {
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            code.into_iter().any(|line| {
                line.contains(&format!("{word} {{"))
                    || line.contains(&format!("{word} fn"))
                    || line.contains(&format!("{word} impl"))
            })
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(with, ["host-lambda/sandbox/src/deserialize.rs"]);
    // The lint is denied everywhere else; generated bindings are the one other exception.
    let allowed: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, text)| text.contains(&format!("{word}_code")))
        .map(|(path, _)| path)
        .collect();
    let mut expected = vec![
        "host-lambda/sandbox/src/deserialize.rs",
        "transforms-wasm/author-kit/src/guest.rs",
        "transforms-wasm/veteran/src/component.rs",
    ];
    let mut allowed: Vec<&str> =
        allowed.iter().map(String::as_str).filter(|path| !path.ends_with("invariants.rs")).collect();
    allowed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(allowed, expected);
}

/// Templates come from one crate: what is deployed is what its golden files show.
#[test]
fn cloudformation_is_written_in_one_place() {
    let word = concat!("AWSTemplate", "FormatVersion");
    for (path, text) in all_sources() {
        assert!(!text.contains(word) || path.starts_with("infra-templates/src/"), "{path} writes a template");
    }
}

/// What is logged is a constant message with named fields: no value is formatted into a message.
#[test]
fn log_messages_are_constants() {
    for (path, text) in sources("host-lambda") {
        for level in ["trace!(", "debug!(", "info!(", "warn!(", "error!("] {
            for (position, _) in text.match_indices(level) {
                let call: String = text[position..].chars().take_while(|c| *c != ';').collect();
                let message = call.rsplit_once('"').and_then(|(before, _)| before.rsplit_once('"')).map(|(_, m)| m);
                assert!(message.is_none_or(|message| !message.contains('{')), "{path}: {call}");
            }
        }
    }
}

#[test]
fn files_are_small_and_names_say_something() {
    for (path, text) in all_sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{path} has {lines} lines");
        for word in ["util", "common", "helper", "misc", "manager"] {
            assert!(!Path::new(&path).file_stem().unwrap().to_string_lossy().contains(word), "{path} says nothing");
        }
        for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore")] {
            assert!(!text.contains(word), "{path} has a {word}");
        }
    }
}

#[test]
fn the_readme_is_short() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 120);
}
