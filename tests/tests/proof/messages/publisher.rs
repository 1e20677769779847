//! What is said of a publication.

use star_contract::DescriptionError;
use totesys_lake::LakeError;
use totesys_publisher::{InspectError, PublishError, compile, inspect};
use totesys_sandbox::{Digest, SandboxError};

use super::{Kinds as _, example, io, pin};

kinds! {
    PublishError in "host-lambda/publisher/src/error.rs":
    Inspect, Compile, Component, StarTwice, Together, Lake, Overtaken, Unvouched, Collected, Cache, EmptyCatalog, NoRecord,
    NothingBefore,
}

kinds! {
    InspectError in "host-lambda/publisher/src/inspect.rs":
    NotAComponent, Unreadable, ForbiddenImport, NoTransform, OtherContract,
}

#[test]
fn every_kind_of_failed_publication_is_worded() {
    let errors = [
        PublishError::Inspect(InspectError::NoTransform),
        PublishError::Compile {
            digest: Digest::from_hex(&"0123456789abcdef".repeat(4)).expect("that is a digest"),
            source: compile(b"").err().expect("no bytes are no component"),
        },
        PublishError::Component(SandboxError::Key),
        PublishError::StarTwice("payments".into()),
        PublishError::Together(DescriptionError {
            subject: "fact_payment".into(),
            problem: "several stars write this fact",
        }),
        PublishError::Lake(LakeError::BucketName { name: "Totesys_code".into() }),
        PublishError::Overtaken(4),
        PublishError::Unvouched { star: "payments".into(), digest: "0123456789abcdef".repeat(4) },
        PublishError::Collected { digest: "0123456789abcdef".repeat(4) },
        PublishError::Cache { path: "artefacts/0123/wasmtime-1.cwasm".into(), source: io() },
        PublishError::EmptyCatalog,
        PublishError::NoRecord(7),
        PublishError::NothingBefore(3),
    ];
    pin::<PublishError>("publish_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}

#[test]
fn every_kind_of_file_that_is_no_component_of_a_star_is_worded() {
    // It begins as a component, and ends in the middle of a section.
    let cut_off = inspect(b"\0asm\x0d\0\x01\0\x07").expect_err("it is cut off");
    let forbidden = |import: &str| InspectError::ForbiddenImport { import: import.to_owned() };
    let other = |found: &str| InspectError::OtherContract { found: found.to_owned() };
    let errors = [
        InspectError::NotAComponent("it is a core module"),
        cut_off,
        forbidden("wasi:clocks/wall-clock@0.2.0"),
        forbidden("totesys:star/log@0.9.0"),
        InspectError::NoTransform,
        other("0.9.0"),
        other("0.0.1"),
    ];
    pin::<InspectError>("inspect_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
