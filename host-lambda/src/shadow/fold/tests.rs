use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, StringArray};
use star_contract::Delivery;
use totesys_lake::{Attempt, Micros};

use super::*;

/// Files by their names, and which were read.
#[derive(Default)]
struct Memory {
    files: BTreeMap<String, RecordBatch>,
    read: RefCell<Vec<String>>,
}

impl KeyFiles for Memory {
    async fn keys(&self, file: &FileEntry, columns: &[Column]) -> Result<Vec<RecordBatch>, HostError> {
        self.read.borrow_mut().push(file.key.clone());
        let rows = &self.files[&file.key];
        let places: Vec<usize> = columns.iter().map(|column| rows.schema().index_of(&column.name).unwrap()).collect();
        let rows = rows.project(&places).unwrap();
        // As a file is read: in more than one batch.
        let half = rows.num_rows() / 2;
        Ok(vec![rows.slice(0, half), rows.slice(half, rows.num_rows() - half)])
    }
}

impl Memory {
    fn put(&mut self, name: &str, ids: &[i32]) -> FileEntry {
        let codes = StringArray::from_iter_values(ids.iter().map(|id| format!("code {id}")));
        let columns: [(&str, ArrayRef); 2] =
            [("code", Arc::new(codes)), ("id", Arc::new(Int32Array::from(ids.to_vec())))];
        self.files.insert(name.to_owned(), RecordBatch::try_from_iter(columns).unwrap());
        let rows = ids.len() as u64;
        FileEntry { key: name.to_owned(), table: "visit".to_owned(), rows, bytes: rows, sha256: String::new() }
    }

    fn fold(&self, manifests: &[Manifest], key: &[&str]) -> Result<Folded, HostError> {
        self.read.borrow_mut().clear();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(fold_files(self, manifests, &input(key)))
    }
}

fn input(key: &[&str]) -> Input {
    let column =
        |name: &str, column_type| Column { name: name.to_owned(), column_type, nullable: false, extras: vec![] };
    Input {
        table: "visit".to_owned(),
        columns: vec![column("id", ColumnType::Int32), column("code", ColumnType::Text)],
        key: key.iter().map(|&key| key.to_owned()).collect(),
        delivery: Delivery::Changes,
        extras: Vec::new(),
    }
}

fn entry(files: Vec<FileEntry>) -> TableEntry {
    TableEntry {
        delivery: Delivery::Changes,
        changed: true,
        from_batch: BatchNumber::FIRST,
        whole: false,
        rows: files.iter().map(|file| file.rows).sum(),
        columns: Vec::new(),
        files,
        refused: 0,
        keys: None,
        backfill: None,
    }
}

fn whole(files: Vec<FileEntry>) -> TableEntry {
    TableEntry { whole: true, ..entry(files) }
}

fn with_keys(keys: FileEntry, entry: TableEntry) -> TableEntry {
    TableEntry { keys: Some(KeySet { columns: Vec::new(), rows: keys.rows, files: vec![keys] }), ..entry }
}

fn unchanged(entry: TableEntry) -> TableEntry {
    TableEntry { changed: false, ..entry }
}

/// Batches up to `newest`, the newest first, as their entries stand.
fn manifests(newest: u64, entries: impl IntoIterator<Item = Option<TableEntry>>) -> Vec<Manifest> {
    let manifest = |(batch, entry): (u64, Option<TableEntry>)| Manifest {
        batch: BatchNumber(batch),
        lake_id: String::new(),
        attempt: Attempt::random().unwrap(),
        baseline: serde_json::Value::Null,
        taken_at: Micros(0),
        catalog: 1,
        previous: None,
        tables: entry.map(|entry| ("visit".to_owned(), entry)).into_iter().collect(),
        quarantine: Vec::new(),
        gaps: Vec::new(),
        unreadable: Vec::new(),
        replay: None,
    };
    (1..=newest).rev().zip(entries).map(manifest).collect()
}

/// The files in order, with the ids that count.
fn folded(memory: &Memory, folded: &Folded) -> Vec<(String, Vec<i32>)> {
    let counted = |fragment: &Fragment| {
        let ids = memory.files[&fragment.file.key].column(1).as_primitive::<arrow_array::types::Int32Type>();
        let counts = |row: usize| fragment.rows.as_ref().is_none_or(|rows| rows.value(row));
        let ids: Vec<i32> = (0..ids.len()).filter(|row| counts(*row)).map(|row| ids.value(row)).collect();
        (fragment.file.key.clone(), ids)
    };
    let fragments: Vec<_> = folded.fragments.iter().map(counted).collect();
    assert_eq!(folded.rows, fragments.iter().map(|(_, ids)| ids.len() as u64).sum::<u64>());
    fragments
}

/// By every kind of key the same must come out.
fn expect(memory: &Memory, manifests: &[Manifest], expected: &[(&str, &[i32])]) {
    let expected: Vec<_> = expected.iter().map(|(name, ids)| ((*name).to_owned(), ids.to_vec())).collect();
    for key in [&["id"][..], &["code"], &["code", "id"]] {
        assert_eq!(folded(memory, &memory.fold(manifests, key).unwrap()), expected, "{key:?}");
    }
}

