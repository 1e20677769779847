//! `rollback`: the code and template of an earlier deployment, or help for a stack that is stuck on its way back.

use anyhow::{Context as _, Result};
use totesys_lake::{Bucket, DeploymentRecord, Lake, sha256_hex};

use crate::arguments::RollbackDeployment;
use crate::aws::{Cloud, refused};
use crate::deploy::{self, NOT_APPROVED, Stack, Stacks, Step, step};
use crate::hint::advise;
use crate::place::say;

/// How many records are looked at to find an earlier deployment.
const LOOKED_AT: usize = 100;

/// Helps what is stuck; otherwise goes back a deployment.
pub(crate) async fn rollback(cloud: &Cloud, arguments: &RollbackDeployment) -> Result<u8> {
    cloud.account().await?;
    let (stacks, names) = (Stacks::of(cloud), &cloud.environment.names);
    let mut helped = false;
    for name in [names.data_stack(), names.pipeline_stack(), names.tables_stack()] {
        if let Some(stack) = stacks.find(&name).await? {
            helped |= Box::pin(help(&stacks, &stack)).await?;
        }
    }
    if helped {
        println!("environment {}: its stacks are at rest again", cloud.environment.name);
        return Ok(0);
    }
    Box::pin(go_back(cloud, &stacks, arguments)).await
}

/// Brings a stuck stack to what it was before; says whether there was anything to do.
async fn help(stacks: &Stacks, stack: &Stack) -> Result<bool> {
    let (name, client) = (&stack.name, &stacks.client);
    let step = step(Some(&stack.status));
    let before = stacks.last_event(stack).await?;
    match step {
        Step::ContinueRollback => {
            say(&format!("stack {name}: its rollback goes on"));
            let asked = client.continue_update_rollback().stack_name(&stack.id).send().await;
            asked.map_err(|error| refused("cloudformation", error))?;
        }
        Step::RollBack => {
            say(&format!("stack {name}: its update is rolled back"));
            let asked = client.rollback_stack().stack_name(&stack.id).send().await;
            asked.map_err(|error| refused("cloudformation", error))?;
        }
        Step::Follow => {
            say(&format!("stack {name}: AWS is at work on it ({}); following", stack.status));
            let followed = stacks.follow(stack).await?;
            return match deploy::step(Some(&followed.status)) {
                // What got stuck on its way is helped.
                Step::ContinueRollback | Step::RollBack => Box::pin(help(stacks, &followed)).await,
                // What was on its way back is where it should be: nothing goes back any further.
                _ => Ok(stack.status.contains("ROLLBACK") || followed.status.contains("ROLLBACK")),
            };
        }
        _ => return Ok(false),
    }
    stacks.rolled_back(stack, before).await?;
    Ok(true)
}

