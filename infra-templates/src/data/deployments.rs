//! Every finished deployment is told. The rule stands in the data stack: in the pipeline's own it would miss that
//! stack's creation and deletion.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::TOPIC;
use crate::resources::{InputTransformer, Properties, Rule, Target};
use crate::{Environment, Template, reference, sub};

/// The states in which a deployment has ended, well or badly.
const FINISHED: [&str; 10] = [
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "DELETE_COMPLETE",
    "DELETE_FAILED",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED",
];

/// Adds the rule.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let names = &environment.names;
    let rule = Rule {
        name: format!("{}-deployments", names.prefix()).into(),
        description: "Tells of every finished deployment".to_owned(),
        event_pattern: finished([names.data_stack(), names.pipeline_stack(), names.tables_stack()]),
        state: "ENABLED",
        targets: vec![Target { id: "Topic", arn: reference(TOPIC), input_transformer: Some(sentence(names.prefix())) }],
    };
    // Before the policy there is, the rule could publish nothing.
    template.add("DeploymentsRule", rule.resource().after(&["AlertsTopicPolicy"]));
}

fn finished(stacks: [String; 3]) -> Value {
    let stack = |name: &String| {
        let id = format!("arn:${{AWS::Partition}}:cloudformation:${{AWS::Region}}:${{AWS::AccountId}}:stack/{name}/");
        json!({ "prefix": sub(&id) })
    };
    json!({
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
        "detail": {
            "stack-id": stacks.iter().map(stack).collect::<Vec<_>>(),
            "status-details": { "status": FINISHED },
        },
    })
}

/// The event in words; as JSON nobody reads it.
fn sentence(prefix: &str) -> InputTransformer {
    let parts = BTreeMap::from([
        ("reason", "$.detail.status-details.status-reason"),
        ("stack", "$.detail.stack-id"),
        ("status", "$.detail.status-details.status"),
        ("time", "$.time"),
    ]);
    let template =
        format!("\"Totesys {prefix}: <status> at <time>. Stack: <stack>. Reason, if there is one: <reason>\"");
    InputTransformer { input_paths_map: parts, input_template: template }
}
