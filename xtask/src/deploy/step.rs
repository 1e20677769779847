//! What is to be done about a stack, from the state it is in.

/// The one safe next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is no stack, or only an empty one that change sets were made for: create it.
    Create,
    /// It stands: change it.
    Update,
    /// AWS is at work on it: follow that, then look again.
    Follow,
    /// It was never whole, and holds nothing that is not kept: delete it, then create it.
    Remake,
    /// Its update failed and was not rolled back: roll it back.
    RollBack,
    /// The rollback of an update failed: continue it.
    ContinueRollback,
    /// Its deletion failed: delete it again.
    DeleteAgain,
    /// Only a person who looks at it can tell.
    Look,
}

/// The step for a stack's status; nothing is a stack that is not there.
pub(crate) fn step(status: Option<&str>) -> Step {
    match status {
        None | Some("DELETE_COMPLETE" | "REVIEW_IN_PROGRESS") => Step::Create,
        Some(
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE",
        ) => Step::Update,
        Some("CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED") => Step::Remake,
        Some("UPDATE_FAILED") => Step::RollBack,
        Some("UPDATE_ROLLBACK_FAILED") => Step::ContinueRollback,
        Some("DELETE_FAILED") => Step::DeleteAgain,
        Some(status) if status.ends_with("_IN_PROGRESS") => Step::Follow,
        Some(_) => Step::Look,
    }
}

impl Step {
    /// What a person does to take it, once the cause is mended.
    pub(crate) fn command(self, environment: &str, stack: &str) -> String {
        match self {
            Self::Create | Self::Update | Self::Follow | Self::Remake => {
                format!("`cargo xtask deploy --env {environment}`")
            }
            Self::RollBack | Self::ContinueRollback => format!("`cargo xtask rollback --env {environment}`"),
            Self::DeleteAgain => {
                format!("`cargo xtask destroy --env {environment}` again, with the options it had")
            }
            Self::Look => format!("`aws cloudformation describe-stack-events --stack-name {stack}` says more"),
        }
    }

    /// The same as a hint.
    pub(crate) fn hint(self, environment: &str, stack: &str) -> String {
        format!("mend the cause, then {}", self.command(environment, stack))
    }
}

/// Whether a status is the good end of an operation.
pub(crate) fn is_success(status: &str) -> bool {
    matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE" | "IMPORT_COMPLETE")
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::StackStatus;

    use super::*;

    const TABLE: &[(&str, Step)] = &[
        ("REVIEW_IN_PROGRESS", Step::Create),
        ("DELETE_COMPLETE", Step::Create),
        ("CREATE_COMPLETE", Step::Update),
        ("UPDATE_COMPLETE", Step::Update),
        ("UPDATE_ROLLBACK_COMPLETE", Step::Update),
        ("IMPORT_COMPLETE", Step::Update),
        ("IMPORT_ROLLBACK_COMPLETE", Step::Update),
        ("CREATE_FAILED", Step::Remake),
        ("ROLLBACK_COMPLETE", Step::Remake),
        ("ROLLBACK_FAILED", Step::Remake),
        ("UPDATE_FAILED", Step::RollBack),
        ("UPDATE_ROLLBACK_FAILED", Step::ContinueRollback),
        ("DELETE_FAILED", Step::DeleteAgain),
        ("IMPORT_ROLLBACK_FAILED", Step::Look),
        ("CREATE_IN_PROGRESS", Step::Follow),
        ("ROLLBACK_IN_PROGRESS", Step::Follow),
        ("UPDATE_IN_PROGRESS", Step::Follow),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Step::Follow),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Step::Follow),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", Step::Follow),
        ("DELETE_IN_PROGRESS", Step::Follow),
        ("IMPORT_IN_PROGRESS", Step::Follow),
        ("IMPORT_ROLLBACK_IN_PROGRESS", Step::Follow),
    ];

    #[test]
    fn every_state_of_a_stack_leads_to_one_step() {
        for (status, expected) in TABLE {
            assert_eq!(step(Some(status)), *expected, "{status}");
        }
        assert_eq!(step(None), Step::Create);
        assert_eq!(step(Some("SOMETHING_NEW")), Step::Look);
    }

    #[test]
    fn the_table_has_every_state_there_is() {
        let known: Vec<&str> = TABLE.iter().map(|(status, _)| *status).collect();
        for status in StackStatus::values() {
            assert!(known.contains(status), "{status} is not in the table");
        }
    }

    #[test]
    fn hints_name_a_command() {
        for (_, step) in TABLE {
            let hint = step.hint("production", "acme-data");
            assert!(hint.contains("`cargo xtask ") || hint.contains("`aws "), "{hint}");
        }
    }
}
