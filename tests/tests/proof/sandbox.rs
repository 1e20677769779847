//! What a hostile component can do: nothing but fail its own batch.

mod by_hand;
mod imports;
mod memory;
mod suite;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int32Array, RecordBatch};
use totesys_sandbox::{LimitName, Limits, Sandbox, SandboxError, Transformer};
use totesys_tests::{trusted, trusted_bytes};

use suite::hostile_with;

/// Small, so that every limit is met quickly.
fn limits() -> Limits {
    Limits {
        memory_bytes: 32 << 20,
        call_milliseconds: 300,
        lifted_bytes: 8 << 20,
        output_rows_floor: 10_000,
        output_bytes_floor: 4 << 20,
        ..Limits::default()
    }
}

fn rows() -> RecordBatch {
    let ids = Int32Array::from_iter_values(0..100);
    RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).unwrap()
}

fn begin(sandbox: &Sandbox) -> Transformer {
    let component = sandbox.load(&trusted("hostile", "hostile")).unwrap();
    let description = component.describe().unwrap();
    component.begin(7, Arc::new(description)).unwrap()
}

fn misbehave(sandbox: &Sandbox, behaviour: &str) -> Result<usize, SandboxError> {
    let produced = begin(sandbox).push(behaviour, &rows())?;
    Ok(produced.outputs.iter().map(|(_, rows)| rows.num_rows()).sum())
}

/// Everything a component is known to try, with the error it must give: kind, message and hint.
#[test]
fn every_misbehaviour_is_a_typed_error_and_the_host_works_on() {
    insta::assert_snapshot!(suite::run().join("\n"));
}

#[test]
fn a_time_limit_is_kept() {
    let sandbox = Sandbox::new(limits()).unwrap();
    let started = Instant::now();
    let error = misbehave(&sandbox, "loop").unwrap_err();
    assert!(matches!(error, SandboxError::Limit { limit: LimitName::Time, allowed: 300, .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(250), "{:?}", started.elapsed());
}

#[test]
fn the_words_of_a_component_are_not_printed() {
    let sandbox = Sandbox::new(limits()).unwrap();
    let error = misbehave(&sandbox, "fail").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("gives up"), "{error:?}");
    assert!(matches!(error, SandboxError::GaveUp { words, .. } if words.0 == "the star gives up"));
}

#[test]
fn a_change_is_refused_by_its_own_push_only() {
    let mut transformer = begin(&Sandbox::new(limits()).unwrap());
    assert_eq!(transformer.push("refuse-first", &rows()).unwrap().refused.len(), 1);
    // The second push refuses a row of the first.
    let error = transformer.push("refuse-first", &rows()).unwrap_err();
    assert!(matches!(error, SandboxError::Malformed { problem, .. } if problem.contains("own push")), "{error}");
}

#[test]
fn a_component_is_asked_anew_each_time_and_so_cannot_change_its_description() {
    let sandbox = Sandbox::new(limits()).unwrap();
    let component = sandbox.load(&trusted_bytes(&hostile_with("changing"), "hostile")).unwrap();
    let first = component.describe().unwrap();
    assert_eq!(component.describe().unwrap(), first);
    // What it would describe by now counts for nothing: its batch is held against the description given.
    let error = component.begin(7, Arc::new(first)).unwrap().push("behave", &rows()).unwrap_err();
    assert!(matches!(error, SandboxError::Malformed { problem, .. } if problem.contains("does not describe")));
}

#[test]
fn a_component_published_for_another_star_is_refused() {
    let sandbox = Sandbox::new(limits()).unwrap();
    let error = sandbox.load(&trusted("sales", "payments")).unwrap().describe().unwrap_err();
    assert!(matches!(error, SandboxError::Malformed { .. }), "{error}");
}
