use std::collections::BTreeSet;

use super::*;
use crate::guests::StarCrate;
use crate::hint;

#[test]
fn the_crate_is_complete_and_stands_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = make("design-sales", &parent.path().join("a folder/design-sales")).unwrap();
    let star = StarCrate::open(&folder).unwrap();
    assert_eq!((star.name.as_str(), star.is_bundled()), ("design-sales", false));
    let mut found = BTreeSet::new();
    for (file, _) in FILES {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(!text.contains("{{"), "{file}");
        found.insert(*file);
    }
    assert_eq!(found.len(), FILES.len());
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse::<toml::Table>().unwrap();
    assert!(manifest.contains_key("workspace"));
    let kit = manifest["dependencies"]["author-kit"]["path"].as_str().unwrap();
    assert!(Path::new(kit).is_absolute() && Path::new(kit).join("Cargo.toml").is_file());
    let cases = manifest["dev-dependencies"]["star-cases"]["path"].as_str().unwrap();
    assert!(Path::new(cases).join("Cargo.toml").is_file());
    let code = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    assert!(code.contains("Definition::new(\"design-sales\"") && code.contains("\"fact_design_sales\""));
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.contains("a folder/design-sales/target/guests/components/design-sales.wasm'"), "{readme}");
}

#[test]
fn nothing_is_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let error = |folder: &Path| {
        let error = make("design-sales", folder).unwrap_err();
        assert!(hint::of(&error).is_some(), "{error:#}");
        format!("{error:#}")
    };
    let taken = parent.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("a file"), "mine").unwrap();
    assert!(error(&taken).ends_with("taken is there already"));
    assert!(error(&taken.join("a file")).ends_with("a file is there already"));
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
    let empty = parent.path().join("empty");
    fs::create_dir(&empty).unwrap();
    make("design-sales", &empty).unwrap();
    assert!(error(&empty).ends_with("empty is there already"));
}

#[test]
fn words_of_a_shell() {
    assert_eq!(shell_word("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
    assert_eq!(shell_word("/tmp/it's here"), r"'/tmp/it'\''s here'");
}
