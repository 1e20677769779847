//! Publications: what goes live and what stays as it is, who wins a race, the way back, and what is left over.

mod back;
mod canary;
mod leftovers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use host_lambda::HostError;
use hostile::{MISCHIEF_FILL, MISCHIEF_LENGTH, MISCHIEF_MARK};
use picky::{LENIENT, PANICS, STRICT};
use totesys_lake::{Bucket, CatalogRecord, Lake, StarEntry, Stored};
use totesys_publisher::{Candidate, InspectError, Publication, PublishError, Publisher};
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, PublisherKey};
use totesys_tests::{Data, LocalLake, STARS, Totesys, component, picky, publisher, rebuilt, test_publisher};

use crate::tampered::by_hand;

async fn publish(lake: &Lake, components: &[Vec<u8>], note: &str) -> Result<Publication, PublishError> {
    Box::pin(test_publisher().publish(lake, components, note)).await
}

async fn live(lake: &Lake) -> Stored<CatalogRecord> {
    lake.newest_catalog().await.unwrap().unwrap()
}

/// Everything in the code bucket.
async fn objects(lake: &Lake) -> BTreeSet<String> {
    lake.list(Bucket::Code, "", None).await.unwrap().into_iter().map(|object| object.key).collect()
}

fn digest(component: &[u8]) -> String {
    Digest::of(component).to_string()
}

fn stars() -> Vec<Vec<u8>> {
    STARS.iter().map(|star| component(star)).collect()
}

/// A component that would write the fact of another star.
fn intruder() -> Vec<u8> {
    let (mut bytes, mark, mischief) = (component("hostile"), MISCHIEF_MARK.as_bytes(), b"other-tables");
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len();
    bytes[at..at + MISCHIEF_LENGTH].fill(MISCHIEF_FILL);
    bytes[at..at + mischief.len()].copy_from_slice(mischief);
    bytes
}

#[tokio::test]
async fn a_publication_changes_the_stars_it_names_and_no_other() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    let Publication { record: first, appended } = publish(lake, &stars(), "the stars").await.unwrap();
    assert!(appended && first.previous.is_none());
    assert_eq!((first.number, first.stars.len(), first.note.as_str()), (1, 3, "the stars"));

    // Two at once, in one record, whose code is there.
    let before = live(lake).await;
    let two = [picky(STRICT), component("veteran")];
    let Publication { record: second, appended } = publish(lake, &two, "two more").await.unwrap();
    assert!(appended && second.previous.as_deref() == Some(before.sha256()));
    assert_eq!((second.number, second.stars.len()), (2, 5));
    assert_eq!(live(lake).await.into_record(), second);
    for star in STARS {
        assert_eq!(second.stars[*star], first.stars[*star], "{star}");
    }
    assert_eq!(second.owners, first.owners);
    for (star, bytes) in ["picky", "veteran"].iter().zip(&two) {
        let entry = &second.stars[*star];
        assert_eq!(entry.digest, digest(bytes));
        assert_eq!(lake.get_component(&entry.digest).await.unwrap(), *bytes);
        assert_eq!(entry.artefacts.keys().collect::<Vec<_>>(), [EngineKey::current().as_str()]);
        lake.get_artefact(&entry.artefacts[EngineKey::current().as_str()]).await.unwrap();
    }

    // What is live is not published again.
    let stored = objects(lake).await;
    for components in [two.to_vec(), vec![component("sales")], [stars(), two.to_vec()].concat(), Vec::new()] {
        let again = publish(lake, &components, "again").await.unwrap();
        assert!(!again.appended && again.record == second);
    }
    // What would be can be asked without any of it being done.
    let asked = test_publisher().propose(lake, &[test_publisher().candidate(picky(LENIENT)).unwrap()]).await.unwrap();
    assert!(asked.changed == ["picky"] && !asked.is_live && asked.record.number == 3);
    assert_eq!(asked.record.stars["picky"].digest, digest(&picky(LENIENT)));
    assert_eq!(objects(lake).await, stored);
    // Of components of which one cannot be used, none goes live.
    let refused = publish(lake, &[picky(LENIENT), b"no component".to_vec()], "half").await;
    assert!(matches!(refused, Err(PublishError::Inspect(InspectError::NotAComponent(_)))), "{refused:?}");
    assert_eq!(objects(lake).await, stored);
    let refused = publish(lake, &[picky(LENIENT), intruder()], "one too many").await;
    // It writes a dimension and the fact of others; the first it meets is named.
    let named = matches!(&refused, Err(PublishError::Together(error)) if error.subject == "dim_staff");
    assert!(named, "{refused:?}");
    let refused = publish(lake, &[picky(LENIENT), picky(PANICS)], "twice").await;
    assert!(matches!(&refused, Err(PublishError::StarTwice(star)) if star == "picky"), "{refused:?}");
    assert_eq!(live(lake).await.number, 2);

    // Another key signs the same code anew; what it did not name keeps its signature.
    let stranger = PublisherKey::from_pkcs8(&PublisherKey::generate().unwrap()).unwrap();
    let (ours, cache) = publisher();
    let theirs = Box::pin(Publisher::new(&stranger, &cache).publish(lake, &[picky(STRICT)], "theirs")).await.unwrap();
    assert!(theirs.appended && theirs.record.number == 3);
    let signed = |star: &str| theirs.record.stars[star].artefacts[EngineKey::current().as_str()].public_key.clone();
    assert_eq!(theirs.record.stars["picky"].digest, digest(&picky(STRICT)));
    assert_eq!(signed("picky"), stranger.public().to_string());
    assert_eq!([signed("sales"), signed("veteran")], [ours.public().to_string(), ours.public().to_string()]);
}

