//! The lake is input: records with absurd values, keys that lead elsewhere, files that are not what is said of them.
//! Each is refused by name; nothing panics and nothing is read beyond what is expected.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{Int32Array, RecordBatch, StringArray};
use host_lambda::HostError;
use serde_json::{Value, json};
use star_contract::{Column, ColumnType};
use totesys_lake::{Bucket, FileEntry, LakeError, ParquetRoller, PartSpec};
use totesys_tests::{Data, LocalLake, Totesys};

/// What no field of a record should be.
fn absurd() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![Value::Null, json!(1e300), json!("18446744073709551615"), json!("../../../../lake.json"), deep]
}

/// A place for each field of a record: of lists and of maps by name only the first entry.
fn fields(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(entries) => {
            if let Some(first) = entries.first() {
                fields(first, &format!("{place}/0"), found);
            }
        }
        Value::Object(entries) => {
            let by_name = entries.len() > 1 && entries.values().all(Value::is_object);
            for (name, entry) in entries.iter().take(if by_name { 1 } else { usize::MAX }) {
                fields(entry, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
    if !place.is_empty() {
        found.push(place.to_owned());
    }
}

/// A record that something else wrote over.
struct Record {
    path: PathBuf,
    good: Value,
}

impl Record {
    async fn newest(totesys: &Totesys, bucket: Bucket, prefix: &str) -> Self {
        let listed = totesys.lake.list(bucket, prefix, Some(1)).await.unwrap();
        let path = totesys.file_of(bucket, &listed[0].key);
        let good = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        Self { path, good }
    }

    fn write(&self, value: &Value) {
        let mut fields = value.as_object().unwrap().clone();
        // A checksum that fits, or nothing else would be looked at.
        let bytes = match (fields.remove("format"), fields.remove("sha256")) {
            (Some(format), _) if format == 1 => {
                let rest = Value::Object(fields).to_string();
                totesys_lake::seal_record(format!("{{\"format\":1,{}", &rest[1..]).as_bytes()).to_vec()
            }
            _ => serde_json::to_vec(value).unwrap(),
        };
        std::fs::write(&self.path, bytes).unwrap();
    }
}

/// Puts every absurd value into every field and does something with the record. Gives each error with its place.
async fn with_each_field_absurd<T>(
    record: &Record,
    mut act: impl AsyncFnMut() -> Result<T, HostError>,
    mut undo: impl AsyncFnMut(),
) -> Vec<(String, HostError)> {
    let mut places = Vec::new();
    fields(&record.good, "", &mut places);
    assert!(places.len() > 5, "{places:?}");
    let mut errors = Vec::new();
    for place in places {
        for value in absurd() {
            let mut changed = record.good.clone();
            *changed.pointer_mut(&place).unwrap() = value;
            record.write(&changed);
            match act().await {
                Ok(_) => undo().await,
                // A thread that panicked is what this must never be.
                Err(HostError::Worker) => panic!("{place} made a stage panic"),
                Err(error) => errors.push((place.clone(), error)),
            }
        }
    }
    record.write(&record.good);
    act().await.unwrap_or_else(|error| panic!("the record is itself again: {error:?}"));
    errors
}

/// The errors at a place.
fn at<'a>(errors: &'a [(String, HostError)], place: &str) -> Vec<&'a HostError> {
    let found: Vec<_> = errors.iter().filter(|(at, _)| at == place).map(|(_, error)| error).collect();
    assert!(!found.is_empty(), "nothing was wrong with {place}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_with_absurd_values_is_refused_and_nothing_panics() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.pipeline.extract().await.unwrap();
    let manifest = Record::newest(&totesys, Bucket::Ingestion, "manifests/").await;
    let records = totesys.file_of(Bucket::TransformationTimes, "stars");
    let errors = with_each_field_absurd(
        &manifest,
        &async || Box::pin(totesys.pipeline.transform("payments")).await,
        &async || {
            if records.exists() {
                std::fs::remove_dir_all(&records).unwrap();
            }
        },
    )
    .await;
    for error in at(&errors, "/lake_id").into_iter().chain(at(&errors, "/batch")).chain(at(&errors, "/attempt")) {
        assert!(error.to_string().contains("manifests/"), "the record is named: {error}");
        assert!(error.hint().is_some(), "{error}");
    }
    for place in ["/tables/address/files/0/key", "/tables/address/files/0/sha256", "/tables/address/files/0/bytes"] {
        for error in at(&errors, place) {
            assert!(matches!(error, HostError::Lake(_)), "{place}: {error:?}");
        }
    }
    // What the next extraction compares the source with.
    std::fs::remove_dir_all(&records).unwrap();
    // Sums of keys that do not fit make a batch, and the forged manifest would not be the newest any more.
    let only_the_first = async || {
        for other in std::fs::read_dir(manifest.path.parent().unwrap()).unwrap() {
            let other = other.unwrap().path();
            if other != manifest.path {
                std::fs::remove_file(other).unwrap();
            }
        }
    };
    let extract = async || Box::pin(totesys.pipeline.extract()).await;
    let errors = with_each_field_absurd(&manifest, &extract, &only_the_first).await;
    assert!(at(&errors, "/baseline/xmin").iter().all(|error| error.hint().is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transformation_or_catalog_record_with_absurd_values_is_refused_and_nothing_panics() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.pipeline.extract().await.unwrap();
    totesys.pipeline.transform("payments").await.unwrap();
    let anew = async || {
        let schemas = "DROP SCHEMA IF EXISTS totesys CASCADE; DROP SCHEMA IF EXISTS totesys_totesys CASCADE";
        totesys.warehouse.execute(schemas).await;
    };
    let load = async || Box::pin(totesys.pipeline.load("payments")).await;
    let record = Record::newest(&totesys, Bucket::TransformationTimes, "stars/payments/").await;
    let errors = with_each_field_absurd(&record, &load, &anew).await;
    for error in at(&errors, "/outputs/0/files/0/key").into_iter().chain(at(&errors, "/batch")) {
        assert!(error.to_string().contains("stars/payments/"), "the record is named: {error}");
    }
    anew().await;
    let catalog = Record::newest(&totesys, Bucket::Code, "catalog/").await;
    let errors = with_each_field_absurd(&catalog, &load, &anew).await;
    assert!(!at(&errors, "/number").is_empty());
    let status = async || Box::pin(totesys.pipeline.status()).await;
    with_each_field_absurd(&catalog, &status, &async || ()).await;
}

#[tokio::test]
async fn objects_larger_than_any_of_ours_are_not_read() {
    let local = LocalLake::start().await.unwrap();
    let folder = local.file_of(Bucket::Ingestion, "manifests");
    std::fs::create_dir_all(&folder).unwrap();
    // Sparse: it takes no room on the disk, and would in memory.
    File::create(folder.join("00000000000000000001.json")).unwrap().set_len(300 << 20).unwrap();
    let error = local.lake.newest_manifest().await.unwrap_err();
    assert!(matches!(&error, LakeError::TooLarge { key, .. } if key.starts_with("manifests/")), "{error:?}");
    assert!(error.hint().is_some());
    for bytes in [u64::MAX, 300 << 20] {
        let file = FileEntry {
            key: "data/x.parquet".to_owned(),
            table: "x".to_owned(),
            rows: 1,
            bytes,
            sha256: "0".repeat(64),
        };
        let error = local.lake.read_file(Bucket::Ingestion, &file).await.unwrap_err();
        assert!(matches!(&error, LakeError::TooLarge { key, .. } if *key == file.key), "{error:?}");
    }
}

#[tokio::test]
async fn keys_that_lead_elsewhere_are_refused() {
    let local = LocalLake::start().await.unwrap();
    std::fs::write(local.folder().join("outside"), "not an object").unwrap();
    for key in ["../../outside", "data/../../../outside", "/etc/passwd", "data//x", "data/%2e%2e/x", "data/\u{0}x", ""]
    {
        let file = FileEntry { key: key.to_owned(), table: String::new(), rows: 0, bytes: 13, sha256: "0".repeat(64) };
        let error = local.lake.read_file(Bucket::Ingestion, &file).await.unwrap_err();
        assert!(matches!(&error, LakeError::Key { key: named } if named == key), "{key}: {error:?}");
    }
}

fn column(name: &str, column_type: ColumnType) -> Column {
    Column { name: name.to_owned(), column_type, nullable: true, extras: Vec::new() }
}

#[tokio::test]
async fn a_file_that_is_not_what_its_record_says_is_named() {
    let local = LocalLake::start().await.unwrap();
    let columns = [column("a", ColumnType::Int32), column("b", ColumnType::Text)];
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("a", Arc::new(Int32Array::from(vec![1, 2])) as _, true),
        ("b", Arc::new(StringArray::from(vec!["x", "y"])) as _, true),
    ])
    .unwrap();
    let mut roller = ParquetRoller::new(&columns, PartSpec::default(), 1 << 20);
    assert!(roller.push(&rows).unwrap().is_none());
    let part = roller.finish().unwrap().unwrap();
    let file = local.lake.put_part(Bucket::Ingestion, "data/x/a.parquet".to_owned(), "x", part).await.unwrap();
    let read = async |file: &FileEntry, columns: &[Column]| {
        let rows = local.lake.read_rows(Bucket::Ingestion, file, columns, 1).await?;
        rows.map(|rows| rows.map(|rows| rows.num_rows())).sum::<Result<usize, _>>()
    };
    assert_eq!(read(&file, &columns).await.unwrap(), 2);
    let more_rows = FileEntry { rows: 3, ..file.clone() };
    let lines = local.lake.put_lines(Bucket::Ingestion, "data/x/lines".to_owned(), "x", "{}\n".into()).await.unwrap();
    for (file, columns, expected) in [
        (&more_rows, &columns[..], "a Parquet file holds 2 rows after 3 were written"),
        (&file, &[column("a", ColumnType::Int64)], "column `a` is Int32 instead of int64"),
        (&file, &[column("c", ColumnType::Text)], "column `c` is missing"),
        (&lines, &columns, "Parquet cannot be read"),
    ] {
        let error = read(file, columns).await.unwrap_err();
        assert_eq!(error.to_string(), format!("s3://totesys-ingestion/{}: {expected}", file.key));
        assert!(error.hint().is_some());
    }
}
