//! What is said of secrets.

use totesys_secrets::SecretError;

use super::{Kinds as _, example, io, pin};

kinds! {
    SecretError: Unreachable, NoCredentials, AccessDenied, NotFound, Failed, Unusable,
}

#[test]
fn every_reason_why_a_secret_gives_no_address_is_worded() {
    let secret = || "acme-totesys/source".to_owned();
    let failed = |code: Option<&str>| SecretError::Failed {
        secret: secret(),
        code: code.map(str::to_owned),
        source: Box::new(io()),
    };
    let errors = [
        SecretError::Unreachable { secret: secret(), source: Box::new(io()) },
        SecretError::NoCredentials { secret: secret(), source: Box::new(io()) },
        SecretError::AccessDenied { secret: secret(), source: Box::new(io()) },
        SecretError::NotFound { secret: secret(), source: Box::new(io()) },
        failed(Some("DecryptionFailure")),
        failed(Some("InternalServiceError")),
        failed(None),
        SecretError::Unusable { secret: secret(), problem: "it has no `host`" },
    ];
    let transient = errors.iter().filter(|error| error.is_transient()).count();
    assert_eq!(transient, 3, "what passes by itself");
    pin::<SecretError>("secret_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
