//! A component that fails when it is new goes back to the former one where that is wanted; and each star has limits of
//! its own.

use std::collections::BTreeMap;

use host_lambda::{HostError, Pipeline, RunReport, StarStatus};
use picky::{LENIENT, PANICS, STRICT};
use totesys_lake::{BatchNumber, CatalogRecord};
use totesys_publisher::Publisher;
use totesys_sandbox::{Digest, EngineKey, LimitName, LimitOverrides, Limits, Metering, SandboxError, StarLimits};
use totesys_tests::{Data, STARS, Totesys, picky, publisher, rebuilt};

const STAR: &str = "picky";

fn digest(component: &[u8]) -> String {
    Digest::of(component).to_string()
}

async fn live(totesys: &Totesys) -> CatalogRecord {
    totesys.lake.newest_catalog().await.unwrap().unwrap().into_record()
}

/// A batch with new units of some orders, of which so many get a date that is none.
async fn batch(totesys: &Totesys, pipeline: &Pipeline, malformed: u32) -> RunReport {
    let change = format!(
        "UPDATE sales_order SET units_sold = units_sold + 1, agreed_delivery_date =
             CASE WHEN sales_order_id <= {malformed} THEN 'soon' ELSE '2025-01-01' END
         WHERE sales_order_id <= {}",
        malformed.max(3)
    );
    totesys.source.execute(&change).await;
    Box::pin(pipeline.run()).await.unwrap()
}

/// The only failure of a run, which is the star's.
fn only_failure(report: &RunReport) -> &HostError {
    let [failure] = report.failures.as_slice() else { panic!("{:?}", report.failures) };
    assert_eq!(failure.star, STAR);
    &failure.error
}

/// The same where all others have loaded the batch.
fn failure(report: &RunReport, batch: u64) -> &HostError {
    let loads = report.loads.iter().filter(|load| load.batch == batch);
    let loaded: Vec<&str> = loads.map(|load| load.star.as_str()).collect();
    assert!(STARS.iter().all(|star| loaded.contains(star)), "batch {batch}: {loaded:?}");
    only_failure(report)
}

fn trapped(report: &RunReport, batch: u64) -> String {
    let error = failure(report, batch);
    assert!(matches!(error, HostError::Sandbox(SandboxError::Trapped { .. })), "{error:?}");
    error.to_string()
}

async fn status(pipeline: &Pipeline) -> StarStatus {
    let status = pipeline.status().await.unwrap();
    status.stars.into_iter().find(|star| star.star == STAR).unwrap()
}

