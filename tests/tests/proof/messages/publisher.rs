//! What is said of a publication.

use totesys_lake::LakeError;
use totesys_publisher::{PublishError, compile};
use totesys_sandbox::{Digest, SandboxError};

use super::{Kinds as _, example, io, pin};

kinds! {
    PublishError in "host-lambda/publisher/src/publish.rs":
    Compile, Component, StarTwice, Lake, Overtaken, Cache,
}

#[test]
fn every_kind_of_failed_publication_is_worded() {
    let errors = [
        PublishError::Compile {
            digest: Digest::from_hex(&"0123456789abcdef".repeat(4)).expect("that is a digest"),
            source: compile(b"").err().expect("no bytes are no component"),
        },
        PublishError::Component(SandboxError::Key),
        PublishError::StarTwice("payments".into()),
        PublishError::Lake(LakeError::BucketName { name: "Totesys_code".into() }),
        PublishError::Overtaken(4),
        PublishError::Cache { path: "artefacts/0123/wasmtime-1.cwasm".into(), source: io() },
    ];
    pin::<PublishError>("publish_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
