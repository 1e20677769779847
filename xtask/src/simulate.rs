//! `simulate`: a source that lives.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::json;
use tokio::time::Instant;
use totesys_postgres::ConnectionSettings;
use totesys_simulate::{Counts, Event, FillReport, Moment, Rates, Simulator, Start};

use crate::arguments::Simulate;
use crate::hint::advise;
use crate::place::{Databases, say};

/// What a simulation came to.
struct Simulated {
    from: Moment,
    to: Moment,
    counts: Counts,
}

/// Fills the source if that is asked for, and lets simulated time pass until it is up or the user interrupts.
pub(crate) async fn simulate(settings: Settings, demo: bool, arguments: &Simulate) -> Result<()> {
    let databases = unless_interrupted(Databases::open(&settings, demo), "nothing was written").await?;
    let (source, schema) = (databases.source()?, settings.source.schema.as_str());
    say(&format!("simulating in {source}, seed {}", arguments.seed));
    let started = Instant::now();
    let filled = match arguments.orders {
        Some(orders) => Some(fill(source, schema, orders, arguments.seed).await?),
        None => None,
    };
    let only_fills = arguments.orders.is_some() && arguments.days.is_none() && arguments.speed.is_none();
    let lived = if only_fills { None } else { Some(live(source, schema, arguments).await?) };
    let seconds = started.elapsed().as_secs_f64();
    if arguments.output.json {
        let lived = lived
            .map(|lived| json!({ "from": lived.from.to_string(), "to": lived.to.to_string(), "counts": lived.counts }));
        println!("{}", json!({ "seed": arguments.seed, "seconds": seconds, "filled": filled, "simulated": lived }));
        return Ok(());
    }
    if let Some(filled) = filled {
        println!("{:>10} sales orders written", filled.sales_orders);
        println!("{:>10} purchase orders written", filled.purchase_orders);
        println!("{0:>10} transactions and {0} payments written", filled.transactions);
        println!("rows in {:.1} s, keys in {:.1} s", filled.rows_seconds, filled.keys_seconds);
    }
    if let Some(lived) = lived {
        for (what, times) in lived.counts.lines().into_iter().filter(|(_, times)| *times > 0) {
            println!("{times:>10} {what}");
        }
        println!("from {} to {} in {seconds:.1} s", lived.from, lived.to);
    }
    Ok(())
}

async fn fill(source: &ConnectionSettings, schema: &str, orders: u64, seed: u64) -> Result<FillReport> {
    let filling = async { Ok(totesys_simulate::fill(source, schema, orders, seed).await?) };
    unless_interrupted(filling, "the source is as it was; the next fill drops what this one left").await
}

async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>, state: &str) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(advise("interrupted", state))
        }
    }
}

async fn live(source: &ConnectionSettings, schema: &str, arguments: &Simulate) -> Result<Simulated> {
    let mut rates = Rates::default();
    for (name, rate) in &arguments.rate {
        rates.set(name, *rate)?;
    }
    // None is as fast as the source takes it.
    let speed = arguments.speed.or(if arguments.days.is_some() { None } else { Some(1.0) });
    let start = match arguments.from {
        Some(from) => Start::At(from),
        None if speed == Some(1.0) => Start::At(Moment::now()),
        None => Start::AfterNewest,
    };
    let connecting = async { Ok(Simulator::connect(source, schema, rates, arguments.seed, start).await?) };
    let mut simulator = unless_interrupted(connecting, "nothing has happened yet").await?;
    let from = simulator.clock();
    let until = arguments.days.map(|days| from.plus_days(days));
    say(&format!("the simulated clock begins at {from}; Ctrl-C ends it"));
    let began = Instant::now();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    while until.is_none_or(|until| simulator.next_at() <= until) {
        let passed = (simulator.next_at().0 - from.0).max(0) as f64 / 1000.0;
        let wait = speed.map_or(Duration::ZERO, |speed| Duration::from_secs_f64((passed / speed).min(1e9)));
        // Only waiting is interrupted, never a step.
        tokio::select! {
            biased;
            interrupted = &mut interrupted => {
                interrupted?;
                break;
            }
            () = tokio::time::sleep_until(began + wait) => {}
        }
        let events = simulator.step().await?;
        if speed.is_some() {
            events.iter().for_each(tell);
        }
    }
    // What is written then is committed: an open transaction would be lost with the connection.
    simulator.settle().await?;
    Ok(Simulated { from, to: simulator.clock(), counts: simulator.counts() })
}

fn tell(event: &Event) {
    let key = event.key.map(|key| format!(" {key}")).unwrap_or_default();
    say(&format!("{} {}{key}", event.at, event.kind.words()));
}
