//! The manifest parser: a stored object becomes a manifest that fits its key, or an error.

use totesys_lake::Manifest;

/// The key of batch 1; corpus files are manifests of it.
const KEY: &str = "manifests/18446744073709551614.json";

/// The whole input is the object.
pub(super) fn run(data: &[u8]) {
    let Ok(manifest) = Manifest::parse("bucket", KEY, data) else { return };
    assert_eq!(manifest.batch.0, 1);
    for (table, entry) in &manifest.tables {
        let rows: u64 = entry.files.iter().map(|file| file.rows).sum();
        assert_eq!(rows, entry.rows, "{table}");
        for file in &entry.files {
            assert!(file.key.starts_with("data/") && !file.key.split('/').any(|part| part == ".."), "{}", file.key);
        }
    }
}
