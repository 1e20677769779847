//! What host and templates both say, and neither may learn from the other: names of buckets, metrics and errors.

use std::collections::{BTreeMap, BTreeSet};

use host_lambda::metrics::{self, Metric};
use infra_templates::machine::FUNCTION_ERRORS;
use infra_templates::{BUCKETS, Names};
use totesys_lake::{Bucket, BucketNames};

#[test]
fn the_buckets_that_are_made_are_those_that_are_used() {
    let (made, used) = (Names::new("acme"), BucketNames::with_prefix("acme"));
    let made: Vec<String> = BUCKETS.iter().map(|purpose| made.bucket(purpose)).collect();
    let used: Vec<&str> = Bucket::ALL.iter().map(|bucket| used.name(*bucket)).collect();
    assert_eq!(made, used);
}

#[test]
fn what_is_measured_is_what_alarms_and_dashboard_look_at() {
    let told: BTreeMap<_, _> = Metric::ALL.iter().map(|metric| (metric.name(), metric.unit())).collect();
    let looked_at: BTreeMap<_, _> =
        infra_templates::metrics::METRICS.iter().map(|metric| (metric.name, metric.unit)).collect();
    assert_eq!(told, looked_at);
    assert_eq!(metrics::NAMESPACE, infra_templates::metrics::NAMESPACE);
    assert_eq!(metrics::DIMENSION, infra_templates::metrics::DIMENSION);
}

/// The types of errors are literals of one file, so that is where they are read.
#[test]
fn every_error_of_a_function_is_known_to_the_state_machine() {
    let source = include_str!("../../../host-lambda/src/lambda/failure.rs");
    let code = source.split("#[cfg(test)]\nmod").next().unwrap();
    let literal = |text: &'static str| text.split('"').nth(1);
    let types: BTreeSet<&str> = code
        .match_indices("=> \"")
        .chain(code.match_indices("kind: \""))
        .filter_map(|(at, _)| literal(&code[at..]))
        .collect();
    assert_eq!(types, FUNCTION_ERRORS.iter().map(|error| error.name).collect());
}
