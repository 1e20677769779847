//! What is said of the S3 server of a local run.

use totesys_embedded_s3::{EmbeddedS3, EmbeddedS3Error};

use super::{Kinds as _, example, io, json, pin};

kinds! {
    EmbeddedS3Error: File, Credentials, Random, Store, Start, Silent,
}

/// The object store clears what it takes for a leftover of its own, and cannot: its error has no type known here.
async fn store() -> EmbeddedS3Error {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("buckets/.tmp.0.internal.part")).unwrap();
    let opened = EmbeddedS3::open(folder.path()).await;
    let Err(EmbeddedS3Error::Store { source, .. }) = opened else { panic!("the folder cannot be used") };
    EmbeddedS3Error::Store { folder: "lake/buckets".into(), source }
}

#[tokio::test]
async fn every_kind_of_trouble_with_the_local_s3_server_is_worded() {
    let errors = [
        EmbeddedS3Error::File { action: "create", path: "lake/buckets".into(), source: io() },
        EmbeddedS3Error::Credentials { path: "lake/credentials.json".into(), source: json() },
        EmbeddedS3Error::Random,
        store().await,
        EmbeddedS3Error::Start(io()),
        EmbeddedS3Error::Silent { folder: "lake".into() },
    ];
    let examples = errors.iter().map(|error| example(error.kind_name(), error, error.hint()));
    pin::<EmbeddedS3Error>("embedded_s3_errors", examples);
}
