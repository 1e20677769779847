//! The errors a machine meets by name: those of our functions (`errorType`), of AWS Lambda and of Step Functions.

use super::states::Retry;

/// An error of our functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionError {
    /// Its `errorType`.
    pub name: &'static str,
    /// Whether it may be gone in a moment, so that it is tried again.
    pub retried: bool,
    /// What it means, for a person.
    pub meaning: &'static str,
}

const fn error(name: &'static str, meaning: &'static str) -> FunctionError {
    FunctionError { name, retried: false, meaning }
}

const fn passing(name: &'static str, meaning: &'static str) -> FunctionError {
    FunctionError { name, retried: true, meaning }
}

/// Every error the functions fail with.
pub const FUNCTION_ERRORS: [FunctionError; 14] = [
    error("Settings", "the settings of the function are wrong: correct the settings file and deploy"),
    error("Source", "the source database refused what was asked of it"),
    passing("SourceUnavailable", "the source database could not be reached, or broke off"),
    error("Lake", "an object in the lake is missing, or is not what its manifest says"),
    passing("LakeUnavailable", "the buckets could not be reached"),
    error("Warehouse", "the warehouse refused what was written to it"),
    passing("WarehouseUnavailable", "the warehouse could not be reached, or broke off"),
    error("Component", "the component of the star gave up, or went beyond a limit of the sandbox"),
    error("Refused", "more rows were refused than the settings allow: look at them with `cargo xtask quarantine`"),
    error("Catalog", "a component of the catalog cannot be used: its signature or its compiled form is missing"),
    passing("Overtaken", "another run was faster, again and again"),
    error("TableMoved", "the table was rewritten while it was read in chunks (VACUUM FULL or CLUSTER)"),
    error("Secret", "a secret of a database is not set, or is not readable: `cargo xtask secret set`"),
    passing("SecretUnavailable", "the secrets could not be reached"),
];

/// Errors of the services that a mail explains.
pub(super) const SERVICE_ERRORS: [(&str, &str); 5] = [
    ("Sandbox.Timedout", "the function ran into its time limit: give it more time, or memory, which is also speed"),
    ("Runtime.ExitError", "the process of the function ended, mostly for want of memory"),
    ("Lambda.TooManyRequestsException", "AWS Lambda had no room: the account runs too many functions at once"),
    ("States.Timeout", "a step ran into its time limit"),
    ("States.ExceedToleratedFailureThreshold", "a chunk failed, the log says which and why"),
];

/// Errors of AWS Lambda that have nothing to do with the function.
const LAMBDA: [&str; 4] = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

/// What is tried again when a function was called. All waits together stay below two minutes, so that an execution has
/// its time for work; what lasts longer is tried by the next scheduled execution.
pub(super) fn of_a_function() -> Vec<Retry> {
    let ours = FUNCTION_ERRORS.iter().filter(|error| error.retried).map(|error| error.name).collect();
    vec![retry(ours, 4, 5, 40), retry(LAMBDA.to_vec(), 5, 1, 20)]
}

/// What is tried again besides when a call goes on where another was stopped by the function's time limit.
pub(super) fn of_what_goes_on() -> Retry {
    retry(vec!["Sandbox.Timedout", "States.Timeout"], 10, 1, 5)
}

/// What is tried again when another service was called.
pub(super) fn of_a_service() -> Vec<Retry> {
    vec![retry(vec!["States.TaskFailed"], 3, 1, 10)]
}

fn retry(error_equals: Vec<&'static str>, max_attempts: u64, interval_seconds: u64, max_delay_seconds: u64) -> Retry {
    Retry {
        error_equals,
        interval_seconds,
        backoff_rate: 2.0,
        max_attempts,
        max_delay_seconds,
        jitter_strategy: "FULL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_gone_in_a_moment_is_tried_again() {
        for error in FUNCTION_ERRORS {
            let passing = error.name.ends_with("Unavailable") || error.name == "Overtaken";
            assert_eq!(error.retried, passing, "{}", error.name);
        }
    }

    #[test]
    fn the_waits_together_stay_below_two_minutes() {
        for retry in of_a_function() {
            let waits =
                (0..retry.max_attempts).map(|attempt| (retry.interval_seconds << attempt).min(retry.max_delay_seconds));
            assert!(waits.sum::<u64>() < 120, "{retry:?}");
        }
    }
}
