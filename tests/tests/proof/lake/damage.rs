use bytes::Bytes;
use totesys_lake::{ArtefactEntry, Bucket, FileEntry, LakeError, sha256_hex};
use totesys_tests::LocalLake;

const KEY: &str = "quarantine/sales/batch=00000000000000000001/0123456789abcdef-00000.jsonl";

async fn lake_with_a_file() -> (LocalLake, FileEntry) {
    let local = LocalLake::start().await.unwrap();
    let lines = Bytes::from_static(b"{\"a\":1}\n{\"a\":2}\n");
    let file = local.lake.put_lines(Bucket::Ingestion, KEY.to_owned(), "sales", lines.clone()).await.unwrap();
    assert_eq!((file.rows, file.bytes), (2, 16));
    assert_eq!(local.lake.read_file(Bucket::Ingestion, &file).await.unwrap(), lines);
    (local, file)
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let (local, file) = lake_with_a_file().await;
    std::fs::remove_file(local.file_of(Bucket::Ingestion, KEY)).unwrap();
    let error = local.lake.read_file(Bucket::Ingestion, &file).await.unwrap_err();
    assert!(matches!(&error, LakeError::FileMissing { key, .. } if key == KEY), "{error:?}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_truncated_and_a_grown_file_are_named() {
    let (local, file) = lake_with_a_file().await;
    for content in ["{\"a\":1}\n", "", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"] {
        std::fs::write(local.file_of(Bucket::Ingestion, KEY), content).unwrap();
        let error = local.lake.read_file(Bucket::Ingestion, &file).await.unwrap_err();
        let expected_found = content.len() as u64;
        assert!(
            matches!(&error, LakeError::FileLength { key, expected: 16, found, .. } if key == KEY && *found == expected_found),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_altered_file_is_named_and_its_content_is_not() {
    let (local, file) = lake_with_a_file().await;
    std::fs::write(local.file_of(Bucket::Ingestion, KEY), "{\"a\":1}\n{\"a\":9}\n").unwrap();
    let error = local.lake.read_file(Bucket::Ingestion, &file).await.unwrap_err();
    assert!(matches!(&error, LakeError::FileDigest { key, .. } if key == KEY), "{error:?}");
    assert!(!format!("{error:?}").contains("{\"a\""));
}

#[tokio::test]
async fn storing_the_same_file_again_is_fine_and_another_is_not() {
    let (local, file) = lake_with_a_file().await;
    let again = Bytes::from_static(b"{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(local.lake.put_lines(Bucket::Ingestion, KEY.to_owned(), "sales", again).await.unwrap(), file);
    let other = Bytes::from_static(b"{\"a\":1}\n{\"a\":7}\n");
    let error = local.lake.put_lines(Bucket::Ingestion, KEY.to_owned(), "sales", other).await.unwrap_err();
    assert!(matches!(error, LakeError::FileDigest { .. }), "{error:?}");
}

#[tokio::test]
async fn damaged_code_is_refused() {
    let local = LocalLake::start().await.unwrap();
    let component = Bytes::from_static(b"\0asm component");
    let digest = local.lake.put_component(component.clone()).await.unwrap();
    assert_eq!(local.lake.put_component(component.clone()).await.unwrap(), digest);
    assert_eq!(local.lake.get_component(&digest).await.unwrap(), component);
    std::fs::write(local.file_of(Bucket::Code, &format!("components/{digest}.wasm")), "other").unwrap();
    assert!(matches!(local.lake.get_component(&digest).await, Err(LakeError::FileDigest { .. })));
    assert!(matches!(local.lake.get_component(&"0".repeat(64)).await, Err(LakeError::FileMissing { .. })));

    let compiled = Bytes::from_static(b"machine code");
    let artefact_key = "wasmtime-48.0.0-aarch64-unknown-linux-gnu-baseline-01234567";
    let key = local.lake.put_artefact(&digest, artefact_key, compiled.clone()).await.unwrap();
    let entry = ArtefactEntry {
        key: key.clone(),
        sha256: sha256_hex(&compiled),
        bytes: compiled.len() as u64,
        signature: String::new(),
        public_key: String::new(),
    };
    assert_eq!(local.lake.get_artefact(&entry).await.unwrap(), compiled);
    std::fs::write(local.file_of(Bucket::Code, &key), "machine c0de").unwrap();
    assert!(matches!(local.lake.get_artefact(&entry).await, Err(LakeError::FileDigest { .. })));
}
