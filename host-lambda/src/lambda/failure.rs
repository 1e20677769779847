//! Errors as Step Functions sees them: a type that `ErrorEquals` can name, and a message without row data.

use std::fmt;

use crate::{HostError, Stage, StarFailure};
use lambda_runtime::Diagnostic;

/// What stopped a call, and the star it was about where the call is for several.
pub(crate) struct Stopped {
    star: Option<String>,
    pub(crate) error: HostError,
}

impl From<HostError> for Stopped {
    fn from(error: HostError) -> Self {
        Self { star: None, error }
    }
}

impl Stopped {
    /// What the call fails with when stars did: a refused login first, because another one may help; then the first.
    pub(crate) fn first_of(mut failures: Vec<StarFailure>) -> Option<Self> {
        let refused = failures.iter().position(|failure| failure.error.is_refused_login());
        if failures.is_empty() {
            return None;
        }
        let StarFailure { star, error } = failures.swap_remove(refused.unwrap_or_default());
        Some(Self { star: Some(star), error })
    }
}

/// A failure in words: its type, what happened, and what to do about it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: &'static str,
    said: String,
}

impl Failure {
    /// A request that is none of the stage's.
    pub(crate) fn request(stage: Stage, form: &str) -> Self {
        let stage = stage.name();
        Self {
            kind: "Settings",
            said: format!(
                "this is no request to the stage `{stage}` (hint: the state machine sends {form} to the function whose \
                 TOTESYS_STAGE is {stage})"
            ),
        }
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

// The runtime logs it as `Debug` prints it.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.said)
    }
}

impl From<Stopped> for Failure {
    fn from(Stopped { star, error }: Stopped) -> Self {
        let star = star.map_or_else(String::new, |star| format!("star `{star}`: "));
        let hint = error.hint().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
        Self { kind: kind(&error), said: format!("{star}{}{hint}", crate::sentence(&error)) }
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure { kind, said }: Failure) -> Self {
        Self { error_type: kind.to_owned(), error_message: said }
    }
}

/// The type. What may pass has a type of its own, which the state machine tries again.
fn kind(error: &HostError) -> &'static str {
    match (error, error.is_transient()) {
        (HostError::Settings(_) | HostError::Connection(_), _) => "Settings",
        (HostError::Secret(_), false) => "Secret",
        (HostError::Secret(_), true) => "SecretUnavailable",
        (HostError::Source(_), true) => "SourceUnavailable",
        (HostError::Source(_) | HostError::OtherSource { .. } | HostError::UnreadableKeys { .. }, _) => "Source",
        (HostError::Lake(_), true) => "LakeUnavailable",
        (
            HostError::Lake(_)
            | HostError::Baseline { .. }
            | HostError::NoManifest { .. }
            | HostError::NoCatalogRecord { .. }
            | HostError::TableNotIngested { .. }
            | HostError::Rows { .. }
            | HostError::NoBackfill { .. }
            | HostError::NoChunk { .. }
            | HostError::ChunksMissing { .. },
            _,
        ) => "Lake",
        (HostError::Warehouse(_), true) => "WarehouseUnavailable",
        (HostError::Warehouse(_), false) => "Warehouse",
        (HostError::Sandbox(_) | HostError::Worker, _) => "Component",
        (HostError::TooManyRefused { .. }, _) => "Refused",
        (HostError::Overtaken { .. }, _) => "Overtaken",
        (HostError::TableMoved { .. }, _) => "TableMoved",
        _ => "Catalog",
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::SettingsError;
    use totesys_lake::LakeError;
    use totesys_postgres::ConnectionError;
    use totesys_sandbox::SandboxError;
    use totesys_secrets::SecretError;
    use totesys_source::SourceError;
    use totesys_warehouse::WarehouseError;

    use super::*;

    fn refused_by(transient: bool) -> ConnectionError {
        let place = "reader@db:5432/totesys".to_owned();
        if transient {
            ConnectionError::TimedOut { place, waited: std::time::Duration::from_secs(15) }
        } else {
            ConnectionError::PasswordMissing { place }
        }
    }

    fn secret(code: &str) -> HostError {
        let source = std::io::Error::other("x").into();
        SecretError::Failed { secret: "acme/source".into(), code: Some(code.to_owned()), source }.into()
    }

    fn lake(code: &str) -> HostError {
        let request = totesys_lake::Request { operation: "get", bucket: "b".into(), key: "k".into() };
        LakeError::Failed { request, code: Some(code.to_owned()), source: std::io::Error::other("x").into() }.into()
    }

    #[test]
    fn what_may_pass_has_a_type_of_its_own() {
        let star = || "visits".to_owned();
        for (error, kind) in [
            (SettingsError::Missing { key: "source.url", hint: "" }.into(), "Settings"),
            (HostError::from(refused_by(false)), "Settings"),
            (secret("DecryptionFailure"), "Secret"),
            (secret("ThrottlingException"), "SecretUnavailable"),
            (HostError::from(SourceError::from(refused_by(false))), "Source"),
            (HostError::from(SourceError::from(refused_by(true))), "SourceUnavailable"),
            (lake("NotImplemented"), "Lake"),
            (lake("SlowDown"), "LakeUnavailable"),
            (HostError::NoManifest { batch: 7 }, "Lake"),
            (HostError::from(WarehouseError::Connect(Box::new(refused_by(false)))), "Warehouse"),
            (HostError::from(WarehouseError::Connect(Box::new(refused_by(true)))), "WarehouseUnavailable"),
            (HostError::from(SandboxError::Key), "Component"),
            (HostError::Overtaken { batch: 7 }, "Overtaken"),
            (HostError::TableMoved { table: "visit".into(), reason: "another-file" }, "TableMoved"),
            (HostError::NoBackfill { plan: "0123456789abcdef".into() }, "Lake"),
            (HostError::EmptyCatalog, "Catalog"),
            (HostError::UnknownCatalog { number: 7 }, "Catalog"),
            (HostError::UnknownStar(star()), "Catalog"),
            (
                HostError::TooManyRefused {
                    star: star(),
                    batch: 7,
                    delivered_as: "changes",
                    refused: 3,
                    delivered: 4,
                    share: 0.2,
                },
                "Refused",
            ),
        ] {
            let diagnostic = Diagnostic::from(Failure::from(Stopped::from(error)));
            assert_eq!(diagnostic.error_type, kind, "{}", diagnostic.error_message);
        }
    }

    #[test]
    fn a_failure_says_what_happened_to_which_star_and_what_to_do() {
        let failures = ["a", "b"].map(|star| StarFailure { star: star.into(), error: HostError::EmptyCatalog });
        let stopped = Stopped::first_of(failures.into()).unwrap();
        assert_eq!(
            format!("{:?}", Failure::from(stopped)),
            "Catalog: star `a`: no component is live: the catalog is empty (hint: `cargo xtask run` publishes the \
             bundled components first)"
        );
        assert!(Stopped::first_of(Vec::new()).is_none());
    }
}
