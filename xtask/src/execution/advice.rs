//! What an error of an execution means, and what to do about it.

use serde_json::Value;

/// A message longer than this is cut, in characters.
const LONGEST: usize = 800;

/// What a failed call says of its reason: the function's message, out of the JSON that AWS makes of it.
pub(crate) fn message(cause: &str) -> String {
    let said = serde_json::from_str::<Value>(cause).ok().and_then(|cause| {
        let message = cause.get("errorMessage").or_else(|| cause.get("message"))?;
        message.as_str().map(str::to_owned)
    });
    let said = said.unwrap_or_else(|| cause.to_owned());
    match said.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

/// What to do about an error type.
pub(crate) fn hint(error: &str, environment: &str) -> String {
    let env = format!("--env {environment}");
    match error {
        "Settings" => format!(
            "correct the settings file and `cargo xtask deploy {env}`; `cargo xtask doctor {env}` names every mistake"
        ),
        "Secret" => format!(
            "`cargo xtask secret set source {env}` and `secret set warehouse {env}` store where the databases are; \
             `doctor {env}` says which is missing or wrong"
        ),
        "SecretUnavailable" => "the secret store did not answer: the next run tries again; functions in a VPC need an \
                                endpoint of Secrets Manager or a way out"
            .to_owned(),
        "Source" => "check the reader's rights on the source's schema, and whether the schema changed".to_owned(),
        "SourceUnavailable" => format!(
            "check that the source runs, and that the functions reach it (`[environments.{environment}.network]`); the \
             next run tries again"
        ),
        "Warehouse" => "check the loader's rights on the warehouse, and whether somebody changed its tables".to_owned(),
        "WarehouseUnavailable" => format!(
            "check that the warehouse runs, and that the functions reach it (`[environments.{environment}.network]`); \
             the next run tries again"
        ),
        "Lake" => {
            format!(
                "something changed the buckets or the roles: `cargo xtask drift {env}` compares them with the templates"
            )
        }
        "LakeUnavailable" => "S3 did not answer: the next run tries again; functions in a VPC need its endpoint \
                              (`route_tables`)"
            .to_owned(),
        "Component" => format!(
            "`cargo xtask transform log {env}` says since when the component is live, `transform rollback {env}` goes \
             back to the one before"
        ),
        "Refused" => format!(
            "too many rows of a batch were refused: `cargo xtask quarantine list --by code {env}` says why; mend the \
             component or the source"
        ),
        "Catalog" => format!(
            "`cargo xtask deploy {env}` compiles and signs the live components for the deployed engine; `transform log \
             {env}` shows what is live"
        ),
        "Overtaken" => "another run did the same work first: nothing is lost, the next run goes on from it".to_owned(),
        "TableMoved" => {
            "the table was rewritten (VACUUM FULL, CLUSTER) while it was read in chunks: the next run plans it again"
                .to_owned()
        }
        "Runtime.OutOfMemory" | "Runtime.ExitError" => format!(
            "the function ended by itself, most often for want of memory: raise `memory` of its stage in \
             `[environments.{environment}.STAGE]` and deploy"
        ),
        "Sandbox.Timedout" | "Lambda.Timeout" => format!(
            "raise `timeout` or `memory` (which brings more processor) in `[environments.{environment}.STAGE]` and \
             deploy"
        ),
        "States.Timeout" => format!(
            "the execution had no more time: the next one goes on from the last finished step; raise \
             `execution_minutes`, or the stages' `memory`, and deploy (`cargo xtask status --aws {env}` shows how far \
             it is)"
        ),
        "States.QueryEvaluationError" | "States.DataLimitExceeded" | "States.Runtime" => {
            format!("the state machine is not the one of this version: `cargo xtask deploy {env}`")
        }
        error if error.contains("AccessDenied") || error == "States.Permissions" => {
            format!("somebody changed a role: `cargo xtask drift {env}` says how, `cargo xtask deploy {env}` mends it")
        }
        error if error.contains("TooManyRequests") || error.contains("Throttl") => {
            "the account's functions are at their limit of concurrency: the next run tries again; ask AWS for a higher \
             limit if it stays so"
                .to_owned()
        }
        _ => format!("the log says more; `cargo xtask status --aws {env}` says whether it passed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_what_aws_makes_of_it() {
        for (cause, expected) in [
            (r#"{"errorType":"Source","errorMessage":"no table","stackTrace":[]}"#, "no table"),
            (r#"{"message":"denied"}"#, "denied"),
            ("Cannot assume role", "Cannot assume role"),
            ("{\"a\":1}", "{\"a\":1}"),
            ("", ""),
        ] {
            assert_eq!(message(cause), expected);
        }
        let cut = message(&"ä".repeat(LONGEST + 1));
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with("ä…"));
    }

    #[test]
    fn every_error_type_of_the_functions_has_advice_of_its_own() {
        let general = hint("Something", "test");
        for error in [
            "Settings",
            "Source",
            "SourceUnavailable",
            "Lake",
            "LakeUnavailable",
            "Warehouse",
            "WarehouseUnavailable",
            "Component",
            "Refused",
            "Catalog",
            "Overtaken",
            "TableMoved",
            "Secret",
            "SecretUnavailable",
        ] {
            assert_ne!(hint(error, "test"), general, "{error}");
        }
    }
}