#[tokio::test]
async fn owners_stay_whoever_publishes_and_in_whatever_order() {
    let local = LocalLake::start().await.unwrap();
    let first = publish(&local.lake, &stars(), "the stars").await.unwrap().record;
    assert_eq!(first.owners["dim_date"], "sales");
    assert!(first.owners.len() > 2, "{:?}", first.owners);
    let reversed: Vec<_> = STARS.iter().rev().map(|star| rebuilt(&component(star), "other")).collect();
    let second = publish(&local.lake, &reversed, "other builds").await.unwrap().record;
    for star in STARS {
        assert_ne!(second.stars[*star].digest, first.stars[*star].digest, "{star}");
        assert_eq!(second.stars[*star].description, first.stars[*star].description, "{star}");
    }
    assert_eq!(second.owners, first.owners);
    let alone = publish(&local.lake, &[component("payments")], "one alone").await.unwrap().record;
    assert_eq!((alone.number, &alone.owners), (3, &first.owners));
    let back = Box::pin(test_publisher().roll_back(&local.lake, Some(1), "back")).await.unwrap();
    assert_eq!((back.record.owners, back.record.stars), (first.owners, first.stars));
}

#[tokio::test]
async fn of_two_publishers_at_once_one_wins_and_the_other_is_told() {
    let local = LocalLake::start().await.unwrap();
    let (lake, publisher) = (&local.lake, test_publisher());
    let candidates: Vec<Candidate> =
        [STRICT, LENIENT, PANICS].iter().map(|manners| publisher.candidate(picky(manners)).unwrap()).collect();
    let of = |candidate: &Candidate| candidate.inspected.digest.to_string();
    publish(lake, &[picky(STRICT)], "first").await.unwrap();
    for round in 2..8 {
        let before = live(lake).await;
        let others: Vec<&Candidate> =
            candidates.iter().filter(|candidate| of(candidate) != before.stars["picky"].digest).collect();
        let [one, other] = others.as_slice() else { panic!("two are not live") };
        let staged = tokio::join!(
            publisher.stage(lake, std::slice::from_ref(*one), "one"),
            publisher.stage(lake, std::slice::from_ref(*other), "other"),
        );
        let (one, other) = (staged.0.unwrap(), staged.1.unwrap());
        assert_eq!((one.record.number, other.record.number), (round, round));
        assert_eq!((one.changed.as_slice(), one.is_live), (["picky".to_owned()].as_slice(), false));
        assert_eq!(live(lake).await, before, "what is staged is not live");
        // Who begins first has no say in it.
        let (one, other) = if round % 2 == 0 {
            tokio::join!(publisher.commit(lake, one), publisher.commit(lake, other))
        } else {
            let (other, one) = tokio::join!(publisher.commit(lake, other), publisher.commit(lake, one));
            (one, other)
        };
        let winner = match (one, other) {
            (Ok(winner), Err(PublishError::Overtaken(by))) | (Err(PublishError::Overtaken(by)), Ok(winner)) => {
                assert_eq!(by, round);
                winner
            }
            outcome => panic!("round {round}: {outcome:?}"),
        };
        assert!(winner.appended);
        let after = live(lake).await;
        assert_eq!((&winner.record, after.previous.as_deref()), (&*after, Some(before.sha256())));
    }
    // Whole publications at the same time: each that says so is in the catalog, and nothing else is.
    let before = live(lake).await.number;
    let builds: Vec<Vec<u8>> = [STRICT, LENIENT].iter().map(|manners| picky(manners)).collect();
    let mut appended = 0;
    for _ in 0..4 {
        let (one, other) =
            tokio::join!(publish(lake, &builds[..1], "one at once"), publish(lake, &builds[1..], "other at once"));
        for outcome in [one, other] {
            match outcome {
                Ok(publication) => appended += u64::from(publication.appended),
                Err(error) => assert!(matches!(error, PublishError::Overtaken(_)), "{error:?}"),
            }
        }
    }
    assert!(appended > 0);
    assert_eq!(live(lake).await.number, before + appended);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_compiled_for_this_engine_waits_until_it_is_made_ready() {
    let totesys = Totesys::start(Data::Sample).await;
    let published = totesys.publish(&[picky(STRICT)], "picky").await.record;
    by_hand::append(&totesys.lake, |record| record.stars.values_mut().for_each(compiled_for_another_engine)).await;
    let report = Box::pin(totesys.pipeline.run()).await.unwrap();
    let failures: Vec<_> = report.failures.iter().map(|failure| &failure.error).collect();
    assert_eq!(failures.len(), 4, "{failures:?}");
    for error in failures {
        let current = EngineKey::current();
        let found = matches!(error, HostError::NotCompiled { engine, .. } if engine == current.as_str());
        assert!(found && error.hint().is_some(), "{error:?}");
    }
    let ready = Box::pin(test_publisher().make_ready(&totesys.lake, "a new engine")).await.unwrap();
    assert!(ready.appended && ready.record.number == 4);
    assert_eq!(ready.record.owners, published.owners);
    for (star, entry) in &published.stars {
        let current = EngineKey::current();
        let found = &ready.record.stars[star];
        assert_eq!(found.artefacts[current.as_str()], entry.artefacts[current.as_str()], "{star}");
    }
    assert_eq!(totesys.run().await.loads.len(), 4, "all of them catch up");
    let again = Box::pin(test_publisher().make_ready(&totesys.lake, "a new engine")).await.unwrap();
    assert!(!again.appended && again.record.number == 4);

    // It is made from the portable component, which must be what it was.
    by_hand::append(&totesys.lake, |record| compiled_for_another_engine(record.stars.get_mut("picky").unwrap())).await;
    let file = totesys.file_of(Bucket::Code, &format!("components/{}.wasm", published.stars["picky"].digest));
    let whole = std::fs::read(&file).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    std::fs::write(&file, altered).unwrap();
    let refused = Box::pin(test_publisher().make_ready(&totesys.lake, "a new engine")).await;
    assert!(matches!(refused, Err(PublishError::Lake(_))), "{refused:?}");
    std::fs::write(&file, whole).unwrap();
    assert!(Box::pin(test_publisher().make_ready(&totesys.lake, "a new engine")).await.unwrap().appended);
}

/// As after an update of the engine: signed for, and not compiled for this one.
fn compiled_for_another_engine(entry: &mut StarEntry) {
    let (key, _) = publisher();
    let claim = ArtifactClaim {
        component: Digest::from_hex(&entry.digest).unwrap(),
        star: entry.description.star.clone(),
        version: entry.version.clone(),
        engine: EngineKey::recorded("wasmtime-1.0.0-x86_64-unknown-linux-gnu-baseline-00000000"),
        artifact: Digest::of(b"old code"),
    };
    let object = format!("artefacts/{}/{}.cwasm", entry.digest, claim.engine);
    entry.artefacts = BTreeMap::from([by_hand::signed(key, &claim, object, b"old code")]);
}

/// Whoever may write to the lake may add a record that names any component: no publisher signs for it on its word.
#[tokio::test]
async fn what_nobody_vouched_for_is_not_signed() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    publish(lake, &[picky(STRICT)], "picky").await.unwrap();
    let evil = lake.put_component(picky(LENIENT).into()).await.unwrap();
    let forged = by_hand::append(lake, |record| {
        let entry = record.stars.get_mut("picky").unwrap();
        entry.digest = evil;
        entry.artefacts.clear();
    })
    .await;
    let stored = objects(lake).await;
    let refused = Box::pin(test_publisher().make_ready(lake, "ready")).await;
    assert!(matches!(refused, Err(PublishError::Unvouched { .. })), "{refused:?}");
    Box::pin(test_publisher().roll_back(lake, Some(1), "back")).await.unwrap();
    let refused = Box::pin(test_publisher().roll_back(lake, Some(forged), "forged")).await;
    assert!(matches!(refused, Err(PublishError::Unvouched { .. })), "{refused:?}");
    assert_eq!(objects(lake).await.len(), stored.len() + 1, "one more record, no code");
}

