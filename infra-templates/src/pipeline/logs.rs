//! Log groups. They are made here and not by who logs first, so that lines do not stay for ever.

use crate::resources::{LogGroup, Properties as _};
use crate::{Environment, Stage, Template};

/// The logical id of the state machine's log group.
pub(super) const PIPELINE_LOGS: &str = "PipelineLogs";

/// The logical id of the backfill machine's log group.
pub(super) const BACKFILL_LOGS: &str = "BackfillLogs";

/// The logical id of a function's log group.
pub(super) fn of_function(stage: Stage) -> &'static str {
    match stage {
        Stage::Extract => "ExtractLogs",
        Stage::Transform => "TransformLogs",
        Stage::Load => "LoadLogs",
    }
}

/// Adds the log groups of the functions and of the machines.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let names = &environment.names;
    let functions = Stage::ALL.map(|stage| (of_function(stage), names.function_logs(stage.name())));
    let machines = [
        (PIPELINE_LOGS, names.states_logs(&names.state_machine())),
        (BACKFILL_LOGS, names.states_logs(&names.backfill_machine())),
    ];
    for (id, name) in functions.into_iter().chain(machines) {
        let group = LogGroup { log_group_name: name.into(), retention_in_days: environment.log_retention_days };
        template.add(id, group.resource());
    }
}
