//! Runs that die between any two steps of a backfill, and are run again.

use futures_util::{StreamExt, TryStreamExt, stream};
use totesys_failpoint::BACKFILL;
use totesys_tests::truth::assert_current;
use totesys_tests::{ChildRun, Data, TestDatabase, filled_source};

use super::{MANY_ORDERS, PAGE};
use crate::faults::PASSING_COLUMNS;

/// Scenarios at a time: each has a process at work.
const AT_ONCE: usize = 2;

type Contents = std::collections::BTreeMap<String, Vec<String>>;

/// Reads the source in chunks, in a run that is killed at a place and run again; gives the warehouse.
async fn warehouse_after(killed_at: Option<String>) -> Contents {
    let (source, warehouse) = (filled_source(Data::Sample).await, TestDatabase::create().await);
    source.execute(MANY_ORDERS).await;
    let folder = tempfile::tempdir().unwrap();
    let mut run = ChildRun::new(&source.url(), &warehouse.url(), folder.path());
    run.chunk_bytes = Some(4 * PAGE);
    let program = env!("CARGO_BIN_EXE_stage");
    if let Some(place) = killed_at {
        let output = run.start(program, Some(&place)).unwrap().wait_with_output().await.unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert_eq!(signal, Some(9), "{place}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = run.start(program, None).unwrap().wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_current(&warehouse, &source).await;
    let mut contents = warehouse.contents_without(PASSING_COLUMNS).await;
    // How often rows were delivered that changed nothing depends on what else the server does.
    contents.remove("totesys_totesys.loads");
    contents
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_and_run_again_it_ends_as_if_undisturbed() {
    let expected = std::sync::Arc::new(warehouse_after(None).await);
    assert!(expected["totesys.fact_sales_order"].len() > 800);
    // Between two batches also when some are there.
    let places = BACKFILL.iter().map(|place| format!("{place}=kill"));
    let places = places.chain(["backfill:manifest-written=kill@3".to_owned()]);
    let outcomes = stream::iter(places).map(|place| {
        let expected = expected.clone();
        tokio::spawn(async move {
            let found = warehouse_after(Some(place.clone())).await;
            for (part, contents) in expected.iter() {
                assert!(found.get(part) == Some(contents), "{place}: {part}");
            }
        })
    });
    let _: Vec<()> = outcomes.buffer_unordered(AT_ONCE).try_collect().await.unwrap();
}
