use std::collections::BTreeMap;

use super::*;
use crate::RawEnvironment;

fn environment(change: impl Fn(&mut RawEnvironment)) -> Environment {
    let mut raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("acme-totesys".to_owned()),
        ..RawEnvironment::default()
    };
    change(&mut raw);
    raw.check("test", BTreeMap::new()).unwrap()
}

fn every(minutes: f64) -> Volume {
    Volume { schedule_minutes: Some(minutes), ..Volume::default() }
}

#[test]
fn the_default_stays_under_five_dollars() {
    for region in ["eu-west-2", "us-east-1"] {
        let environment = environment(|raw| raw.region = Some(region.to_owned()));
        let estimate = estimate(&environment, Volume::default()).unwrap();
        assert!(estimate.left < 5.0, "{}", estimate.text());
        // An account whose allowances are used up pays more, and is told so.
        assert!(estimate.list > estimate.left);
    }
}

#[test]
fn a_run_each_minute_costs_more_and_a_glue_job_more_still() {
    let environment = environment(|_| ());
    let [ten, one] = [10.0, 1.0].map(|minutes| estimate(&environment, every(minutes)).unwrap());
    assert!(one.left > ten.left && one.left < 15.0, "{}", one.text());
    // 4,383 runs of two DPUs for a minute at 0.44 an hour.
    assert!((ten.glue_job - 4_383.0 * 2.0 / 60.0 * 0.44).abs() < 0.01, "{}", ten.glue_job);
    assert!(one.left_with_glue > 600.0);
}

#[test]
fn what_is_more_costs_more() {
    let cost = |environment: &Environment, volume| estimate(environment, volume).unwrap().list;
    let plain = environment(|_| ());
    let base = cost(&plain, every(10.0));
    let more_rows = Volume { rows_per_day: 100_000.0, ..every(10.0) };
    let larger = Volume { source_rows: 10_000_000.0, ..every(10.0) };
    let private = Volume { private_network: true, ..every(10.0) };
    for (what, dearer) in [
        ("more rows", cost(&plain, more_rows)),
        ("a larger source", cost(&plain, larger)),
        ("a private network", cost(&plain, private)),
        ("Intel", cost(&environment(|raw| raw.architecture = Some("x86_64".to_owned())), every(10.0))),
        ("more memory", cost(&environment(|raw| raw.load.memory = Some(3_538)), every(10.0))),
    ] {
        assert!(dearer > base, "{what}: {dearer} is not above {base}");
    }
    // Two zones at 0.011 an hour.
    assert!((cost(&plain, private) - base - 2.0 * 730.0 * 0.011).abs() < 0.001);
}

#[test]
fn batches_are_as_many_as_intervals_at_most() {
    let runs = |minutes, rows_per_day| Runs::of(minutes, &Volume { rows_per_day, ..Volume::default() });
    let nothing = runs(10.0, 0.0);
    assert_eq!((nothing.something, nothing.rows_of_a_batch), (0.0, 0.0));
    assert!((nothing.nothing - 4_383.0).abs() < 0.1);
    // 66 intervals on 21.7 days.
    let all = runs(10.0, 1e6);
    assert!((all.something - 66.0 * 21.74).abs() < 1.0, "{}", all.something);
    // One change a day is one batch a day.
    assert!((runs(10.0, 3.0).something - 21.74).abs() < 0.01);
}

#[test]
fn a_cron_schedule_must_be_said_in_minutes() {
    let environment = environment(|raw| raw.schedule = Some("cron(0/15 8-19 ? * MON-FRI *)".to_owned()));
    assert!(matches!(estimate(&environment, Volume::default()), Err(CostError::Schedule { .. })));
    assert_eq!(estimate(&environment, every(0.0)), Err(CostError::NoTime));
    assert!(estimate(&environment, every(15.0)).is_ok());
}

#[test]
fn another_regions_prices_are_said_to_be_others() {
    let estimate = estimate(&environment(|raw| raw.region = Some("eu-west-1".to_owned())), Volume::default()).unwrap();
    assert_eq!((estimate.region, estimate.own_region), ("eu-west-2", false));
    assert!(estimate.text().contains("look them up"));
}
