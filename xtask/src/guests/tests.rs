use std::collections::BTreeSet;

use super::*;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_guest_is_in_the_list() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(workspace().join(sources::FOLDER)).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        if manifest.parse::<toml::Table>().unwrap().get("lib").is_some_and(|lib| lib.to_string().contains("cdylib")) {
            found.insert(folder.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert_eq!(found, GUESTS.iter().map(|guest| (*guest).to_owned()).collect());
}

#[test]
fn an_unknown_guest_is_named_with_what_there_is() {
    let target = tempfile::tempdir().unwrap();
    let shell = Shell::new().unwrap();
    let error = build_into(&shell, &workspace(), target.path(), &["nobody"], &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "there is no guest `nobody`");
    assert_eq!(crate::hint::of(&error).unwrap(), format!("name one of {}", GUESTS.join(", ")));
}

#[test]
fn a_stamp_fits_only_what_it_was_made_from_and_undamaged_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sales.wasm");
    fs::write(&path, "a component").unwrap();
    let guest =
        Guest { name: "sales".into(), path: path.clone(), digest: stamp::sha256(b"a component"), rebuilt: false };
    let stamp = Stamp::of("key".into(), std::slice::from_ref(&guest));
    stamp.write(folder.path()).unwrap();
    let stamp = Stamp::read(folder.path());
    assert_eq!(stamp.current("key", folder.path(), &["sales"]), Some(vec![guest]));
    assert_eq!(stamp.current("another key", folder.path(), &["sales"]), None);
    assert_eq!(stamp.current("key", folder.path(), &["sales", "payments"]), None);
    fs::write(&path, "a damaged one").unwrap();
    assert_eq!(stamp.current("key", folder.path(), &["sales"]), None);
    assert_eq!(Stamp::read(&folder.path().join("nowhere")).current("key", folder.path(), &["sales"]), None);
}

#[test]
fn the_source_digest_follows_every_file() {
    let workspace = tempfile::tempdir().unwrap();
    let guest = workspace.path().join("transforms-wasm/sales/src");
    fs::create_dir_all(&guest).unwrap();
    let mut digests = BTreeSet::new();
    for (file, content) in [
        ("Cargo.toml", "1"),
        ("Cargo.lock", "1"),
        ("Cargo.lock", "2"),
        ("transforms-wasm/sales/src/lib.rs", "1"),
        ("transforms-wasm/sales/src/lib.rs", "2"),
        ("transforms-wasm/sales/src/other.rs", "2"),
    ] {
        fs::write(workspace.path().join(file), content).unwrap();
        if let Ok(digest) = sources::digest(workspace.path()) {
            assert!(digests.insert(digest));
        }
    }
    assert_eq!(digests.len(), 5);
}

#[test]
fn only_a_components_own_imports_are_listed() {
    // (component (import "totesys:star/log@0.1.0" (instance)) (core module) (component (import "inner" (func))))
    let component = b"\0asm\x0d\0\x01\0\
        \x07\x03\x01\x42\0\
        \x0a\x1b\x01\0\x16totesys:star/log@0.1.0\x05\0\
        \x01\x08\0asm\x01\0\0\0\
        \x04\x08\0asm\x0d\0\x01\0";
    assert_eq!(imports(component).unwrap(), ["totesys:star/log@0.1.0"]);
    assert!(imports(b"no component").is_err());
}
