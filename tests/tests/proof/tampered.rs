//! Artefacts, signatures and records that were tampered with: refused before they run, each with an error of its own.
//! The star waits, and no other does.

pub(crate) mod by_hand;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use host_lambda::{HostError, RunReport};
use picky::STRICT;
use totesys_lake::{ArtefactEntry, Bucket, CatalogRecord, LakeError, StarEntry};
use totesys_publisher::compile_for;
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, Limits, Metering, PublisherKey, SandboxError, Target};
use totesys_tests::{Data, STARS, Totesys, picky, publisher, resealed};

/// The star that is tampered with, and another one.
const VICTIM: &str = "picky";
const OTHER: &str = "sales";

/// What is tampered with.
enum Tampered {
    /// The victim's entry in the catalog: whoever may write to the bucket can append a record.
    Entry(fn(&Ground<'_>, &mut StarEntry)),
    /// The stored artefact.
    Artefact(fn(&mut Vec<u8>)),
    /// The artefact is gone.
    Gone,
}

/// What it must end in.
enum Ends {
    Unverified,
    NotCompiled,
    Malformed(&'static str),
    Damaged(fn(&LakeError) -> bool),
    Unfit,
}

use Ends::{Damaged, Malformed, NotCompiled, Unfit, Unverified};
use Tampered::{Artefact, Entry, Gone};

const CASES: &[(&str, Tampered, Ends)] = &[
    ("a byte of the artefact", Artefact(flip), Damaged(|error| matches!(error, LakeError::FileDigest { .. }))),
    ("half of the artefact", Artefact(halve), Damaged(|error| matches!(error, LakeError::FileLength { .. }))),
    ("no bytes", Artefact(Vec::clear), Damaged(|error| matches!(error, LakeError::FileLength { .. }))),
    ("no artefact", Gone, Damaged(|error| matches!(error, LakeError::FileMissing { .. }))),
    (
        "a key that is in the bucket under no name",
        Entry(|_, entry| artefact(entry).key = format!("artefacts/{}/nowhere.cwasm", entry.digest)),
        Damaged(|error| matches!(error, LakeError::FileMissing { .. })),
    ),
    (
        "another length",
        Entry(|_, entry| artefact(entry).bytes += 1),
        Damaged(|error| matches!(error, LakeError::FileLength { .. })),
    ),
    // The record fits the bytes: only the signature does not.
    (
        "an altered artefact under a record that fits it",
        Entry(|ground, entry| ground.put(entry, "altered")),
        Unverified,
    ),
    (
        "the signature of another star",
        Entry(|ground, entry| artefact(entry).signature = ground.of_other().signature.clone()),
        Unverified,
    ),
    ("another star's artefact with its signature", Entry(|ground, entry| ground.put(entry, "other")), Unverified),
    ("the signature of a stranger", Entry(|ground, entry| ground.put(entry, "stranger")), Unverified),
    (
        "a signature that was altered",
        Entry(|_, entry| {
            let signature = &mut artefact(entry).signature;
            let first = if signature.starts_with('0') { "1" } else { "0" };
            signature.replace_range(..1, first);
        }),
        Unverified,
    ),
    ("a signature of zeros", Entry(|_, entry| artefact(entry).signature = "00".repeat(64)), Unverified),
    ("the signature of another version", Entry(|_, entry| entry.version = "9.9.9".to_owned()), Unverified),
    (
        "a component that is nowhere",
        Entry(|ground, entry| {
            entry.digest = NOWHERE.to_owned();
            ground.put(entry, "nowhere");
        }),
        Unverified,
    ),
    // Nothing that could run here.
    ("no artefact in the record", Entry(|_, entry| entry.artefacts.clear()), NotCompiled),
    ("another wasmtime", Entry(|_, entry| rename(entry, "wasmtime-", "wasmtime-0")), NotCompiled),
    (
        "another processor",
        Entry(|_, entry| rename(entry, Target::here().triple(), "riscv64gc-unknown-linux-gnu")),
        NotCompiled,
    ),
    ("another level of the processor", Entry(|_, entry| rename(entry, "baseline", "v4")), NotCompiled),
    (
        "another metering",
        Entry(|_, entry| rename(entry, EngineKey::current().as_str(), EngineKey::here(Metering::Fuel).as_str())),
        NotCompiled,
    ),
    // Signed by a publisher that is trusted and wrong: the engine looks as well.
    (
        "code of another engine that is signed as of this one",
        Entry(|ground, entry| ground.put(entry, "metered")),
        Unfit,
    ),
    ("signed bytes that are no code", Entry(|ground, entry| ground.put(entry, "nonsense")), Unfit),
    // Digests and signatures that are none.
    (
        "no digest of a component",
        Entry(|_, entry| {
            entry.digest = "nonsense".to_owned();
            entry.artefacts.values_mut().for_each(|artefact| artefact.key = "artefacts/nonsense/a.cwasm".to_owned());
        }),
        Malformed("component digest"),
    ),
    ("no digest of an artefact", Entry(|_, entry| artefact(entry).sha256.truncate(63)), Malformed("artefact digest")),
    ("no signature", Entry(|_, entry| artefact(entry).signature.clear()), Malformed("signature")),
];

/// The digest of no component.
const NOWHERE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[allow(clippy::ptr_arg, reason = "as all of them are called")]
fn flip(bytes: &mut Vec<u8>) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

fn halve(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 2);
}

/// The artefact for this engine.
fn artefact(entry: &mut StarEntry) -> &mut ArtefactEntry {
    entry.artefacts.get_mut(EngineKey::current().as_str()).unwrap()
}

/// Lists the artefact under a key in which this stands instead of that.
fn rename(entry: &mut StarEntry, that: &str, this: &str) {
    let (key, artefact) = entry.artefacts.pop_first().unwrap();
    assert!(key.contains(that), "{key}");
    entry.artefacts.insert(key.replace(that, this), artefact);
}

/// A pipeline with its good record, and artefacts to be put in the place of the victim's.
struct Ground<'a> {
    totesys: &'a Totesys,
    good: CatalogRecord,
    artefacts: BTreeMap<&'static str, ArtefactEntry>,
}

impl<'a> Ground<'a> {
    async fn new(totesys: &'a Totesys) -> Self {
        let good = totesys.publish(&[picky(STRICT)], "picky").await.record;
        let (victim, other) = (&good.stars[VICTIM], &good.stars[OTHER]);
        let engine = EngineKey::current();
        let [code, of_other] =
            [victim, other].map(|entry| totesys.lake.get_artefact(&entry.artefacts[engine.as_str()]));
        let (code, of_other) = (code.await.unwrap().to_vec(), of_other.await.unwrap().to_vec());
        let mut altered = code.clone();
        flip(&mut altered);
        let metered = compile_for(&picky(STRICT), Target::here(), Metering::Nothing).unwrap().bytes;
        let stranger = PublisherKey::from_pkcs8(&PublisherKey::generate().unwrap()).unwrap();
        let (ours, _) = publisher();
        let mut artefacts = BTreeMap::new();
        for (name, bytes, key) in [
            ("altered", &altered, None),
            ("other", &of_other, None),
            ("nowhere", &code, None),
            ("stranger", &code, Some(&stranger)),
            ("metered", &metered, Some(ours)),
            ("nonsense", &b"no machine code at all".to_vec(), Some(ours)),
        ] {
            let component = if name == "nowhere" { NOWHERE } else { &victim.digest };
            let stored = totesys.lake.put_artefact(component, name, Bytes::copy_from_slice(bytes)).await.unwrap();
            let claim = ArtifactClaim {
                component: Digest::from_hex(&victim.digest).unwrap(),
                star: VICTIM.to_owned(),
                version: victim.version.clone(),
                engine: engine.clone(),
                artifact: Digest::of(bytes),
            };
            // Without a key there is only the signature of something else.
            let (_, mut entry) = by_hand::signed(key.unwrap_or(ours), &claim, stored, bytes);
            if key.is_none() {
                let of = if name == "other" { other } else { victim };
                entry.signature.clone_from(&of.artefacts[engine.as_str()].signature);
            }
            artefacts.insert(name, entry);
        }
        Self { totesys, good, artefacts }
    }

