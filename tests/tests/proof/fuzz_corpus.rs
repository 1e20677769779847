//! The fuzz targets over every file of their corpora: what once crashed stays mended. `docs/fuzzing.md` says more.

use std::path::Path;

#[path = "../../../fuzz/targets/copy.rs"]
mod copy;
#[path = "../../../fuzz/targets/ipc.rs"]
mod ipc;
#[path = "../../../fuzz/targets/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/targets/settings.rs"]
mod settings;

/// A function of `fuzz/targets/`.
type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] =
    &[("copy", copy::run), ("ipc", ipc::run), ("manifest", manifest::run), ("settings", settings::run)];

#[test]
fn every_corpus_file_passes_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (target, run) in TARGETS {
        let mut files = 0;
        for entry in std::fs::read_dir(corpus.join(target)).expect("each target has a corpus") {
            let path = entry.expect("an entry").path();
            let data = std::fs::read(&path).expect("a file");
            let outcome = std::panic::catch_unwind(|| run(&data));
            assert!(outcome.is_ok(), "{} fails its target", path.display());
            // A few neighbours of each file, so that a corpus says more than its files.
            for position in (0..data.len()).step_by((data.len() / 16).max(1)) {
                let mut near = data.clone();
                near[position] ^= 0x41;
                run(&near);
                run(&near[..position]);
            }
            files += 1;
        }
        assert!(files >= 5, "{target} has {files} files");
    }
}

#[test]
fn every_target_and_every_corpus_is_in_the_list() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let listed: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
    for folder in ["targets", "corpus", "src/bin"] {
        let entries = std::fs::read_dir(fuzz.join(folder)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").path());
        let mut names: Vec<String> =
            names.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
        names.sort();
        assert_eq!(names, listed, "{folder}");
    }
}
