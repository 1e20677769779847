//! Runs that die, stand still or meet one another, each in a process of its own.

mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use totesys_failpoint::{ALL, BACKFILL, FAILING, REBUILD};

use world::{Ended, World};

pub(crate) use world::PASSING_COLUMNS;

/// Scenarios at a time: each has up to two processes at work.
const AT_ONCE: usize = 2;

/// What there is after runs that nothing disturbs.
async fn undisturbed() -> world::State {
    let world = World::new().await;
    for changes in world::CHANGES {
        world.source.execute(changes).await;
        assert_eq!(world.run(None).await, Ended::Well);
    }
    world.state().await
}

/// Kills every stage there once, runs again, and says how often it was passed.
async fn killed_at(failpoint: &'static str, expected: Arc<world::State>) -> u32 {
    let world = World::new().await;
    let mut killed = 0;
    for changes in world::CHANGES {
        world.source.execute(changes).await;
        if world.run(Some(&format!("{failpoint}=kill"))).await == Ended::Killed {
            killed += 1;
            assert_eq!(world.run(None).await, Ended::Well, "{failpoint}");
        }
    }
    assert!(killed > 0, "{failpoint} was never passed");
    let state = world.state().await;
    for (part, contents) in expected.iter() {
        assert_eq!(state.get(part), Some(contents), "{failpoint}: {part}");
    }
    assert_eq!(state.len(), expected.len(), "{failpoint}");
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_failpoint_and_run_again_it_ends_as_if_undisturbed() {
    let expected = Arc::new(undisturbed().await);
    // A task each: a database that is dropped waits for every session of the server, those of its neighbour included.
    let outcomes = stream::iter(ALL).map(|failpoint| tokio::spawn(killed_at(failpoint, Arc::clone(&expected))));
    let killed: Vec<u32> = outcomes.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    // Most places are passed in the first batch and in the second.
    assert!(killed.iter().sum::<u32>() >= 30, "{killed:?}");
}

/// A rebuild with the component that made everything gives what there was, whatever it was interrupted by, and the
/// next batch is loaded after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_killed_at_each_failpoint_is_gone_on_with() {
    let expected = Arc::new(undisturbed().await);
    let outcomes = stream::iter(REBUILD).map(|failpoint| tokio::spawn(rebuild_killed_at(failpoint, expected.clone())));
    let _: Vec<()> = outcomes.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
}

async fn rebuild_killed_at(failpoint: &'static str, expected: Arc<world::State>) {
    let world = World::new().await;
    world.source.execute(world::CHANGES[0]).await;
    assert_eq!(world.run(None).await, Ended::Well);
    let in_warehouse = |part: &&String| part.starts_with("totesys.") || part.starts_with("totesys_totesys.");
    let before = world.state().await;
    assert_eq!(world.rebuild("sales", Some(&format!("{failpoint}=kill"))).await, Ended::Killed, "{failpoint}");
    let after = world.state().await;
    for part in before.keys().filter(in_warehouse) {
        assert_eq!(after.get(part), before.get(part), "{failpoint}: nothing is swapped yet: {part}");
    }
    assert_eq!(world.rebuild("sales", None).await, Ended::Well, "{failpoint}");
    world.source.execute(world::CHANGES[1]).await;
    assert_eq!(world.run(None).await, Ended::Well, "{failpoint}");
    let state = world.state().await;
    let of_generations = "totesys_totesys.generations";
    for part in expected.keys().filter(in_warehouse).filter(|part| *part != of_generations) {
        assert_eq!(state.get(part), expected.get(part), "{failpoint}: {part}");
    }
}

#[test]
fn the_list_of_failpoints_is_what_the_code_has() {
    let mut found = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-lambda"), &mut found);
    let lists = [ALL, REBUILD, BACKFILL, FAILING];
    let listed: BTreeSet<String> = lists.iter().copied().flatten().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), lists.iter().map(|list| list.len()).sum::<usize>(), "a name stands twice");
}

fn visit(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("failpoint/src/lib.rs")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in ["failpoint::pass(\"", "failpoint::fails(\""] {
                let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_slept_through_another_commits_nothing() {
    for failpoint in ["extract:before-manifest", "transform:before-record", "load:staged", "load:before-commit"] {
        let mut world = World::new().await;
        world.share_lake().await;
        world.source.execute(world::CHANGES[0]).await;
        assert_eq!(world.run(None).await, Ended::Well);
        world.source.execute(world::CHANGES[1]).await;
        let gate = world.folder().join("gate");
        let sleeper = world.start(Some(&format!("{failpoint}=hold:{}", gate.display())), 2_000);
        world::appears(&gate.with_extension("held")).await;
        assert_eq!(world.run_patiently().await, Ended::Well, "{failpoint}");
        let state = world.state().await;
        std::fs::write(&gate, "").unwrap();
        let output = sleeper.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if failpoint == "transform:before-record" {
            // It finds the record and the loaded batch, and has nothing left to do.
            assert!(output.status.success(), "{said}");
        } else {
            assert!(!output.status.success(), "{failpoint}: it should have been too late");
            assert!(said.contains("another run made batch 2 first") || said.contains("ConnectionLost"), "{said}");
        }
        assert_eq!(world.state().await, state, "{failpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_the_same_time_double_and_lose_nothing() {
    let expected = undisturbed().await;
    for at_once in [2, 8] {
        let mut world = World::new().await;
        world.share_lake().await;
        let mut lost_races = 0;
        for changes in world::CHANGES {
            world.source.execute(changes).await;
            let runs: Vec<_> = (0..at_once).map(|_| world.start(None, 60_000)).collect();
            let mut succeeded = 0;
            for run in runs {
                let output = run.wait_with_output().await.unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                if output.status.success() {
                    succeeded += 1;
                } else {
                    lost_races += 1;
                    assert!(said.contains("another run made batch") || said.contains("another publisher"), "{said}");
                }
            }
            assert!(succeeded > 0, "{at_once} at once");
            assert_eq!(world.run(None).await, Ended::Well);
        }
        // A run that began after the others had ended has lost no race; with eight some always do.
        assert!(at_once == 2 || lost_races > 0);
        let state = world.state().await;
        for (part, contents) in expected.iter().filter(|(part, _)| !part.contains("catalog")) {
            assert_eq!(state.get(part), Some(contents), "{at_once} at once: {part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let world = World::new().await;
    world.source.execute(world::CHANGES[0]).await;
    // The client tries a put four times, and a fifth is another object.
    for put in [1, 9, 25] {
        let ended = world.run(Some(&format!("s3:put=disk-full@{put}"))).await;
        assert!(matches!(ended, Ended::Well | Ended::Badly(_)), "{ended:?}");
    }
    assert_eq!(world.run(None).await, Ended::Well);
    let orders = world.source_number("SELECT count(*) FROM sales_order").await;
    let waiting = world.quarantined().await;
    assert_eq!(world.warehouse_number("SELECT count(*) FROM totesys.fact_sales_order_current").await + waiting, orders);
}
