use std::collections::BTreeMap;

use bytes::Bytes;
use star_contract::{Column, ColumnType, Delivery, Description, Input, Output, Role};
use totesys_lake::{
    ArtefactEntry, Attempt, BatchNumber, Bucket, CatalogRecord, CheckRecord, Committed, ExtractionRecord, FileEntry,
    Generation, Lake, LakeError, LoadRecord, LoadedTable, Manifest, Micros, OpenRows, OpenRun, PreviousManifest,
    Released, Replay, SourceIdentity, StarEntry, Stored, TableCounts, TableEntry, TableOutput, TransformationRecord,
    Used, keys,
};
use totesys_tests::{LocalLake, resealed};

const TAKEN_AT: Micros = Micros(1_724_313_600_123_000);

fn column() -> Column {
    Column { name: "id".to_owned(), column_type: ColumnType::Int64, nullable: false, extras: Vec::new() }
}

fn file(key: String, table: &str) -> FileEntry {
    FileEntry { key, table: table.to_owned(), rows: u64::MAX / 2, bytes: 10, sha256: "0".repeat(64) }
}

fn manifest(batch: u64, previous: Option<&Stored<Manifest>>) -> Manifest {
    let attempt = Attempt::random().unwrap();
    let batch = BatchNumber(batch);
    let entry = TableEntry {
        delivery: Delivery::Changes,
        changed: true,
        from_batch: batch,
        whole: batch == BatchNumber::FIRST,
        rows: u64::MAX / 2,
        columns: vec![column()],
        files: vec![file(keys::ingested("sales_order", batch, &attempt, 0), "sales_order")],
        refused: 0,
        keys: None,
        backfill: None,
    };
    Manifest {
        batch,
        lake_id: "lake-a".to_owned(),
        attempt,
        baseline: serde_json::json!({"xmin": "18446744073709551615"}),
        taken_at: TAKEN_AT,
        catalog: 1,
        previous: previous.map(|stored| PreviousManifest { batch: stored.batch, sha256: stored.sha256().to_owned() }),
        tables: BTreeMap::from([("sales_order".to_owned(), entry)]),
        quarantine: Vec::new(),
        gaps: Vec::new(),
        unreadable: vec![open_rows(keys::quarantine("extract", batch, "w", 0), "sales_order", batch)],
        replay: Some(Replay { star: Some("sales".to_owned()) }),
    }
}

fn open_rows(key: String, table: &str, batch: BatchNumber) -> OpenRows {
    let run = OpenRun { first: 2, last: u32::MAX, code: "bad-date".to_owned(), overtaken: true };
    let (table, file) = (table.to_owned(), file(key, table));
    OpenRows { batch, observed_at: TAKEN_AT, table, from: u64::MAX, file, runs: vec![run] }
}

async fn committed(lake: &Lake, batch: u64) -> Stored<Manifest> {
    let previous = lake.newest_manifest().await.unwrap();
    let manifest = manifest(batch, previous.as_ref());
    assert_eq!(lake.commit_manifest(&manifest).await.unwrap(), Committed::Ours);
    let stored = lake.newest_manifest().await.unwrap().unwrap();
    assert_eq!(*stored, manifest);
    stored
}