    fn put(&self, entry: &mut StarEntry, name: &str) {
        *artefact(entry) = self.artefacts[name].clone();
    }

    fn of_other(&self) -> &ArtefactEntry {
        &self.good.stars[OTHER].artefacts[EngineKey::current().as_str()]
    }

    /// Something for every star to do.
    async fn change(&self) {
        let changes = "UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id IN (5, 6)";
        self.totesys.source.execute(changes).await;
    }

    /// A run in a process that has loaded nothing before.
    async fn fresh_run(&self) -> RunReport {
        let fresh = self.totesys.pipeline_within(Limits::default());
        Box::pin(fresh.run()).await.unwrap_or_else(|error| panic!("the run failed: {error:?}"))
    }

    async fn put_good_back(&self) {
        by_hand::append(&self.totesys.lake, |record| {
            record.stars.insert(VICTIM.to_owned(), self.good.stars[VICTIM].clone());
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_tampered_with_is_refused_for_its_star_alone_and_the_next_good_record_catches_up() {
    let totesys = Totesys::start(Data::Sample).await;
    let ground = Ground::new(&totesys).await;
    totesys.run().await;
    let good = &ground.good.stars[VICTIM];
    let file = totesys.file_of(Bucket::Code, &good.artefacts[EngineKey::current().as_str()].key);
    let whole = std::fs::read(&file).unwrap();
    for (batch, (name, tampered, ends)) in (2..).zip(CASES) {
        match tampered {
            Entry(tamper) => {
                let change = |record: &mut CatalogRecord| tamper(&ground, record.stars.get_mut(VICTIM).unwrap());
                by_hand::append(&totesys.lake, change).await;
            }
            Artefact(tamper) => {
                let mut bytes = whole.clone();
                tamper(&mut bytes);
                std::fs::write(&file, bytes).unwrap();
            }
            Gone => std::fs::remove_file(&file).unwrap(),
        }
        ground.change().await;
        let report = ground.fresh_run().await;
        let [failure] = report.failures.as_slice() else { panic!("{name}: {:?}", report.failures) };
        assert_eq!(failure.star, VICTIM, "{name}");
        let hint = failure.error.hint().unwrap_or_default();
        assert!(ends.fits(&failure.error, &hint), "{name}: {:?}\n{hint}", failure.error);
        let loaded: Vec<_> = report.loads.iter().filter(|load| load.batch == batch).map(|load| &load.star).collect();
        assert_eq!(loaded.len(), STARS.len(), "{name}: the others go on: {loaded:?}");

        // How it stands says which batch waits, and why if it was the component that was refused.
        let status = totesys.pipeline.status().await.unwrap();
        let star = status.stars.iter().find(|star| star.star == VICTIM).unwrap();
        assert_eq!((star.transformed, star.loaded), (Some(batch - 1), Some(batch - 1)), "{name}");
        let trouble = star.failure.as_ref().map(|trouble| (trouble.batch, &trouble.digest, trouble.reason.clone()));
        let is_noted = matches!(failure.error, HostError::Sandbox(_));
        let noted = is_noted.then(|| (batch, &star.component.digest, failure.error.to_string()));
        assert_eq!(trouble, noted, "{name}");

        match tampered {
            Entry(_) => ground.put_good_back().await,
            Artefact(_) | Gone => std::fs::write(&file, &whole).unwrap(),
        }
        let loads: Vec<_> = totesys.run().await.loads.into_iter().map(|load| (load.star, load.batch)).collect();
        assert_eq!(loads, [(VICTIM.to_owned(), batch)], "{name}: it catches up");
    }

    // Batches that wait meanwhile are taken up in order.
    by_hand::append(&totesys.lake, |record| {
        ground.put(record.stars.get_mut(VICTIM).unwrap(), "stranger");
    })
    .await;
    for _ in 0..3 {
        ground.change().await;
        assert_eq!(ground.fresh_run().await.failures.len(), 1);
    }
    ground.put_good_back().await;
    let loads: Vec<_> = totesys.run().await.loads.into_iter().map(|load| (load.star, load.batch)).collect();
    let first = 2 + CASES.len() as u64;
    assert_eq!(loads, [first, first + 1, first + 2].map(|batch| (VICTIM.to_owned(), batch)));
    let orders = "SELECT sales_order_id, units_sold FROM";
    let expected = totesys.source_rows(&format!("{orders} sales_order ORDER BY 1")).await;
    assert_eq!(totesys.warehouse_rows(&format!("{orders} fact_order_current ORDER BY 1")).await, expected);
    let versions = totesys.warehouse_number("SELECT count(*) FROM fact_order WHERE sales_order_id = 5").await;
    assert_eq!(versions, 1 + i64::try_from(CASES.len()).unwrap() + 3, "none is lost");
}

impl Ends {
    /// Whether an error is this one, in the words for it.
    fn fits(&self, error: &HostError, hint: &str) -> bool {
        let said = error.to_string();
        match (self, error) {
            (Unverified, HostError::Sandbox(SandboxError::Unverified { star, .. })) => {
                star == VICTIM
                    && said.contains("no trusted publisher signed it for this star, version and engine")
                    && hint.contains("publish the component again")
            }
            (NotCompiled, HostError::NotCompiled { star, engine }) => {
                star == VICTIM
                    && engine == EngineKey::current().as_str()
                    && hint.contains("publish the components again")
            }
            (Malformed(what), HostError::MalformedCatalog { star, what: found }) => {
                star == VICTIM && what == found && hint.contains("publish the components again")
            }
            (Damaged(is), HostError::Lake(error)) => is(error) && said.contains("artefacts/") && !hint.is_empty(),
            (Unfit, HostError::Sandbox(SandboxError::Contract { star, .. })) => {
                star == VICTIM && hint.contains("build it against")
            }
            _ => false,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_contradicts_itself_is_refused_by_who_would_write_it_and_by_who_reads_it() {
    let totesys = Totesys::start(Data::Sample).await;
    let good = totesys.publish(&[picky(STRICT)], "picky").await.record;
    let of_other = good.stars[OTHER].clone();
    type Change<'a> = &'a dyn Fn(&mut CatalogRecord);
    let contradictions: [(&str, Change<'_>); 3] = [
        ("an artefact of another component", &|record| {
            *artefact(record.stars.get_mut(VICTIM).unwrap()) =
                of_other.artefacts[EngineKey::current().as_str()].clone();
        }),
        ("names a star differently", &|record| {
            record.stars.insert(VICTIM.to_owned(), of_other.clone());
        }),
        ("to a star it does not list", &|record| {
            record.owners.insert("dim_date".to_owned(), "nobody".to_owned());
        }),
    ];
    for (problem, contradict) in contradictions {
        let record = by_hand::next(&totesys.lake, contradict).await;
        let refused = totesys.lake.commit_catalog(&record).await;
        assert!(matches!(&refused, Err(LakeError::Inconsistent { problem: found, .. }) if found.contains(problem)));
    }
    // One that does not go on from the live one.
    let record = by_hand::next(&totesys.lake, |record| record.previous = Some(NOWHERE.to_owned())).await;
    assert!(matches!(totesys.lake.commit_catalog(&record).await, Err(LakeError::Inconsistent { .. })));

    // Written past all of that: no run goes on under it, and each says why.
    let file = |number: u64| totesys.file_of(Bucket::Code, &format!("catalog/{:020}.json", u64::MAX - number));
    let text = std::fs::read_to_string(file(good.number)).unwrap();
    let folder = |star: &str| format!("artefacts/{}/", good.stars[star].digest);
    let next = text
        .replace(&format!("\"number\":\"{}\"", good.number), &format!("\"number\":\"{}\"", good.number + 1))
        .replace(&folder(VICTIM), &folder(OTHER));
    for (record, problem) in
        [(resealed(&next), "an artefact of another component"), (next.into_bytes(), "is not as it was written")]
    {
        std::fs::write(file(good.number + 1), record).unwrap();
        let error = Box::pin(totesys.pipeline.run()).await.unwrap_err();
        let HostError::Lake(lake) = &error else { panic!("{error:?}") };
        let found = matches!(&**lake, LakeError::Inconsistent { problem: found, .. } if found.contains(problem));
        assert!(found && error.hint().is_some(), "{error:?}");
    }
    std::fs::remove_file(file(good.number + 1)).unwrap();
    assert_eq!(totesys.run().await.loads.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_artefact_that_was_altered_is_fetched_again() {
    let totesys = Totesys::start(Data::Sample).await;
    let folder = tempfile::tempdir().unwrap();
    // A process each time, with nothing but the folder.
    let run = async || {
        totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
        let fresh = totesys.pipeline_within(Limits::default()).with_artefacts_in(folder.path().to_owned());
        Box::pin(fresh.run()).await.unwrap()
    };
    let kept = || -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    assert!(run().await.failures.is_empty());
    let good = kept();
    let record = totesys.lake.newest_catalog().await.unwrap().unwrap();
    let entry = |star: &str| record.stars[star].artefacts[EngineKey::current().as_str()].clone();
    let names: BTreeMap<PathBuf, &str> =
        STARS.iter().map(|star| (folder.path().join(format!("{}.cwasm", entry(star).sha256)), *star)).collect();
    assert!(good.keys().eq(names.keys()), "{:?}", good.keys());

    let alterations: [fn(&mut Vec<u8>); 4] = [flip, halve, Vec::clear, |bytes| bytes.push(0)];
    for alter in alterations {
        for (path, bytes) in &good {
            let mut bytes = bytes.clone();
            alter(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
        let report = run().await;
        assert!(report.failures.is_empty() && !report.loads.is_empty(), "{:?}", report.failures);
        let sales = names.iter().find(|(_, star)| **star == OTHER).map(|(path, _)| path).unwrap();
        // Only the star that had something to do has fetched its artefact.
        assert!(kept()[sales] == good[sales]);
    }
    // Another star's artefact under this one's name is refused like any other bytes.
    for (path, bytes) in good.keys().zip(good.values().cycle().skip(1)) {
        std::fs::write(path, bytes).unwrap();
    }
    assert!(run().await.failures.is_empty());

    // What is kept and good needs no lake; what is neither kept nor in the lake is an error of its star alone.
    for (path, bytes) in &good {
        std::fs::write(path, bytes).unwrap();
    }
    let stored = totesys.file_of(Bucket::Code, &entry(OTHER).key);
    std::fs::remove_file(&stored).unwrap();
    assert!(run().await.failures.is_empty());
    let sales = folder.path().join(format!("{}.cwasm", entry(OTHER).sha256));
    std::fs::write(&sales, b"altered").unwrap();
    let report = run().await;
    let [failure] = report.failures.as_slice() else { panic!("{:?}", report.failures) };
    let missing = matches!(&failure.error, HostError::Lake(error) if matches!(**error, LakeError::FileMissing { .. }));
    assert!(missing && failure.star == OTHER, "{failure:?}");
    std::fs::write(&stored, &good[&sales]).unwrap();
    assert_eq!(run().await.loads.iter().filter(|load| load.star == OTHER).count(), 2, "it catches up");
}
