//! `diff`: what a deployment would change.

use anyhow::Result;
use serde_json::json;

use crate::arguments::Diff;
use crate::aws::Cloud;
use crate::deploy::{self, CODE_KEY, Difference, Stack, Stacks, Weight};
use crate::package::Package;
use crate::place::say;

/// Compares what is deployed with what would be; gives the exit code.
pub(crate) async fn diff(cloud: &Cloud, arguments: &Diff) -> Result<u8> {
    cloud.account().await?;
    let (stacks, names) = (Stacks::of(cloud), &cloud.environment.names);
    let (data, pipeline) = (stacks.at_rest(&names.data_stack()).await?, stacks.at_rest(&names.pipeline_stack()).await?);
    let lake = deploy::lake_of(cloud, data.as_ref()).await?;
    let code = code(cloud, arguments, pipeline.as_ref())?;
    let wanted = deploy::data(&cloud.environment, lake.as_deref(), deploy::is_absent(data.as_ref())).await?;
    let mut differences = vec![stacks.compared(wanted, data.as_ref()).await?];
    let wanted = deploy::pipeline(&cloud.environment, lake.as_deref(), &code).await?;
    differences.push(stacks.compared(wanted, pipeline.as_ref()).await?);
    let weight = differences.iter().map(Difference::weight).max().unwrap_or(Weight::Nothing);
    if arguments.output.json {
        println!("{}", json!({ "verdict": weight, "stacks": differences }));
    } else {
        for difference in &differences {
            print!("{}", difference.text());
        }
        if arguments.package.is_none() && !deploy::is_absent(pipeline.as_ref()) {
            say("the code is taken as it is deployed; --package FILE compares with other code");
        }
    }
    Ok(weight as u8)
}

/// The code to compare with.
fn code(cloud: &Cloud, arguments: &Diff, pipeline: Option<&Stack>) -> Result<String> {
    let digest = match &arguments.package {
        Some(file) => Package::read(file, &cloud.environment)?.sha256,
        None => match pipeline.and_then(|stack| stack.parameters.get(CODE_KEY)) {
            Some(deployed) => return Ok(deployed.clone()),
            // Never executed: a new stack's resources are the same whatever the code is.
            None => "0".repeat(64),
        },
    };
    Ok(deploy::code_key(&digest))
}