#[test]
fn the_newest_row_of_each_key_counts_and_the_oldest_batch_is_pushed_first() {
    let mut memory = Memory::default();
    let (a, b) = (memory.put("1-a", &[1, 2, 3]), memory.put("1-b", &[4, 5]));
    let (c, d) = (memory.put("2", &[2, 6]), memory.put("4", &[6, 4, 5, 7]));
    let ignored = memory.put("0", &[99]);
    let batches = [Some(entry(vec![d])), Some(unchanged(entry(vec![]))), Some(entry(vec![c])), Some(whole(vec![a, b]))];
    let mut manifests = manifests(4, batches);
    expect(&memory, &manifests, &[("1-a", &[1, 3]), ("2", &[2]), ("4", &[6, 4, 5, 7])]);
    assert_eq!(memory.fold(&manifests, &["id"]).unwrap().fragments[2].rows, None);
    // Nothing before a whole table counts.
    for (manifest, batch) in manifests.iter_mut().zip([9, 8, 7, 6]) {
        manifest.batch = BatchNumber(batch);
    }
    let mut older = manifests[0].clone();
    (older.batch, older.tables) = (BatchNumber(5), [("visit".to_owned(), whole(vec![ignored]))].into());
    manifests.push(older);
    expect(&memory, &manifests, &[("1-a", &[1, 3]), ("2", &[2]), ("4", &[6, 4, 5, 7])]);
}

#[test]
fn rows_whose_key_is_gone_do_not_count() {
    let mut memory = Memory::default();
    let (first, second) = (memory.put("1", &[1, 2, 3, 4]), memory.put("2", &[2, 5, 6]));
    let (third, third_keys) = (memory.put("3", &[7]), memory.put("3-keys", &[1, 2, 5, 7, 8]));
    let fourth = memory.put("4", &[3, 7]);
    // 3 came back after batch 3, with a newer row; 8 lives but was never read.
    let batches = [
        Some(entry(vec![fourth.clone()])),
        Some(with_keys(third_keys.clone(), entry(vec![third.clone()]))),
        Some(entry(vec![second.clone()])),
        Some(whole(vec![first.clone()])),
    ];
    expect(&memory, &manifests(4, batches), &[("1", &[1]), ("2", &[2, 5]), ("4", &[3, 7])]);

    // The newer of two sets knows more: 1 came back, which the rows say as well, and 5 went.
    let fourth = memory.put("4", &[1, 3]);
    let newer = with_keys(memory.put("4-keys", &[1, 2, 3, 7]), entry(vec![fourth]));
    let older = with_keys(memory.put("3-fewer", &[2, 5, 7]), entry(vec![third]));
    let batches = [Some(newer), Some(older), Some(entry(vec![second])), Some(whole(vec![first]))];
    expect(&memory, &manifests(4, batches), &[("2", &[2]), ("3", &[7]), ("4", &[1, 3])]);

    // A table that is empty by now.
    let all = memory.put("all", &[1, 2]);
    let none =
        TableEntry { keys: Some(KeySet { columns: Vec::new(), rows: 0, files: Vec::new() }), ..entry(Vec::new()) };
    expect(&memory, &manifests(2, [Some(none), Some(whole(vec![all]))]), &[]);
}

#[test]
fn of_a_table_that_is_whole_no_key_is_read() {
    let mut memory = Memory::default();
    let files = vec![memory.put("3-a", &[1, 2]), memory.put("3-b", &[3])];
    // As a snapshot stands that did not change since, with the keys of its own batch.
    let snapshot =
        TableEntry { delivery: Delivery::Snapshot, ..with_keys(memory.put("keys", &[1, 2, 3]), whole(files)) };
    let newest = Some(unchanged(TableEntry { keys: None, ..snapshot.clone() }));
    for batches in [vec![newest], vec![Some(snapshot.clone())], vec![Some(unchanged(entry(vec![]))), Some(snapshot)]] {
        let folded = memory.fold(&manifests(9, batches), &["id"]).unwrap();
        assert_eq!((folded.rows, folded.fragments.len()), (3, 2));
        assert!(folded.fragments.iter().all(|fragment| fragment.rows.is_none()));
        assert!(memory.read.borrow().is_empty());
    }
}

#[test]
fn a_list_that_does_not_reach_far_enough_is_an_error() {
    let mut memory = Memory::default();
    let (file, whole_file) = (memory.put("2", &[1]), memory.put("1", &[1, 2]));
    let changes = || Some(entry(vec![file.clone()]));
    let missing = |manifests: &[Manifest]| match memory.fold(manifests, &["id"]) {
        Err(HostError::NoManifest { batch }) => batch,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(&manifests(9, [changes(), changes()])), 7);
    let mut gap = manifests(3, [changes(), changes(), Some(whole(vec![whole_file]))]);
    gap.remove(1);
    assert_eq!(missing(&gap), 2);
    assert!(matches!(memory.fold(&[], &["id"]), Err(HostError::NothingLoaded)));
    let lacking = memory.fold(&manifests(9, [changes(), None]), &["id"]);
    assert!(matches!(lacking, Err(HostError::UnknownTable { table, .. }) if table == "visit"));
    // The first batch is all there is.
    assert_eq!(memory.fold(&manifests(1, [changes()]), &["id"]).unwrap().rows, 1);
}

#[test]
fn a_million_keys_fold() {
    let mut memory = Memory::default();
    // Making the rows takes longer than folding them, and much longer unoptimised.
    let keys = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let all: Vec<i32> = (0..keys).collect();
    let some: Vec<i32> = all.iter().copied().filter(|id| id % 10 == 0).collect();
    let (first, second) = (memory.put("1", &all), memory.put("2", &some));
    let batches = [
        Some(with_keys(memory.put("3-keys", &all[1..]), entry(vec![]))),
        Some(entry(vec![second])),
        Some(whole(vec![first])),
    ];
    let folded = memory.fold(&manifests(3, batches), &["id"]).unwrap();
    assert_eq!((folded.rows, folded.fragments.len()), (all.len() as u64 - 1, 2));
}
