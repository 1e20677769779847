//! Stored code that nothing names any more.

use std::collections::BTreeSet;

use picky::{LENIENT, STRICT};
use totesys_lake::{BatchNumber, LakeError};
use totesys_publisher::{Garbage, garbage};
use totesys_sandbox::EngineKey;
use totesys_tests::{Data, LocalLake, Totesys, picky, rebuilt, test_publisher};

use super::{digest, objects};

/// When nothing is so new any more that it may belong to a publication under way, in seconds since 1970.
const LATER: i64 = 32_503_680_000;

fn component_of(digest: &str) -> String {
    format!("components/{digest}.wasm")
}

fn artefact_of(digest: &str) -> String {
    format!("artefacts/{digest}/{}.cwasm", EngineKey::current())
}

fn keys(garbage: &Garbage) -> BTreeSet<String> {
    garbage.objects.iter().map(|(key, _)| key.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_code_that_nothing_names_is_left_over_and_without_it_everything_goes_on() {
    let empty = LocalLake::start().await.unwrap();
    assert_eq!(garbage(&empty.lake, 1, LATER).await.unwrap(), Garbage::default());

    let totesys = Totesys::start(Data::Sample).await;
    let lake = &totesys.lake;
    // With the first a batch is made, the second is live for a moment, the third stays.
    let builds = [picky(STRICT), picky(LENIENT), rebuilt(&picky(STRICT), "third")];
    let [first, second, third] = builds.each_ref().map(|build| digest(build));
    totesys.publish(&builds[..1], "first").await;
    totesys.run().await;
    totesys.publish(&builds[1..2], "second").await;
    totesys.publish(&builds[2..], "third").await;

    let now = totesys_lake::Micros::now().0 / 1_000_000;
    assert_eq!(garbage(lake, 1, now).await.unwrap().objects, [], "what was just written may be named soon");
    let all = objects(lake).await.into_iter().filter(|key| !key.starts_with("catalog/")).collect::<BTreeSet<_>>();
    assert_eq!(all.len(), 12, "{all:?}");
    // Of what a batch was made with, the portable component stays.
    let of_second = [component_of(&second), artefact_of(&second)];
    let with_one = BTreeSet::from([of_second[0].clone(), of_second[1].clone(), artefact_of(&first)]);
    let with_two = BTreeSet::from([artefact_of(&first)]);
    for (records, expected) in [(0, &with_one), (1, &with_one), (2, &with_two), (3, &BTreeSet::new())] {
        let left = garbage(lake, records, LATER).await.unwrap();
        assert_eq!((keys(&left), left.kept), (expected.clone(), 12 - expected.len()), "{records} records");
        assert!(left.objects.iter().all(|(_, bytes)| *bytes > 1000), "{left:?}");
    }

    for (key, _) in garbage(lake, 1, LATER).await.unwrap().objects {
        lake.delete_code(&key).await.unwrap();
        lake.delete_code(&key).await.unwrap();
    }
    let left = objects(lake).await.into_iter().filter(|key| !key.starts_with("catalog/")).collect::<BTreeSet<_>>();
    assert_eq!(left, all.difference(&with_one).cloned().collect::<BTreeSet<_>>());
    assert!(left.contains(&component_of(&first)) && left.contains(&artefact_of(&third)));
    assert_eq!(keys(&garbage(lake, 1, LATER).await.unwrap()), BTreeSet::new());
    // Nothing else can be deleted.
    let records = objects(lake).await.into_iter().find(|key| key.starts_with("catalog/")).unwrap();
    for key in [records.as_str(), "lake.json", "components/", "../code/components/a.wasm", ""] {
        let refused = lake.delete_code(key).await;
        assert!(matches!(refused, Err(LakeError::Key { .. })), "{key}: {refused:?}");
    }

    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    totesys.run().await;
    assert_eq!(lake.transformation("picky", BatchNumber(2)).await.unwrap().unwrap().digest, third);
    // A new process has nothing in memory; and whoever goes back gets an artefact made of what was kept.
    let back = Box::pin(test_publisher().roll_back(lake, Some(2), "back")).await.unwrap();
    assert_eq!(back.record.stars["picky"].digest, first);
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    let fresh = totesys.pipeline_within(totesys_sandbox::Limits::default());
    let report = Box::pin(fresh.run()).await.unwrap();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(lake.transformation("picky", BatchNumber(3)).await.unwrap().unwrap().digest, first);
    // What is gone can be published again.
    totesys.publish(&builds[1..2], "second").await;
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5").await;
    totesys.run().await;
    assert_eq!(lake.transformation("picky", BatchNumber(4)).await.unwrap().unwrap().digest, second);
}
