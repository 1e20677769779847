//! The stack of what is kept: buckets, secrets, the Glue database, and the topic that everything is told to. What holds
//! data outlives the stack.

mod buckets;
mod deployments;
mod secrets;
#[cfg(test)]
mod tests;
mod topic;

use serde_json::Value;

use crate::resources::{Database, DatabaseInput, Properties};
use crate::{Environment, Output, Template, exceptions, reference};

/// The topic's logical id.
const TOPIC: &str = "AlertsTopic";

/// The stack of what is kept.
#[must_use]
pub fn data_stack(environment: &Environment) -> Template {
    let mut template = Template::new(format!("Totesys {}: what is kept", environment.names.prefix()));
    buckets::add(&mut template, environment);
    secrets::add(&mut template, environment);
    template.add("GlueDatabase", glue_database(environment).resource().retained());
    topic::add(&mut template, environment);
    deployments::add(&mut template, environment);
    exceptions::declare(&mut template);
    template.outputs.extend([
        ("TopicArn", Output { description: "Where alarms and failures are told", value: reference(TOPIC) }),
        ("SourceSecretArn", Output { description: "How the source is reached", value: reference(secrets::SOURCE) }),
        (
            "WarehouseSecretArn",
            Output { description: "How the warehouse is reached", value: reference(secrets::WAREHOUSE) },
        ),
        ("CodeBucket", Output { description: "Programs and components", value: reference("CodeBucket") }),
        ("GlueDatabase", Output { description: "What Athena and Spark read", value: reference("GlueDatabase") }),
    ]);
    template
}

/// The template of a data stack, changed so that everything in it goes when the stack does: nothing outlives it, and the
/// buckets, which have to be empty by then, no longer refuse deletions. A template that says so already stays as it is.
#[must_use]
pub fn without_retention(mut template: Value) -> Value {
    for resource in template["Resources"].as_object_mut().into_iter().flat_map(|resources| resources.values_mut()) {
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            if resource.get(policy).is_some() {
                resource[policy] = "Delete".into();
            }
        }
        buckets::let_delete(resource);
    }
    template
}

/// Its tables are written by `publish`, which knows the components' descriptions.
fn glue_database(environment: &Environment) -> Database {
    Database {
        catalog_id: reference("AWS::AccountId"),
        database_input: DatabaseInput {
            name: environment.names.glue_database().into(),
            description: format!("The lake of {}", environment.names.prefix()),
        },
    }
}
