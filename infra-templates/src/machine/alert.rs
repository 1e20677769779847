//! The mail about an execution that failed: what failed, where to look, what to type next. Names and numbers only.

use serde_json::json;

use super::errors::{FUNCTION_ERRORS, SERVICE_ERRORS, of_a_service};
use super::states::{Catch, Caught, QueryLanguage, State, Task, Then, jsonata, literal};
use crate::Environment;

/// What a machine's alert says beside what all say.
pub(super) struct Alert {
    /// The machine, as people call it.
    pub machine: &'static str,
    /// JSONata of a list of `{step, error}`: what failed.
    pub failures: &'static str,
    /// JSONata of the text that says what becomes of it.
    pub outlook: String,
    /// The language of the machine's states that say none.
    pub query_language: Option<QueryLanguage>,
}

impl Alert {
    /// The state that sends it and goes on to `next` whether or not it could be sent.
    pub(super) fn state(&self, environment: &Environment, next: &'static str) -> State {
        let input = || json!("{% $states.input %}");
        State::Task(Task {
            comment: "Write to the people in charge",
            query_language: self.query_language,
            resource: "arn:aws:states:::sns:publish",
            arguments: json!({
                "TopicArn": "${Topic}",
                "Subject": format!("{}: the Totesys {} failed", environment.name, self.machine),
                "Message": jsonata(&self.message(environment)),
            }),
            timeout_seconds: Some(60),
            output: input(),
            retry: of_a_service(),
            catch: vec![Catch { error_equals: vec!["States.ALL"], next, becomes: Caught::JSONata { output: input() } }],
            then: Then::Next(next),
        })
    }

    /// JSONata of the mail.
    fn message(&self, environment: &Environment) -> String {
        let Environment { name, region, names, .. } = environment;
        let meanings: Vec<String> = FUNCTION_ERRORS
            .iter()
            .map(|error| (error.name, error.meaning))
            .chain(SERVICE_ERRORS)
            .map(|(error, meaning)| format!("{}: {}", literal(error), literal(&format!(" ({meaning})"))))
            .collect();
        let head = format!("The {} of the environment {name} ({} in {region}) failed.\n", self.machine, names.prefix());
        let link =
            format!("https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/");
        let hint = format!("\n\nhint: cargo xtask logs --env {name} --execution ");
        format!(
            "( $meanings := {{{meanings}}}; \
             $lines := {failures}.('\\n- ' & step & ': ' & error & $lookup($meanings, error)); \
             $execution := $states.context.Execution.Id; \
             {head} & $join([$lines]) & '\\n\\n' & {outlook} & '\\n\\nExecution: ' & $execution & '\\n' \
             & {link} & $execution & {hint} & $execution & '\\n' )",
            meanings = meanings.join(", "),
            failures = self.failures,
            head = literal(&head),
            outlook = self.outlook,
            link = literal(&link),
            hint = literal(&hint),
        )
    }
}
