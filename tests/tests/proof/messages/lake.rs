//! What is said of the lake.

use std::error::Error;

use star_contract::ColumnType;
use totesys_lake::{LakeError, Request};

use super::{Kinds as _, THEIRS, example, json, pin};

kinds! {
    LakeError:
    Unreachable, NoCredentials, WrongCredentials, AccessDenied, NoSuchBucket, WrongRegion, NotFound, Contended, Failed,
    BucketName, Key, NoDay, FileMissing, FileLength, FileDigest, TooLarge, InFile, UnknownFormat, Unreadable,
    Unwritable, Inconsistent, OtherLake, Parquet, ColumnMissing, ColumnMismatch, RowsLost, Random,
}

const MANIFEST: &str = "manifests/00000000000000000007.json";
const FILE: &str = "data/payment/batch=00000000000000000007/ab12-00000.parquet";

fn bucket() -> String {
    "totesys-ingestion".to_owned()
}

fn get() -> Request {
    Request { operation: "get", bucket: bucket(), key: MANIFEST.to_owned() }
}

fn theirs() -> Box<dyn Error + Send + Sync> {
    THEIRS.into()
}

fn failed(code: Option<&str>) -> LakeError {
    LakeError::Failed { request: get(), code: code.map(str::to_owned), source: theirs() }
}

fn in_file(source: LakeError) -> LakeError {
    LakeError::InFile { bucket: bucket(), key: FILE.to_owned(), source: Box::new(source) }
}

fn unreadable() -> LakeError {
    LakeError::Parquet { action: "read", source: theirs() }
}

fn column_missing() -> LakeError {
    LakeError::ColumnMissing { column: "payment_id".into() }
}

#[test]
fn every_kind_of_trouble_with_the_lake_is_worded() {
    let manifest = || MANIFEST.to_owned();
    let file = || FILE.to_owned();
    let errors = [
        LakeError::Unreachable { request: get(), endpoint: None, source: theirs() },
        LakeError::Unreachable { request: get(), endpoint: Some("http://127.0.0.1:9000".into()), source: theirs() },
        LakeError::NoCredentials { request: get(), source: theirs() },
        LakeError::WrongCredentials { request: get(), source: theirs() },
        LakeError::AccessDenied { request: Request { operation: "put", ..get() }, source: theirs() },
        LakeError::NoSuchBucket {
            request: Request { operation: "list", key: String::new(), ..get() },
            source: theirs(),
        },
        LakeError::WrongRegion { request: get(), source: theirs() },
        LakeError::NotFound { request: get() },
        LakeError::Contended { request: Request { operation: "put", ..get() }, source: theirs() },
        failed(None),
        failed(Some("SlowDown")),
        failed(Some("KeyTooLongError")),
        LakeError::BucketName { name: "Totesys_ingestion".into() },
        LakeError::Key { key: "data/päyment".into() },
        LakeError::NoDay,
        LakeError::FileMissing { bucket: bucket(), key: file() },
        LakeError::FileLength { bucket: bucket(), key: file(), expected: 4711, found: 4000 },
        LakeError::FileDigest { bucket: bucket(), key: file() },
        LakeError::TooLarge { bucket: bucket(), key: file(), limit: 1 << 30 },
        in_file(column_missing()),
        in_file(unreadable()),
        LakeError::UnknownFormat { bucket: bucket(), key: manifest(), found: 2, known: 1 },
        LakeError::Unreadable { bucket: bucket(), key: manifest(), source: json() },
        LakeError::Unwritable { bucket: bucket(), key: manifest(), source: json() },
        LakeError::Inconsistent { bucket: bucket(), key: manifest(), problem: "is not as it was written" },
        LakeError::OtherLake {
            bucket: bucket(),
            key: manifest(),
            expected: "0123456789abcdef".into(),
            found: "fedcba9876543210".into(),
        },
        LakeError::Parquet { action: "written", source: theirs() },
        unreadable(),
        column_missing(),
        LakeError::ColumnMismatch {
            column: "payment_amount".into(),
            expected: ColumnType::Decimal { precision: 10, scale: 2 },
            found: "Utf8".into(),
        },
        LakeError::RowsLost { expected: 40, found: 39 },
        LakeError::Random,
    ];
    pin::<LakeError>("lake_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
