//! What a hostile component can do: nothing but fail its own batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int32Array, RecordBatch};
use totesys_sandbox::{LimitName, Limits, Sandbox, SandboxError, Transformer};
use totesys_tests::trusted;

/// Small, so that every limit is met quickly.
fn limits() -> Limits {
    Limits {
        memory_bytes: 32 << 20,
        call_milliseconds: 300,
        output_rows_floor: 10_000,
        output_bytes_floor: 4 << 20,
        ..Limits::default()
    }
}

/// How long a misbehaviour may take to be stopped, debug build and a busy machine included.
const BOUND: Duration = Duration::from_secs(20);

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

/// Each behaviour with the error it must give: kind, message and hint.
#[test]
fn every_misbehaviour_is_a_typed_error_and_the_host_works_on() {
    let sandbox = Sandbox::new(limits()).unwrap();
    let mut said = Vec::new();
    for behaviour in hostile::BEHAVIOURS {
        let started = Instant::now();
        let outcome = misbehave(&sandbox, behaviour);
        assert!(started.elapsed() < BOUND, "{behaviour} took {:?}", started.elapsed());
        said.push(match &outcome {
            Ok(rows) => format!("{behaviour}: {rows} rows"),
            Err(error) => {
                let kind = format!("{error:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned();
                let digest = error.to_string().replace(&trusted_digest(), "DIGEST");
                format!("{behaviour}: {kind}\n  {digest}\n  hint: {}", error.hint().unwrap_or_default())
            }
        });
        // The next batch of a component that behaves runs.
        assert_eq!(misbehave(&sandbox, "behave").unwrap(), 100, "after {behaviour}");
    }
    insta::assert_snapshot!(said.join("\n"));
}

fn trusted_digest() -> String {
    totesys_sandbox::Digest::of(&totesys_tests::component("hostile")).to_string()[..12].to_owned()
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
fn a_component_published_for_another_star_is_refused() {
    let sandbox = Sandbox::new(limits()).unwrap();
    let error = sandbox.load(&trusted("sales", "payments")).unwrap().describe().unwrap_err();
    assert!(matches!(error, SandboxError::Malformed { .. }), "{error}");
}

#[test]
fn a_core_module_is_no_component() {
    let module = b"\0asm\x01\0\0\0";
    assert!(totesys_publisher::compile(module).is_err());
    assert!(totesys_publisher::compile(b"").is_err());
}
