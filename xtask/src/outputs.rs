//! `outputs`: what the stacks say of themselves.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use crate::arguments::Outputs;
use crate::aws::Cloud;
use crate::deploy::Stacks;
use crate::hint::advise;

/// Prints the outputs of every stack there is.
pub(crate) async fn outputs(cloud: &Cloud, arguments: &Outputs) -> Result<()> {
    cloud.account().await?;
    let (stacks, names) = (Stacks::of(cloud), &cloud.environment.names);
    let mut found = BTreeMap::new();
    for (key, name) in [("data", names.data_stack()), ("pipeline", names.pipeline_stack())] {
        if let Some(stack) = stacks.find(&name).await? {
            found.insert(key, stack);
        }
    }
    if found.is_empty() {
        let name = &cloud.environment.name;
        return Err(advise(
            format!("environment `{name}` has no stack"),
            format!("`cargo xtask deploy --env {name}` makes them"),
        ));
    }
    if arguments.output.json {
        let found: BTreeMap<_, _> = found
            .iter()
            .map(|(key, stack)| {
                (key, json!({ "stack": stack.name, "id": stack.id, "status": stack.status, "outputs": stack.outputs }))
            })
            .collect();
        println!("{}", json!(found));
        return Ok(());
    }
    for stack in found.values() {
        println!("stack {} ({})", stack.name, stack.status);
        let width = stack.outputs.keys().map(String::len).max().unwrap_or_default();
        for (key, value) in &stack.outputs {
            println!("  {key:<width$}  {value}");
        }
    }
    Ok(())
}
