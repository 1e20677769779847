//! The state machines as resources.

use std::collections::BTreeMap;

use serde_json::Value;

use super::logs::{BACKFILL_LOGS, PIPELINE_LOGS};
use crate::policy::arn;
use crate::resources::{LogDestination, LogGroupArn, MachineLogging, MachineTracing, Properties as _, StateMachine};
use crate::{Environment, Expression, Template, attribute, machine};

/// The logical id of the state machine that the schedule starts.
pub(super) const PIPELINE_MACHINE: &str = "PipelineMachine";

/// The logical id of the state machine that reads large tables in chunks.
pub(super) const BACKFILL_MACHINE: &str = "BackfillMachine";

/// Adds both state machines. Each starts the other, so they know each other by name.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let names = &environment.names;
    let machine_arn = |name: String| arn("states", &format!("stateMachine:{name}"));
    let extract = ("ExtractFunction", attribute("ExtractFunction", "Arn"));
    let topic = ("Topic", arn("sns", &names.topic()));
    let pipeline = Machine {
        name: names.state_machine(),
        role: "StatesRole",
        logs: PIPELINE_LOGS,
        definition: machine::pipeline(environment),
        substitutions: BTreeMap::from([
            extract.clone(),
            ("TransformFunction", attribute("TransformFunction", "Arn")),
            ("LoadFunction", attribute("LoadFunction", "Arn")),
            ("BackfillMachine", machine_arn(names.backfill_machine())),
            topic.clone(),
        ]),
    };
    let backfill = Machine {
        name: names.backfill_machine(),
        role: "BackfillRole",
        logs: BACKFILL_LOGS,
        definition: machine::backfill(environment),
        substitutions: BTreeMap::from([extract, ("PipelineMachine", machine_arn(names.state_machine())), topic]),
    };
    template.add(PIPELINE_MACHINE, pipeline.properties().resource());
    template.add(BACKFILL_MACHINE, backfill.properties().resource());
}

struct Machine {
    name: String,
    role: &'static str,
    logs: &'static str,
    definition: Value,
    substitutions: BTreeMap<&'static str, Expression>,
}

impl Machine {
    fn properties(self) -> StateMachine {
        StateMachine {
            state_machine_name: self.name.into(),
            state_machine_type: "STANDARD",
            role_arn: attribute(self.role, "Arn"),
            // Text: CloudFormation makes text of every number within an object, which Step Functions refuses.
            definition_string: serde_json::to_string_pretty(&self.definition).unwrap_or_default().into(),
            definition_substitutions: self.substitutions,
            logging_configuration: MachineLogging {
                level: "ERROR",
                include_execution_data: false,
                destinations: vec![LogDestination {
                    cloud_watch_logs_log_group: LogGroupArn { log_group_arn: attribute(self.logs, "Arn") },
                }],
            },
            tracing_configuration: MachineTracing { enabled: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pipeline::tests::production;

    /// `${name}` in a text.
    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn every_placeholder_has_its_substitution() {
        let mut template = Template::new("machines");
        add(&mut template, &production());
        for id in [PIPELINE_MACHINE, BACKFILL_MACHINE] {
            let properties = &template.resources[id].properties;
            let definition = properties["DefinitionString"].as_str().unwrap();
            let substitutions = properties["DefinitionSubstitutions"].as_object().unwrap();
            assert_eq!(placeholders(definition), substitutions.keys().map(String::as_str).collect(), "{id}");
        }
    }
}
