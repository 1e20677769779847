//! A process for a test to freeze, between two batches or in the middle of a call.
//!
//! `frozen batches` makes a batch for each line it is told, each call of which may take 300 ms. `frozen call` makes
//! calls that never end by themselves, each of which may take as long as its second argument says.

use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int32Array, RecordBatch};
use totesys_sandbox::{LimitName, Limits, Sandbox, SandboxError};
use totesys_tests::{Data, Totesys, trusted};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["batches"] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            runtime.block_on(batches());
        }
        ["call", milliseconds] => calls(milliseconds.parse().expect("a number")),
        _ => panic!("`frozen batches` or `frozen call <milliseconds>`"),
    }
}

/// Waits until the test wants something; false when it wants nothing more.
fn told() -> bool {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("stdin can be read") > 0
}

async fn batches() {
    let totesys = Totesys::start(Data::Sample).await;
    let pipeline = totesys.pipeline_within(Limits { call_milliseconds: 300, ..Limits::default() });
    println!("ready");
    while tokio::task::block_in_place(told) {
        totesys.source.execute("UPDATE sales_order SET units_sold = units_sold + 1").await;
        totesys.source.execute("UPDATE purchase_order SET item_quantity = item_quantity + 1").await;
        let report = Box::pin(pipeline.run()).await.expect("the source and the lake are well");
        println!("{} loads, failures: {:?}", report.loads.len(), report.failures);
    }
}

fn calls(call_milliseconds: u64) {
    let limits = Limits { call_milliseconds, ..Limits::default() };
    let sandbox = Sandbox::new(limits).expect("the sandbox starts");
    let component = sandbox.load(&trusted("hostile", "hostile")).expect("it can be loaded");
    let description = Arc::new(component.describe().expect("it describes itself"));
    let ids = Int32Array::from_iter_values(0..100);
    let rows = RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).expect("rows");
    println!("ready");
    while told() {
        let mut transformer = component.begin(1, Arc::clone(&description)).expect("it begins");
        println!("calling");
        let begun = Instant::now();
        let outcome = transformer.push("loop", &rows);
        let took: Duration = begun.elapsed();
        let stopped = matches!(&outcome, Err(SandboxError::Limit { limit: LimitName::Time, .. }));
        assert!(stopped, "{outcome:?}");
        println!("stopped after {}", took.as_millis());
    }
}