/// Puts code and template of an earlier deployment back.
async fn go_back(cloud: &Cloud, stacks: &Stacks, arguments: &RollbackDeployment) -> Result<u8> {
    let environment = &cloud.environment;
    let name = environment.names.pipeline_stack();
    let stack = stacks.ready(&name).await?;
    let Some(stack) = stack.filter(|stack| !deploy::is_absent(Some(stack))) else {
        return Err(advise(
            format!("there is no stack `{name}` to roll back"),
            format!("`cargo xtask deploy --env {}` makes it", environment.name),
        ));
    };
    let lake = cloud.lake().await?;
    let records: Vec<DeploymentRecord> =
        lake.newest_deployments(LOOKED_AT).await?.into_iter().map(|record| record.into_record()).collect();
    let current = (
        stack.parameters.get(deploy::CODE_KEY).cloned().unwrap_or_default(),
        format!("templates/{}.json", sha256_hex(stacks.template(&stack.id).await?.as_bytes())),
    );
    let target = chosen(&records, arguments.to, (&current.0, &current.1))?;
    say(&format!("going back to deployment {} of {} ({})", target.number, target.at, target.code));
    if !lake.has_package(&target.code).await? {
        return Err(advise(
            format!("the code of deployment {} was deleted", target.number),
            format!("check that release out and `cargo xtask deploy --env {}`", environment.name),
        ));
    }
    let template = template(&lake, target).await?;
    let wanted = deploy::former(environment, &lake, template, &target.code).await?;
    let proposal = stacks.propose(&wanted, Some(&stack)).await?;
    say(proposal.difference.text().trim_end());
    if !deploy::approved(&proposal.difference, arguments.yes)? {
        deploy::withdrawn(stacks, &proposal).await?;
        return Ok(NOT_APPROVED);
    }
    let (own, number) = (&environment.name, target.number);
    let again = format!("`cargo xtask rollback --env {own} --to {number}` follows it and then records it");
    let changed = Box::pin(stacks.execute(&proposal, again)).await?.is_some();
    let deployed = deploy::Deployed { changed, code: target.code.clone(), data: None, pipeline: wanted.template };
    let note = format!("rollback to deployment {}", target.number);
    match deployed.commit(stacks, &lake, &note).await? {
        Some(record) => {
            println!("environment {}: deployment {} is live ({})", environment.name, record.number, record.code);
        }
        None => println!("environment {}: no changes", environment.name),
    }
    Ok(0)
}

/// The deployment to go back to: the newest with another code or template than the one that runs.
fn chosen<'a>(
    records: &'a [DeploymentRecord],
    to: Option<u64>,
    (code, template): (&str, &str),
) -> Result<&'a DeploymentRecord> {
    let runs = |record: &DeploymentRecord| {
        record.code == code && record.templates.get(deploy::PIPELINE).is_some_and(|found| found == template)
    };
    let found = match to {
        Some(number) => records.iter().find(|record| record.number == number),
        // What runs may be in no record, when the deployment was cut off before its record or made by other hands.
        None if !records.iter().any(runs) => records.first(),
        None => records.iter().skip_while(|record| !runs(record)).find(|record| !runs(record)),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = records.iter().rev().map(|record| record.number.to_string()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        match to {
            Some(number) => advise(format!("there is no deployment {number}"), format!("there are: {known}")),
            None => advise(
                "no earlier deployment has other code or another template than what runs",
                format!("deployments there are: {known}; --to NUMBER chooses one"),
            ),
        }
    })
}

async fn template(lake: &Lake, record: &DeploymentRecord) -> Result<String> {
    let key = record.templates.get(deploy::PIPELINE).context("the record names no template of the pipeline")?;
    Ok(String::from_utf8(lake.get(Bucket::Code, key).await?.to_vec())?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use totesys_lake::{Attempt, Micros};

    use super::*;

    #[test]
    fn the_deployment_before_what_runs_is_gone_back_to() {
        let record = |number: u64, code: &str, template: &str| DeploymentRecord {
            number,
            attempt: Attempt::random().unwrap(),
            at: Micros(0),
            code: code.into(),
            templates: BTreeMap::from([(deploy::PIPELINE.to_owned(), template.to_owned())]),
            note: String::new(),
        };
        // The newest first, as they are listed.
        let records = [record(4, "c", "t2"), record(3, "b", "t2"), record(2, "b", "t1"), record(1, "a", "t1")];
        for (to, runs, expected) in [
            (None, ("c", "t2"), Ok(3)),
            (None, ("b", "t2"), Ok(2)),
            (None, ("b", "t1"), Ok(1)),
            (None, ("a", "t1"), Err("no earlier deployment")),
            // What runs is in no record.
            (None, ("x", "t1"), Ok(4)),
            (Some(1), ("c", "t2"), Ok(1)),
            (Some(9), ("c", "t2"), Err("there is no deployment 9")),
        ] {
            let found = chosen(&records, to, runs).map(|record| record.number).map_err(|error| error.to_string());
            match expected {
                Ok(number) => assert_eq!(found, Ok(number)),
                Err(problem) => assert!(found.unwrap_err().contains(problem)),
            }
        }
    }
}
