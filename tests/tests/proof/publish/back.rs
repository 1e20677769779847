//! The way back, and the log of what was live when.

use std::slice::from_ref;

use picky::{LENIENT, STRICT};
use star_contract::CONTRACT_VERSION;
use totesys_lake::{BatchNumber, Generation, Lake};
use totesys_publisher::{Publication, PublishError, Release, releases};
use totesys_tests::{LocalLake, component, picky, publisher, test_publisher};

use super::{digest, live, objects, publish};
use crate::tampered::by_hand;

async fn roll_back(lake: &Lake, to: Option<u64>, note: &str) -> Result<Publication, PublishError> {
    Box::pin(test_publisher().roll_back(lake, to, note)).await
}

#[tokio::test]
async fn going_back_appends_what_was_live_before_and_the_log_tells_all_of_it() {
    let local = LocalLake::start().await.unwrap();
    let lake = &local.lake;
    assert!(matches!(roll_back(lake, None, "").await, Err(PublishError::EmptyCatalog)));
    assert!(matches!(test_publisher().make_ready(lake, "").await, Err(PublishError::EmptyCatalog)));
    assert!(releases(lake, 10).await.unwrap().is_empty());

    let (strict, lenient, veteran) = (picky(STRICT), picky(LENIENT), component("veteran"));
    let first = publish(lake, from_ref(&strict), "strict").await.unwrap().record;
    assert!(matches!(roll_back(lake, None, "").await, Err(PublishError::NothingBefore(1))));
    let second = publish(lake, &[lenient.clone(), veteran.clone()], "lenient, and a veteran").await.unwrap().record;
    by_hand::append(lake, |record| record.note = "the same once more".to_owned()).await;

    // By default to the newest record with other components: that one has the same as the live one.
    let back = roll_back(lake, None, "back").await.unwrap();
    assert!(back.appended);
    assert_eq!((back.record.number, &back.record.stars, back.record.note.as_str()), (4, &first.stars, "back"));
    // Going back from there goes forth.
    let forth = roll_back(lake, None, "forth").await.unwrap();
    assert_eq!((forth.record.number, &forth.record.stars), (5, &second.stars));
    let named = roll_back(lake, Some(1), "to the first").await.unwrap();
    assert_eq!((named.record.number, &named.record.stars), (6, &first.stars));
    let stored = objects(lake).await;
    let again = roll_back(lake, Some(4), "which says the same").await.unwrap();
    assert!(!again.appended && again.record == named.record);
    for number in [0, 7, 99] {
        let refused = roll_back(lake, Some(number), "").await;
        assert!(matches!(refused, Err(PublishError::NoRecord(none)) if none == number), "{refused:?}");
    }
    assert_eq!(objects(lake).await, stored);

    // Which generation of a star's transformations counts is no matter of its component.
    let generations = vec![Generation { number: 1, from: BatchNumber(3) }];
    by_hand::append(lake, |record| {
        record.generations.insert("picky".to_owned(), generations.clone());
    })
    .await;
    let after = roll_back(lake, None, "after a rebuild").await.unwrap().record;
    assert_eq!((after.number, &after.stars, &after.generations["picky"]), (8, &second.stars, &generations));
    assert_eq!(live(lake).await.into_record(), after);

    let told = releases(lake, 100).await.unwrap();
    let (strict, lenient, veteran) = (digest(&strict), digest(&lenient), digest(&veteran));
    let (picky_is, veteran_comes) = (
        |now: &String, before: Option<&String>| ("picky".to_owned(), now.clone(), before.cloned()),
        ("veteran".to_owned(), veteran.clone(), None),
    );
    let expected = [
        (8, "after a rebuild", vec![picky_is(&lenient, Some(&strict)), veteran_comes.clone()], false),
        (7, "by hand", vec![picky_is(&strict, Some(&strict))], false),
        (6, "to the first", vec![picky_is(&strict, Some(&lenient))], true),
        (5, "forth", vec![picky_is(&lenient, Some(&strict)), veteran_comes.clone()], false),
        (4, "back", vec![picky_is(&strict, Some(&lenient))], true),
        (3, "the same once more", Vec::new(), false),
        (2, "lenient, and a veteran", vec![picky_is(&lenient, Some(&strict)), veteran_comes], false),
        (1, "strict", vec![picky_is(&strict, None)], false),
    ];
    let summary = |release: &Release| {
        let stars = release.stars.iter().map(|star| (star.star.clone(), star.digest.clone(), star.before.clone()));
        (release.record, release.note.clone(), stars.collect::<Vec<_>>(), release.gone == ["veteran"])
    };
    let expected = expected.map(|(record, note, stars, gone)| (record, note.to_owned(), stars, gone));
    assert_eq!(told.iter().map(summary).collect::<Vec<_>>(), expected);
    assert!(told.is_sorted_by(|later, earlier| later.published_at >= earlier.published_at));
    assert!(told.iter().all(|release| release.gone.is_empty() || release.gone == ["veteran"]));
    let (key, _) = publisher();
    for star in told.iter().flat_map(|release| &release.stars) {
        assert_eq!(star.signed_by, [key.public().to_string()], "{star:?}");
        assert_eq!(star.contract_version, if star.star == "veteran" { "0.1.0" } else { CONTRACT_VERSION });
    }
    let generations: Vec<_> =
        told.iter().flat_map(|release| release.stars.first()).map(|star| star.generation).collect();
    assert_eq!(generations, [1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(releases(lake, 2).await.unwrap(), told[..2]);
}