/// The star catches up without anything new in the source; says which component made the batch, and under which record.
async fn catch_up(totesys: &Totesys, pipeline: &Pipeline, batch: u64) -> (String, u64) {
    let report = Box::pin(pipeline.run()).await.unwrap();
    assert!(report.failures.is_empty(), "batch {batch}: {:?}", report.failures);
    let loads: Vec<_> = report.loads.iter().map(|load| (load.star.as_str(), load.batch)).collect();
    assert_eq!(loads, [(STAR, batch)]);
    let record = totesys.lake.transformation(STAR, BatchNumber(batch)).await.unwrap().unwrap();
    (record.digest.clone(), record.catalog)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_fails_on_its_first_batch_gives_way_to_the_former_one() {
    let totesys = Totesys::start(Data::Sample).await;
    let careful = totesys.pipeline_within(Limits::default()).with_automatic_rollback(true);
    let former = totesys.publish(&[picky(STRICT)], "strict").await.record;
    assert!(batch(&totesys, &careful, 0).await.failures.is_empty());
    let failing = totesys.publish(&[picky(PANICS)], "panics").await.record;
    assert_eq!(failing.number, 3);

    // The run that meets it says so, and the next one has the former component.
    let report = batch(&totesys, &careful, 1).await;
    let said = trapped(&report, 2);
    let back = live(&totesys).await;
    let name = digest(&picky(PANICS))[..12].to_owned();
    assert_eq!((back.number, &back.stars, &back.owners), (4, &former.stars, &former.owners));
    assert_eq!(back.note, format!("automatic rollback of picky: {name} failed on batch 2: {said}"));
    let noted = totesys.lake.current_failure(STAR, 1, &digest(&picky(PANICS))).await.unwrap().unwrap();
    assert_eq!((noted.batch, noted.star.as_str(), &noted.reason), (BatchNumber(2), STAR, &said));
    let star = status(&careful).await;
    assert_eq!((star.transformed, star.component.digest.as_str()), (Some(1), digest(&picky(STRICT)).as_str()));
    assert!(star.failure.is_none(), "the live component has failed on nothing: {:?}", star.failure);
    assert_eq!(catch_up(&totesys, &careful, 2).await, (digest(&picky(STRICT)), 4));

    // One that did well once is not new any more: what it meets later is no reason to go back.
    totesys.publish(&[picky(PANICS)], "panics").await;
    assert!(batch(&totesys, &careful, 0).await.failures.is_empty());
    let report = batch(&totesys, &careful, 1).await;
    let said = trapped(&report, 4);
    assert_eq!(live(&totesys).await.number, 5);
    let star = status(&careful).await;
    let trouble = star.failure.unwrap();
    assert_eq!((trouble.batch, trouble.digest, trouble.reason), (4, digest(&picky(PANICS)), said));
    totesys.publish(&[picky(LENIENT)], "lenient").await;
    assert_eq!(catch_up(&totesys, &careful, 4).await, (digest(&picky(LENIENT)), 6));

    let orders = "SELECT sales_order_id, units_sold FROM";
    let expected = totesys.source_rows(&format!("{orders} sales_order ORDER BY 1")).await;
    assert_eq!(totesys.warehouse_rows(&format!("{orders} fact_order_current ORDER BY 1")).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_back_where_it_is_not_wanted_or_would_not_help() {
    let totesys = Totesys::start(Data::Sample).await;
    let careful = totesys.pipeline_within(Limits::default()).with_automatic_rollback(true);
    // There is no former component.
    totesys.publish(&[picky(PANICS)], "panics").await;
    trapped(&batch(&totesys, &careful, 1).await, 1);
    assert_eq!(live(&totesys).await.number, 2);
    let star = status(&careful).await;
    assert_eq!((star.transformed, star.failure.map(|trouble| trouble.batch)), (None, Some(1)));
    totesys.publish(&[picky(LENIENT)], "lenient").await;
    assert_eq!(catch_up(&totesys, &careful, 1).await, (digest(&picky(LENIENT)), 3));

    // It is not wanted: the batch waits, each run says so, and status says why.
    let panics = totesys.publish(&[picky(PANICS)], "panics").await.record;
    let said = trapped(&batch(&totesys, &totesys.pipeline, 1).await, 2);
    let first = status(&totesys.pipeline).await.failure.unwrap();
    assert_eq!((first.batch, &first.digest, &first.reason), (2, &panics.stars[STAR].digest, &said));
    let again = Box::pin(totesys.pipeline.run()).await.unwrap();
    assert_eq!(again.failures.len(), 1);
    assert_eq!(live(&totesys).await, panics);
    let star = status(&totesys.pipeline).await;
    assert_eq!((star.transformed, star.failure.unwrap().at), (Some(1), first.at), "since when is what counts");
    totesys.publish(&[picky(LENIENT)], "lenient").await;
    assert_eq!(catch_up(&totesys, &totesys.pipeline, 2).await.0, digest(&picky(LENIENT)));
    assert!(status(&totesys.pipeline).await.failure.is_none());

    // The former one fails too.
    totesys.publish(&[picky(PANICS)], "panics").await;
    assert!(batch(&totesys, &careful, 0).await.failures.is_empty());
    let other = totesys.publish(&[rebuilt(&picky(PANICS), "other")], "panics as well").await.record;
    trapped(&batch(&totesys, &careful, 1).await, 4);
    assert_eq!(live(&totesys).await, other);
    let strict = totesys.publish(&[picky(STRICT)], "strict").await.record;
    assert_eq!(catch_up(&totesys, &careful, 4).await, (digest(&picky(STRICT)), strict.number));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusing_too_much_is_failing_and_no_way_back() {
    let totesys = Totesys::start_with(Data::Sample, &[picky(LENIENT)]).await;
    let careful = totesys.pipeline_within(Limits::default()).with_automatic_rollback(true);
    assert!(batch(&totesys, &careful, 0).await.failures.is_empty());
    totesys.publish(&[picky(STRICT)], "strict").await;
    let report = batch(&totesys, &careful, 110).await;
    let error = only_failure(&report);
    assert!(matches!(error, HostError::TooManyRefused { .. }), "{error:?}");
    assert_eq!(live(&totesys).await.stars[STAR].digest, digest(&picky(LENIENT)));
    assert_eq!(catch_up(&totesys, &careful, 2).await, (digest(&picky(LENIENT)), 3));

    totesys.publish(&[picky(STRICT)], "strict").await;
    assert!(batch(&totesys, &careful, 0).await.failures.is_empty());
    let panics = totesys.publish(&[picky(PANICS)], "panics").await.record;
    let report = batch(&totesys, &careful, 110).await;
    let error = only_failure(&report);
    assert!(matches!(error, HostError::Sandbox(SandboxError::Trapped { .. })), "{error:?}");
    assert_eq!(live(&totesys).await, panics, "the former one would refuse too much of it");
}

fn limits(own: LimitOverrides) -> StarLimits {
    StarLimits { all: Limits::default(), stars: BTreeMap::from([(STAR.to_owned(), own)]) }
}

/// The limit that a star alone has exceeded.
fn over(report: &RunReport, batch: u64, setting: &str) -> (LimitName, u64) {
    let error = failure(report, batch);
    let HostError::Sandbox(SandboxError::Limit { context, limit, allowed, .. }) = error else { panic!("{error:?}") };
    assert_eq!(context.star, STAR);
    let hint = error.hint().unwrap();
    assert!(hint.contains("[stars.picky.sandbox]") && hint.contains(&format!("`{setting}`")), "{hint}");
    (*limit, *allowed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_has_limits_of_its_own_and_exceeds_them_alone() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.publish(&[picky(STRICT)], "picky").await;
    // Less than it begins with, fewer functions than it has, an answer too long, and no time at all.
    let none = LimitOverrides::default;
    for (number, own, setting, limit, allowed) in [
        (1, LimitOverrides { memory_bytes: Some(1 << 16), ..none() }, "memory_bytes", LimitName::Memory, 1 << 16),
        (2, LimitOverrides { table_elements: Some(1), ..none() }, "table_elements", LimitName::Table, 1),
        (3, LimitOverrides { lifted_bytes: Some(64), ..none() }, "lifted_bytes", LimitName::Lifted, 64),
        (
            4,
            LimitOverrides { output_rows_floor: Some(1), output_rows_factor: Some(0), ..none() },
            "output_rows_floor",
            LimitName::OutputRows,
            1,
        ),
    ] {
        let tight = totesys.pipeline_within(limits(own));
        let report = batch(&totesys, &tight, 0).await;
        assert_eq!(over(&report, number, setting), (limit, allowed), "{setting}");
        let trouble = status(&tight).await.failure.unwrap();
        assert_eq!((trouble.batch, trouble.reason), (number, failure(&report, number).to_string()));
        catch_up(&totesys, &totesys.pipeline, number).await;
    }
    // What a batch might use and used is recorded with it.
    for (star, memory) in [("sales", 512 << 20), (STAR, 512 << 20)] {
        let record = totesys.lake.transformation(star, BatchNumber(4)).await.unwrap().unwrap();
        assert_eq!((record.limits["memory_bytes"], record.limits["fuel"]), (memory, 0), "{star}");
        let used = record.used.unwrap();
        assert!(used.memory_bytes > 0 && used.memory_bytes < memory && used.fuel.is_none(), "{star}: {used:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fuel_is_counted_and_limited_for_the_star_that_says_so() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.publish(&[picky(STRICT)], "picky").await;
    let plenty = limits(LimitOverrides { fuel: Some(10_000_000_000), ..LimitOverrides::default() });
    let counted = totesys.pipeline_within(plenty.clone());
    // Fuel takes other code than the one there is.
    let report = batch(&totesys, &counted, 0).await;
    let error = failure(&report, 1);
    let fuel = EngineKey::here(Metering::Fuel);
    assert!(matches!(error, HostError::NotCompiled { engine, .. } if engine == fuel.as_str()), "{error:?}");
    let (key, cache) = publisher();
    let ready =
        Box::pin(Publisher::new(key, &cache).with_limits(plenty).make_ready(&totesys.lake, "fuel")).await.unwrap();
    assert!(ready.appended);
    for (star, entry) in &ready.record.stars {
        let engines: Vec<&str> = entry.artefacts.keys().map(String::as_str).collect();
        assert_eq!(engines.contains(&fuel.as_str()), star == STAR, "{star}: {engines:?}");
        assert!(engines.contains(&EngineKey::current().as_str()), "{star}: {engines:?}");
    }
    catch_up(&totesys, &counted, 1).await;
    let record = totesys.lake.transformation(STAR, BatchNumber(1)).await.unwrap().unwrap();
    let used = record.used.unwrap().fuel.unwrap();
    assert!(record.limits["fuel"] == 10_000_000_000 && used > 1000 && used < 10_000_000_000, "{used}");
    let sales = totesys.lake.transformation("sales", BatchNumber(1)).await.unwrap().unwrap();
    assert_eq!((sales.limits["fuel"], sales.used.unwrap().fuel), (0, None));

    // Half of what the same rows take is too little.
    let tight = totesys.pipeline_within(limits(LimitOverrides { fuel: Some(used / 2), ..LimitOverrides::default() }));
    totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1").await;
    let report = Box::pin(tight.run()).await.unwrap();
    assert_eq!(over(&report, 2, "fuel"), (LimitName::Fuel, used / 2));
    // It was the limit and not the code: with as much again it goes on.
    let (_, under) = catch_up(&totesys, &counted, 2).await;
    assert_eq!(under, ready.record.number);
}
