//! What is said of a component.

use std::sync::Arc;

use arrow_array::{Int32Array, RecordBatch};
use star_contract::DescriptionError;
use totesys_sandbox::{Context, Digest, LimitName, Limits, Sandbox, SandboxError};
use totesys_tests::trusted;

use super::{Kinds as _, example, io, pin};

kinds! {
    SandboxError in "host-lambda/sandbox/src/error.rs":
    Limit, Trapped, GaveUp, Malformed, Description, Contract, OtherContract, Unverified, OtherEngine, Key, Engine,
}

kinds! {
    LimitName: Memory, Table, Time, Stack, Lifted, OutputRows, OutputBytes, ReasonCodes, Fuel, Instances, Tables,
    Memories,
}

fn star() -> String {
    "payments".to_owned()
}

fn digest() -> Digest {
    Digest::from_hex(&"0123456789abcdef".repeat(4)).expect("that is a digest")
}

fn context(batch: Option<u64>, call: &str) -> Box<Context> {
    Box::new(Context { star: star(), component: digest(), batch, call: call.to_owned() })
}

fn over(limit: LimitName, allowed: u64, asked: Option<u64>) -> SandboxError {
    SandboxError::Limit { context: context(Some(7), "payment"), limit, allowed, asked }
}

/// Only a component itself can give up: its words have no public type.
fn gave_up() -> SandboxError {
    let sandbox = Sandbox::new(Limits::default()).unwrap();
    let component = sandbox.load(&trusted("hostile", "hostile")).unwrap();
    let description = Arc::new(component.describe().unwrap());
    let rows = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from_iter_values(0..100)) as _)]).unwrap();
    let outcome = component.begin(7, description).unwrap().push("fail", &rows);
    let Err(SandboxError::GaveUp { words, .. }) = outcome else { panic!("the component gives up") };
    SandboxError::GaveUp { context: context(Some(7), "payment"), words }
}

#[test]
fn every_kind_of_trouble_with_a_component_is_worded() {
    let errors = [
        over(LimitName::Memory, 512 << 20, Some(600 << 20)),
        SandboxError::Trapped { context: context(Some(7), "payment"), source: io().into() },
        gave_up(),
        SandboxError::Malformed {
            context: context(Some(7), "payment"),
            problem: "it refused a row that was not pushed",
        },
        SandboxError::Description {
            context: context(None, "describe"),
            source: DescriptionError { subject: "fact_payment".into(), problem: "it has no columns" },
        },
        SandboxError::Contract { star: star(), source: io().into() },
        SandboxError::OtherContract { star: star(), found: Some("0.9.0".into()) },
        SandboxError::OtherContract { star: star(), found: Some("0.0.1".into()) },
        SandboxError::OtherContract { star: star(), found: None },
        SandboxError::Unverified {
            star: star(),
            component: digest(),
            problem: "its bytes are not the ones that were signed",
        },
        SandboxError::OtherEngine { star: star(), expected: "wasmtime-2".into(), found: "wasmtime-1".into() },
        SandboxError::Key,
        SandboxError::Engine(io().into()),
    ];
    pin::<SandboxError>("sandbox_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}

#[test]
fn every_limit_is_worded() {
    let errors = [
        (LimitName::Memory, over(LimitName::Memory, 512 << 20, Some(600 << 20))),
        (LimitName::Table, over(LimitName::Table, 20_000, Some(30_000))),
        (LimitName::Time, over(LimitName::Time, 30_000, None)),
        (LimitName::Stack, over(LimitName::Stack, 1 << 20, None)),
        (LimitName::Lifted, over(LimitName::Lifted, 128 << 20, None)),
        (LimitName::OutputRows, over(LimitName::OutputRows, 1 << 20, Some(2 << 20))),
        (LimitName::OutputBytes, over(LimitName::OutputBytes, 64 << 20, Some(65 << 20))),
        (LimitName::ReasonCodes, over(LimitName::ReasonCodes, 64, Some(65))),
        (LimitName::Fuel, over(LimitName::Fuel, 1_000_000_000, None)),
        (LimitName::Instances, over(LimitName::Instances, 16, None)),
        (LimitName::Tables, over(LimitName::Tables, 16, None)),
        (LimitName::Memories, over(LimitName::Memories, 1, None)),
    ];
    let examples = errors.iter().map(|(limit, error)| example(limit.kind_name(), error, error.hint()));
    pin::<LimitName>("sandbox_limits", examples);
}
