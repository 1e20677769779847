//! What the reader should do about an error, kept apart from what went wrong.

use std::fmt;

use host_lambda::HostError;
use host_lambda::settings::SettingsError;
use star_cases::CaseError;
use totesys_embedded_s3::EmbeddedS3Error;
use totesys_lake::LakeError;
use totesys_postgres::{ConnectionError, PostgresError};
use totesys_publisher::{InspectError, PublishError};
use totesys_sandbox::SandboxError;
use totesys_simulate::SimulateError;

use crate::aws::Mistakes;

/// A failure in one sentence, with what the reader should do about it.
#[derive(Debug)]
struct Advised {
    problem: String,
    hint: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Advised {}

/// An error that says what to do about it.
pub(crate) fn advise(problem: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Advised { problem: problem.into(), hint: hint.into() })
}

/// The first advice in an error's chain.
pub(crate) fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        macro_rules! first_of {
            ($($kind:ty),*) => {
                $(if let Some(error) = cause.downcast_ref::<$kind>() { return error.hint(); })*
            };
        }
        if let Some(advised) = cause.downcast_ref::<Advised>() {
            return Some(advised.hint.clone());
        }
        if let Some(mistakes) = cause.downcast_ref::<Mistakes>() {
            return mistakes.hint();
        }
        first_of!(
            ConnectionError,
            PostgresError,
            HostError,
            SettingsError,
            LakeError,
            EmbeddedS3Error,
            PublishError,
            SandboxError,
            SimulateError,
            CaseError,
            InspectError
        );
        None
    })
}

/// What a component that gave up said: row data, so it goes to this terminal and into no log.
pub(crate) fn words(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| match cause.downcast_ref::<HostError>() {
        Some(HostError::Sandbox(SandboxError::GaveUp { words, .. })) => Some(words.0.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn advice_is_found_below_other_context() {
        let error = Err::<(), _>(advise("the cup is empty", "fill it")).context("no tea").unwrap_err();
        assert_eq!(format!("{error:#}"), "no tea: the cup is empty");
        assert_eq!(of(&error).as_deref(), Some("fill it"));
        assert_eq!(of(&anyhow::anyhow!("no tea")), None);
    }
}