#[tokio::test]
async fn the_newest_of_many_batches_is_found() {
    let local = LocalLake::start().await.unwrap();
    assert_eq!(local.lake.newest_manifest().await.unwrap(), None);
    // Across a change in the number of digits.
    for batch in 1..=12 {
        committed(&local.lake, batch).await;
    }
    assert_eq!(local.lake.manifest(BatchNumber(9)).await.unwrap().unwrap().batch, BatchNumber(9));
    assert_eq!(local.lake.manifest(BatchNumber(13)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_attempts_one_makes_the_batch_and_each_learns_whose_it_is() {
    let local = LocalLake::start().await.unwrap();
    let candidates: Vec<_> = (0..16).map(|_| manifest(1, None)).collect();
    let commits = candidates.iter().map(|candidate| local.lake.commit_manifest(candidate));
    let outcomes = futures_util::future::join_all(commits).await;
    let stored = local.lake.newest_manifest().await.unwrap().unwrap();
    for (candidate, outcome) in candidates.iter().zip(outcomes) {
        match outcome.unwrap() {
            Committed::Ours => assert_eq!(candidate.attempt, stored.attempt),
            Committed::Theirs(theirs) => {
                assert_ne!(candidate.attempt, stored.attempt);
                assert_eq!(*theirs, stored);
            }
        }
    }
    // An answer that got lost: the same attempt commits again.
    assert_eq!(local.lake.commit_manifest(&stored).await.unwrap(), Committed::Ours);
}

#[tokio::test]
async fn a_manifest_that_contradicts_itself_or_the_one_before_is_not_written() {
    let local = LocalLake::start().await.unwrap();
    let first = committed(&local.lake, 1).await;
    let good = manifest(2, Some(&first));

    let mut wrong_digest = good.clone();
    wrong_digest.previous.as_mut().unwrap().sha256 = "0".repeat(64);
    let mut gap = good.clone();
    gap.batch = BatchNumber(3);
    let mut no_previous = good.clone();
    no_previous.previous = None;
    let mut foreign_file = good.clone();
    foreign_file.tables.get_mut("sales_order").unwrap().files[0].key = "data/staff/batch=x/y.parquet".to_owned();
    let mut rows = good.clone();
    rows.tables.get_mut("sales_order").unwrap().rows = 5;
    let mut old_changes = good.clone();
    old_changes.tables.get_mut("sales_order").unwrap().from_batch = BatchNumber(1);
    for (name, wrong) in [
        ("digest", wrong_digest),
        ("gap", gap),
        ("no previous", no_previous),
        ("file", foreign_file),
        ("rows", rows),
        ("old changes", old_changes),
    ] {
        let error = local.lake.commit_manifest(&wrong).await.unwrap_err();
        assert!(matches!(error, LakeError::Inconsistent { .. }), "{name}: {error:?}");
    }
    assert_eq!(local.lake.newest_manifest().await.unwrap().unwrap().batch, BatchNumber(1));

    // A snapshot that did not change points at the files of an earlier batch.
    let mut unchanged = good.clone();
    let entry = unchanged.tables.get_mut("sales_order").unwrap();
    (entry.delivery, entry.changed, entry.from_batch) = (Delivery::Snapshot, false, BatchNumber(1));
    entry.files = first.tables["sales_order"].files.clone();
    assert_eq!(local.lake.commit_manifest(&unchanged).await.unwrap(), Committed::Ours);
}

#[tokio::test]
async fn records_that_something_else_wrote_are_refused() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    committed(lake, 1).await;
    let key = format!("manifests/{}.json", BatchNumber(1).inverted_key());
    let path = local.file_of(Bucket::Ingestion, &key);
    let good = std::fs::read_to_string(&path).unwrap();
    assert!(good.starts_with("{\"format\":1,\"sha256\":\""), "{good}");
    assert!(good.contains("\",\"batch\":\"1\","), "{good}");
    assert!(good.contains(&format!("\"rows\":\"{}\"", u64::MAX / 2)), "{good}");

    std::fs::write(&path, good.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
    let error = lake.newest_manifest().await.unwrap_err();
    assert!(matches!(error, LakeError::UnknownFormat { found: 2, known: 1, .. }), "{error:?}");
    assert!(error.hint().is_some() && error.to_string().contains(&key));

    for broken in ["", "[]", "{\"format\":1}", &good[..good.len() / 2]] {
        std::fs::write(&path, broken).unwrap();
        let error = lake.newest_manifest().await.unwrap_err();
        assert!(matches!(error, LakeError::Unreadable { .. }), "{error:?}");
    }

    let moved = good.replacen("\"batch\":\"1\"", "\"batch\":\"2\"", 1);
    for (changed, problem) in
        [(moved.clone().into_bytes(), "is not as it was written"), (resealed(&moved), "lies under")]
    {
        std::fs::write(&path, changed).unwrap();
        let error = lake.newest_manifest().await.unwrap_err();
        assert!(matches!(error, LakeError::Inconsistent { .. }) && error.to_string().contains(problem), "{error:?}");
    }

    std::fs::write(&path, good).unwrap();
    let mut settings = local.settings();
    settings.lake_id = Some("lake-b".to_owned());
    let other = Lake::open(settings).await.unwrap();
    let error = other.newest_manifest().await.unwrap_err();
    assert!(
        matches!(&error, LakeError::OtherLake { expected, found, .. } if expected == "lake-b" && found == "lake-a")
    );
}

#[tokio::test]
async fn a_lake_gets_one_identity_and_keeps_it() {
    let local = LocalLake::start().await.unwrap();
    let source =
        |name: &str| SourceIdentity { system_identifier: "7123456789012345678".to_owned(), database: name.to_owned() };
    assert_eq!(local.lake.identity().await.unwrap(), None);
    let other = Lake::open(local.settings()).await.unwrap();
    let (one, two) = tokio::join!(local.lake.establish_identity(source("a")), other.establish_identity(source("b")));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    assert_eq!(one.lake_id.len(), 32);
    assert_eq!(local.lake.identity().await.unwrap(), Some(one.clone()));

    // From now on this opener refuses another lake's manifests.
    assert!(matches!(local.lake.commit_manifest(&manifest(1, None)).await, Err(LakeError::OtherLake { .. })));
    let mut settings = local.settings();
    settings.lake_id = Some("another".to_owned());
    let mixed = Lake::open(settings).await.unwrap();
    assert!(matches!(mixed.identity().await, Err(LakeError::OtherLake { .. })));
}

#[tokio::test]
async fn the_ledger_finds_the_newest_of_each_stage_and_star() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    assert_eq!(lake.newest_extraction().await.unwrap(), None);
    assert_eq!(lake.newest_check().await.unwrap(), None);
    assert_eq!(lake.newest_load("sales").await.unwrap(), None);

    let counts = TableCounts { rows: u64::MAX, bytes: 1, refused: 2 };
    for number in [9, 10, 11] {
        let batch = BatchNumber(number);
        let extraction = ExtractionRecord {
            batch,
            attempt: Attempt::random().unwrap(),
            started_at: TAKEN_AT,
            finished_at: Micros(TAKEN_AT.0 + 1),
            rows: u64::MAX,
            bytes: 1,
            refused: 2,
            tables: BTreeMap::from([("staff".to_owned(), counts)]),
        };
        assert_eq!(lake.commit_extraction(&extraction).await.unwrap(), Committed::Ours);
        assert_eq!(*lake.newest_extraction().await.unwrap().unwrap(), extraction);

        let check = CheckRecord {
            settled: true,
            attempt: Attempt::random().unwrap(),
            taken_at: Micros(TAKEN_AT.0 + number as i64),
            after: Some(batch),
            xmax: u64::MAX,
            duration_micros: 5,
            drift: vec!["table-added new".to_owned()],
        };
        assert_eq!(lake.commit_check(&check).await.unwrap(), Committed::Ours);
        assert_eq!(*lake.newest_check().await.unwrap().unwrap(), check);

        for star in ["sales", "sales-2"] {
            let transformation = transformation(star, batch);
            assert_eq!(lake.commit_transformation(&transformation).await.unwrap(), Committed::Ours);
            assert_eq!(*lake.newest_transformation(star).await.unwrap().unwrap(), transformation);
            let load = LoadRecord {
                batch,
                star: star.to_owned(),
                attempt: Attempt::random().unwrap(),
                taken_at: TAKEN_AT,
                finished_at: TAKEN_AT,
                tables: BTreeMap::from([(
                    "fact_sales_order".to_owned(),
                    LoadedTable { appended: 3, first_id: Some(1), last_id: Some(3), ..LoadedTable::default() },
                )]),
            };
            assert_eq!(lake.commit_load(&load).await.unwrap(), Committed::Ours);
            assert_eq!(*lake.newest_load(star).await.unwrap().unwrap(), load);
        }
    }
    // An older one that comes late is not the newest.
    lake.commit_transformation(&transformation("sales", BatchNumber(8))).await.unwrap();
    assert_eq!(lake.newest_transformation("sales").await.unwrap().unwrap().batch, BatchNumber(11));
    let stored = lake.transformation("sales", BatchNumber(9)).await.unwrap().unwrap();
    let Committed::Theirs(theirs) = lake.commit_transformation(&transformation("sales", BatchNumber(9))).await.unwrap()
    else {
        panic!("a second attempt took a record over")
    };
    assert_eq!(*theirs, stored);
}

fn transformation(star: &str, batch: BatchNumber) -> TransformationRecord {
    let digest = "ab".repeat(32);
    let key = keys::transformed("fact_sales_order", TAKEN_AT, batch, star, (&digest, 0), 0).unwrap();
    let observed = (BatchNumber(batch.0 - 1), true);
    let released = keys::released("fact_sales_order", TAKEN_AT, batch, star, (&digest, 0), observed, 0).unwrap();
    TransformationRecord {
        batch,
        star: star.to_owned(),
        attempt: Attempt::random().unwrap(),
        generation: 0,
        digest: digest.clone(),
        version: "0.1.0".to_owned(),
        contract_version: "0.1.0".to_owned(),
        catalog: 1,
        outputs: vec![TableOutput {
            table: "fact_sales_order".to_owned(),
            role: Role::Fact,
            rows: u64::MAX / 2,
            files: vec![file(key, "fact_sales_order")],
        }],
        refused: 1,
        refused_by_code: BTreeMap::from([("bad-date".to_owned(), 1)]),
        quarantine: vec![file(keys::quarantine(star, batch, &digest[..16], 0), star)],
        open: vec![open_rows(keys::refused(star, batch, "w", "sales_order", 0), "sales_order", batch)],
        released: vec![Released {
            observed_batch: BatchNumber(batch.0 - 1),
            observed_at: TAKEN_AT,
            overtaken: true,
            outputs: vec![TableOutput {
                table: "fact_sales_order".to_owned(),
                role: Role::Fact,
                rows: u64::MAX / 2,
                files: vec![file(released, "fact_sales_order")],
            }],
        }],
        released_rows: u64::MAX,
        offered_under: Some(digest.clone()),
        limits: BTreeMap::from([("fuel".to_owned(), u64::MAX)]),
        used: Some(Used { milliseconds: 1, memory_bytes: u64::MAX, fuel: None }),
        started_at: TAKEN_AT,
        finished_at: TAKEN_AT,
    }
}

#[test]
fn records_of_an_older_version_have_nothing_open() {
    let older = |mut json: serde_json::Value, added: &[&str]| {
        for field in added {
            json.as_object_mut().unwrap().remove(*field).unwrap();
        }
        json
    };
    let record = transformation("sales", BatchNumber(2));
    let added = ["open", "released", "released_rows", "offered_under"];
    let json = older(serde_json::to_value(&record).unwrap(), &added);
    let read: TransformationRecord = serde_json::from_value(json).unwrap();
    assert_eq!((read.open_rows(), read.released.len(), read.released_rows), (0, 0, 0));
    assert_eq!((read.offered_under.as_ref(), &read.outputs), (None, &record.outputs));
    let json = older(serde_json::to_value(manifest(1, None)).unwrap(), &["unreadable", "replay"]);
    let read: Manifest = serde_json::from_value(json).unwrap();
    assert_eq!((read.unreadable.len(), read.replay), (0, None));
}

#[tokio::test]
async fn open_rows_that_cannot_be_are_not_written() {
    let local = LocalLake::start().await.unwrap();
    let record = || transformation("sales", BatchNumber(2));
    let mut later = record();
    later.open[0].batch = BatchNumber(3);
    let mut elsewhere = record();
    elsewhere.open[0].file.key = keys::transformed("x", TAKEN_AT, BatchNumber(2), "sales", ("ab", 0), 0).unwrap();
    let mut backwards = record();
    backwards.open[0].runs[0].last = 1;
    let mut too_early = record();
    too_early.released[0].observed_batch = BatchNumber(2);
    for wrong in [later, elsewhere, backwards, too_early] {
        let outcome = local.lake.commit_transformation(&wrong).await;
        assert!(matches!(outcome, Err(LakeError::Inconsistent { .. })), "{outcome:?}");
    }
}

fn catalog(number: u64, previous: Option<&Stored<CatalogRecord>>) -> CatalogRecord {
    let digest = "cd".repeat(32);
    let description = Description {
        star: "sales".to_owned(),
        version: "0.1.0".to_owned(),
        inputs: vec![Input {
            table: "currency".to_owned(),
            columns: vec![column()],
            key: vec!["id".to_owned()],
            delivery: Delivery::Snapshot,
            extras: vec![("a".to_owned(), "b".to_owned())],
        }],
        outputs: vec![Output {
            table: "dim_currency".to_owned(),
            role: Role::Dimension,
            columns: vec![column()],
            business_key: vec!["id".to_owned()],
            surrogate_key: None,
            references: Vec::new(),
            keyed_by: None,
            extras: Vec::new(),
        }],
        extras: Vec::new(),
    };
    let artefact = ArtefactEntry {
        key: format!("artefacts/{digest}/target.cwasm"),
        sha256: "0".repeat(64),
        bytes: 5,
        signature: "00".repeat(64),
        public_key: "test".to_owned(),
    };
    CatalogRecord {
        number,
        attempt: Attempt::random().unwrap(),
        previous: previous.map(|stored| stored.sha256().to_owned()),
        published_at: TAKEN_AT,
        note: "a \"note\"".to_owned(),
        stars: BTreeMap::from([(
            "sales".to_owned(),
            StarEntry {
                digest,
                contract_version: "0.1.0".to_owned(),
                version: "0.1.0".to_owned(),
                description,
                artefacts: BTreeMap::from([("target".to_owned(), artefact)]),
            },
        )]),
        owners: BTreeMap::from([("dim_currency".to_owned(), "sales".to_owned())]),
        generations: BTreeMap::from([("sales".to_owned(), vec![Generation { number: 1, from: BatchNumber(2) }])]),
    }
}

#[tokio::test]
async fn the_catalog_grows_by_one_record_after_the_other() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    assert_eq!(lake.newest_catalog().await.unwrap(), None);
    let mut newest = None;
    for number in 1..=3 {
        let record = catalog(number, newest.as_ref());
        assert_eq!(lake.commit_catalog(&record).await.unwrap(), Committed::Ours);
        newest = lake.newest_catalog().await.unwrap();
        assert_eq!(**newest.as_ref().unwrap(), record);
    }
    assert_eq!(lake.catalog(2).await.unwrap().unwrap().number, 2);
    assert_eq!(lake.catalog(4).await.unwrap(), None);

    let rival = catalog(3, lake.catalog(2).await.unwrap().as_ref());
    assert!(matches!(lake.commit_catalog(&rival).await.unwrap(), Committed::Theirs(_)));
    let gap = catalog(5, newest.as_ref());
    assert!(matches!(lake.commit_catalog(&gap).await, Err(LakeError::Inconsistent { .. })));
    let mut orphan = catalog(4, newest.as_ref());
    orphan.owners.insert("dim_date".to_owned(), "nobody".to_owned());
    assert!(matches!(lake.commit_catalog(&orphan).await, Err(LakeError::Inconsistent { .. })));
}

#[tokio::test]
async fn a_foreign_object_among_records_is_an_error_and_not_skipped() {
    let local = LocalLake::start().await.unwrap();
    local.lake.put_new(Bucket::Ingestion, "manifests/0-readme", Bytes::from_static(b"hi"), "text/plain").await.unwrap();
    assert!(matches!(local.lake.newest_manifest().await, Err(LakeError::Unreadable { .. })));
}
