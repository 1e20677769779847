//! Components are swapped while a source lives and batches run: each batch is wholly of one component, and nothing is
//! lost or doubled.

mod batches;
mod truth;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use host_lambda::Extraction;
use picky::{LENIENT, STRICT};
use tokio::task::JoinHandle;
use totesys_lake::{CatalogRecord, Stored};
use totesys_publisher::{Publication, releases};
use totesys_sandbox::Digest;
use totesys_simulate::{Counts, Random, Rates, Simulator, Start};
use totesys_tests::{Data, Totesys, component, picky, rebuilt, test_publisher};

/// How often the live components change at least.
const SWAPS: u64 = 20;

/// How many batches are made meanwhile at least.
const BATCHES: u64 = 8;

/// When it gives up waiting for enough of both.
const PATIENCE: Duration = Duration::from_secs(120);

/// Every eighth event some orders get a delivery date that is none: a strict build refuses them, a lenient one does
/// not. What another transaction holds is left alone, because only this task would let it go.
const MALFORM: &str =
    "UPDATE sales_order SET agreed_delivery_date = 'soon ' || sales_order_id WHERE sales_order_id IN (
                           SELECT sales_order_id FROM sales_order WHERE sales_order_id <= 60
                           ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)";

/// Other orders change in what both builds take.
const CHANGE: &str = "UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id IN (
                          SELECT sales_order_id FROM sales_order WHERE sales_order_id > 60
                          ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)";

const MEND: &str = "UPDATE sales_order SET agreed_delivery_date = '2025-01-01' WHERE agreed_delivery_date LIKE 'soon%'";

fn rates() -> Rates {
    Rates {
        silent_sales: 240.0,
        silent_purchases: 120.0,
        silent_designs: 40.0,
        there_and_back: 120.0,
        late_commits: 150.0,
        savepoints: 150.0,
        addresses: 40.0,
        departments: 40.0,
        deletions: 0.0,
        ..Rates::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swapped_under_load_every_batch_is_of_one_component_and_nothing_is_lost_or_doubled() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.publish(&[picky(STRICT)], "picky").await;
    let builds = Builds::new();
    let life = Life::begin(&totesys).await;
    let (swaps, batches) = (AtomicU64::new(0), AtomicU64::new(0));
    let enough = || swaps.load(Ordering::Relaxed) >= SWAPS && batches.load(Ordering::Relaxed) >= BATCHES;
    let begun = Instant::now();

    let running = async {
        while !enough() {
            assert!(begun.elapsed() < PATIENCE, "{swaps:?} swaps and {batches:?} batches are not enough");
            // No star may fail, whatever is swapped under it.
            let report = totesys.run().await;
            batches.fetch_add(u64::from(matches!(report.extraction, Extraction::Batch { .. })), Ordering::Relaxed);
        }
    };
    let swapping = async {
        let mut random = Random::new(7);
        for round in 0_u64.. {
            if enough() {
                break;
            }
            let swapped = builds.swap(&totesys, round).await;
            assert!(swapped.appended, "nobody else publishes");
            swaps.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(random.between(50, 400).unsigned_abs())).await;
        }
    };
    tokio::join!(running, swapping);
    let counts = life.end().await;
    println!("{swaps:?} swaps and {batches:?} batches in {:.0?}; {counts:?}", begun.elapsed());

    // What was refused is mended, and taken by a build that takes everything.
    totesys.source.execute(MEND).await;
    if live(&totesys).await.stars["picky"].digest != digest(&picky(LENIENT)) {
        totesys.publish(&[picky(LENIENT)], "the last").await;
    }
    while matches!(totesys.run().await.extraction, Extraction::Batch { .. }) {}

    let logged = releases(&totesys.lake, 1000).await.unwrap();
    let changes = logged.iter().filter(|release| !release.stars.is_empty()).count() as u64;
    assert!(changes >= SWAPS + 2 && changes == logged.len() as u64, "{changes} of {} records", logged.len());
    let seen = batches::check(&totesys).await;
    assert!(seen.batches > BATCHES && seen.malformed > 20, "{} batches, {} malformed", seen.batches, seen.malformed);
    for star in ["picky", "sales"] {
        assert_eq!(seen.digests[star].len(), 2, "both builds of {star} have made batches");
    }
    truth::compare(&totesys, &seen).await;
}

/// Two builds of two stars.
struct Builds {
    picky: [Vec<u8>; 2],
    sales: [Vec<u8>; 2],
}

impl Builds {
    fn new() -> Self {
        let sales = component("sales");
        Self { picky: [STRICT, LENIENT].map(picky), sales: [rebuilt(&sales, "other"), sales] }
    }

    /// One star, two stars together, the way back, or the other star alone.
    async fn swap(&self, totesys: &Totesys, round: u64) -> Publication {
        let publisher = test_publisher();
        if round % 4 == 2 {
            return Box::pin(publisher.roll_back(&totesys.lake, None, "back")).await.unwrap();
        }
        let live = live(totesys).await;
        let other = |star: &str, builds: &[Vec<u8>; 2]| {
            builds.iter().find(|build| digest(build) != live.stars[star].digest).unwrap().clone()
        };
        let components = match round % 4 {
            0 => vec![other("picky", &self.picky)],
            1 => vec![other("picky", &self.picky), other("sales", &self.sales)],
            _ => vec![other("sales", &self.sales)],
        };
        totesys.publish(&components, "another").await
    }
}

async fn live(totesys: &Totesys) -> Stored<CatalogRecord> {
    totesys.lake.newest_catalog().await.unwrap().unwrap()
}

fn digest(component: &[u8]) -> String {
    Digest::of(component).to_string()
}

/// The source's life, beside runs and swaps.
struct Life {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Counts>,
}

impl Life {
    async fn begin(totesys: &Totesys) -> Self {
        let source = &totesys.source;
        let mut simulator =
            Simulator::connect(&source.settings(), "public", rates(), 4, Start::AfterNewest).await.unwrap();
        let session = source.connect().await;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut random = Random::new(5);
            let mut steps = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                simulator.step().await.unwrap();
                steps += 1;
                if steps.is_multiple_of(8) {
                    session.batch_execute(MALFORM).await.unwrap();
                    session.batch_execute(CHANGE).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(random.between(0, 20).unsigned_abs())).await;
            }
            simulator.settle().await.unwrap();
            simulator.counts()
        });
        Self { stop, task }
    }

    async fn end(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}