/// Whatever a publisher does, its private key stays where it is.
#[tokio::test]
async fn the_private_key_is_never_in_the_lake() {
    let local = LocalLake::start().await.unwrap();
    let document = PublisherKey::generate().unwrap();
    let key = PublisherKey::from_pkcs8(&document).unwrap();
    // A PKCS#8 document of an ed25519 key: the seed is an octet string within an octet string.
    let head = [0x04, 0x22, 0x04, 0x20];
    let at = document.windows(head.len()).position(|window| window == head).unwrap() + head.len();
    let seed = &document[at..at + 32];
    let (_, cache) = publisher();
    let publisher = Publisher::new(&key, &cache);
    for manners in [STRICT, LENIENT] {
        Box::pin(publisher.publish(&local.lake, &[picky(manners)], manners)).await.unwrap();
    }
    Box::pin(publisher.roll_back(&local.lake, None, "back")).await.unwrap();
    Box::pin(publisher.make_ready(&local.lake, "ready")).await.unwrap();

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (mut files, mut signed) = (0, 0);
    visit(local.folder(), &mut |path, bytes| {
        let holds =
            |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window[0] == wanted[0] && window == wanted);
        let secret = holds(seed) || holds(hex(seed).as_bytes()) || holds(hex(seed).to_uppercase().as_bytes());
        assert!(!secret, "{}", path.display());
        files += 1;
        signed += usize::from(holds(key.public().to_string().as_bytes()));
    });
    assert!(files > 5 && signed >= 3, "{files} files, {signed} with the public key");
}

fn visit(folder: &Path, each: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, each);
        } else {
            each(&path, &std::fs::read(&path).unwrap());
        }
    }
}
