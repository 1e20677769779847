//! What the lake says of each batch: the record it was made under, and that it is wholly of the component it names.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use picky::{LENIENT, STRICT};
use star_contract::{Column, Description};
use totesys_lake::{BatchNumber, Bucket, FileEntry, Manifest, TableOutput, TransformationRecord};
use totesys_tests::{STARS, Totesys, picky};

use super::digest;

/// Rows read from a file at a time.
const ROWS: usize = 16 * 1024;

/// The states of a table's keys, one after the other, as the batches delivered them.
pub(super) type Versions = BTreeMap<i32, Vec<String>>;

/// What the batches were.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) batches: u64,
    /// Orders with a malformed date that batches delivered.
    pub(super) malformed: u64,
    /// Their keys.
    pub(super) malformed_keys: BTreeSet<i32>,
    /// The components that made batches of a star.
    pub(super) digests: BTreeMap<&'static str, BTreeSet<String>>,
    /// The component that made a batch of a star.
    pub(super) made_by: BTreeMap<(String, u64), String>,
    /// What each batch gave for `fact_order`: key, units and currency.
    pub(super) given: BTreeMap<u64, BTreeSet<[String; 3]>>,
    /// The orders as the picky star and as the sales star see them.
    pub(super) picky: Versions,
    pub(super) sales: Versions,
}

/// Looks at every batch of every star.
pub(super) async fn check(totesys: &Totesys) -> Seen {
    let lake = &totesys.lake;
    let newest = lake.newest_manifest().await.unwrap().unwrap().batch.0;
    let mut seen = Seen { batches: newest, ..Seen::default() };
    for star in STARS.iter().chain(&["picky"]) {
        let records = lake.list(Bucket::TransformationTimes, &format!("stars/{star}/"), None).await.unwrap();
        assert_eq!(records.len() as u64, newest, "{star}");
    }
    for number in 1..=newest {
        let manifest = lake.manifest(BatchNumber(number)).await.unwrap().unwrap();
        let catalog = lake.catalog(manifest.catalog).await.unwrap().unwrap();
        for star in STARS.iter().copied().chain(["picky"]) {
            let record = lake.transformation(star, BatchNumber(number)).await.unwrap();
            let record = record.unwrap_or_else(|| panic!("{star} has not made batch {number}"));
            assert_eq!(record.catalog, manifest.catalog, "{star}, batch {number}: a run has one catalog record");
            assert_eq!(record.digest, catalog.stars[star].digest, "{star}, batch {number}");
            for file in outputs(&record).flat_map(|output| &output.files) {
                let said = totesys.said_by_file(Bucket::TransformedData, file, "component").await;
                assert_eq!(said.as_deref(), Some(record.digest.as_str()), "{}", file.key);
            }
            seen.digests.entry(star).or_default().insert(record.digest.clone());
            seen.made_by.insert((star.to_owned(), number), record.digest.clone());
            let description = &catalog.stars[star].description;
            match star {
                "picky" => seen.look_at_picky(totesys, &manifest, description, &record).await,
                "sales" => {
                    for rows in delivered(totesys, &manifest, description).await {
                        let keys = rows.column_by_name("sales_order_id").unwrap().as_primitive::<Int32Type>().clone();
                        for row in 0..rows.num_rows() {
                            follow(&mut seen.sales, keys.value(row), format!("{:?}", rows.slice(row, 1)));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    seen
}

/// Everything a record lists, released rows included.
fn outputs(record: &TransformationRecord) -> impl Iterator<Item = &TableOutput> {
    record.outputs.iter().chain(record.released.iter().flat_map(|released| &released.outputs))
}

/// The orders of a batch, with the columns that a component described.
async fn delivered(totesys: &Totesys, manifest: &Manifest, description: &Description) -> Vec<RecordBatch> {
    let columns = &description.input("sales_order").unwrap().columns;
    read(totesys, Bucket::Ingestion, &manifest.tables["sales_order"].files, columns).await
}

async fn read(totesys: &Totesys, bucket: Bucket, files: &[FileEntry], columns: &[Column]) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for file in files {
        batches.extend(totesys.lake.read_rows(bucket, file, columns, ROWS).await.unwrap().map(Result::unwrap));
    }
    batches
}

/// Adds a state, if it is another than the last.
fn follow(versions: &mut Versions, key: i32, state: String) {
    let states = versions.entry(key).or_default();
    if states.last() != Some(&state) {
        states.push(state);
    }
}

impl Seen {
    /// A batch of which one build had made a part would have some of its malformed orders refused, and others not.
    async fn look_at_picky(
        &mut self,
        totesys: &Totesys,
        manifest: &Manifest,
        description: &Description,
        record: &TransformationRecord,
    ) {
        let (mut all, mut malformed) = (0, 0);
        for rows in delivered(totesys, manifest, description).await {
            let number = |name: &str| rows.column_by_name(name).unwrap().as_primitive::<Int32Type>().clone();
            let (keys, units, currencies) = (number("sales_order_id"), number("units_sold"), number("currency_id"));
            let dates = rows.column_by_name("agreed_delivery_date").unwrap().as_string::<i32>();
            for row in 0..rows.num_rows() {
                all += 1;
                if dates.value(row).starts_with("soon") {
                    malformed += 1;
                    self.malformed_keys.insert(keys.value(row));
                }
                follow(&mut self.picky, keys.value(row), format!("{} {}", units.value(row), currencies.value(row)));
            }
        }
        let refused = match &record.digest {
            strict if *strict == digest(&picky(STRICT)) => malformed,
            lenient if *lenient == digest(&picky(LENIENT)) => 0,
            other => panic!("batch {} was made by {other}", record.batch.0),
        };
        let facts = |output: &&TableOutput| output.table == "fact_order";
        let given: u64 = record.outputs.iter().filter(facts).map(|output| output.rows).sum();
        assert_eq!((record.refused, given), (refused, all - refused), "batch {}, {malformed} of {all}", record.batch.0);
        self.malformed += malformed;

        let columns = &description.output("fact_order").unwrap().columns;
        let of_batch = self.given.entry(record.batch.0).or_default();
        for output in outputs(record).filter(facts) {
            for rows in read(totesys, Bucket::TransformedData, &output.files, columns).await {
                let number = |at: usize| rows.column(at).as_primitive::<Int32Type>();
                let codes = rows.column(2).as_string::<i32>();
                let text = |row: usize| {
                    [number(0).value(row).to_string(), number(1).value(row).to_string(), codes.value(row).to_owned()]
                };
                of_batch.extend((0..codes.len()).map(text));
            }
        }
    }
}
