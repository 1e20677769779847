//! `deploy`: an environment becomes what the settings and this checkout say.

mod approval;
mod change;
mod change_set;
mod compare;
pub(crate) mod components;
mod difference;
mod event;
mod expected;
mod follow;
mod grant;
pub(crate) mod interruption;
mod narrate;
mod plan_file;
mod ready;
mod record;
mod retention;
mod stack;
mod step;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
mod wanted;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use infra_templates::Environment;
use totesys_lake::Lake;

use crate::arguments::Deploy;
use crate::aws::Cloud;
use crate::hint::advise;
use crate::package::{Package, package};
use crate::place::say;

pub(crate) use approval::{NOT_APPROVED, approved, asked};
pub(crate) use change_set::Proposal;
pub(crate) use difference::{Difference, Weight};
pub(crate) use record::{Deployed, PIPELINE};
pub(crate) use stack::{Member, Stack, Stacks, retained};
pub(crate) use step::{Step, step};
pub(crate) use wanted::{CODE_KEY, code_key, data, former, pipeline};

use plan_file::{Plan, PlannedStack};

/// What brings somebody back to an operation that AWS goes on with.
pub(crate) fn again(environment: &Environment) -> String {
    format!("`cargo xtask deploy --env {}` follows it and then goes on", environment.name)
}

/// Deploys, plans a deployment, or executes a plan; gives the exit code.
pub(crate) async fn deploy(cloud: &Cloud, arguments: &Deploy) -> Result<u8> {
    let account = cloud.account().await?;
    if let Some(file) = &arguments.apply {
        return Box::pin(apply(cloud, file, &account)).await;
    }
    let (stacks, names) = (Stacks::of(cloud), &cloud.environment.names);
    let (mut data, pipeline) = (stacks.ready(&names.data_stack()).await?, stacks.ready(&names.pipeline_stack()).await?);
    if arguments.code_only && is_absent(pipeline.as_ref()) {
        return Err(advise(
            format!("there is no stack `{}` whose code could be changed", names.pipeline_stack()),
            "leave --code-only out: the first deployment makes both stacks",
        ));
    }
    let code = packaged(cloud, arguments)?;
    let mut deployed = Deployed::default();
    let mut planned = Vec::new();
    if !arguments.code_only {
        let lake = lake_of(cloud, data.as_ref()).await?;
        let wanted = wanted::data(&cloud.environment, lake.as_deref(), is_absent(data.as_ref())).await?;
        let proposal = stacks.propose(&wanted, data.as_ref()).await?;
        say(proposal.difference.text().trim_end());
        if arguments.plan.is_some() {
            planned.push(PlannedStack::of(&proposal, &template_key(&wanted, lake.as_deref()).await?));
        } else {
            if !approved(&proposal.difference, arguments.yes)? {
                return withdrawn(&stacks, &proposal).await;
            }
            if let Some(stack) = Box::pin(stacks.execute(&proposal, again(&cloud.environment))).await? {
                deployed.changed = true;
                data = Some(stack);
            }
            protect(&stacks, data.as_ref()).await?;
        }
        deployed.data = wanted.template;
    }
    let Some(lake) = lake_of(cloud, data.as_ref()).await? else {
        // Only a plan comes here without a bucket to put the code into.
        return first_plan(cloud, arguments, &account, planned);
    };
    deployed.code = lake.put_package(code.bytes.into()).await?;
    let wanted = if arguments.code_only {
        wanted::code_only(&cloud.environment, &deployed.code)
    } else {
        wanted::pipeline(&cloud.environment, Some(&lake), &deployed.code).await?
    };
    let proposal = stacks.propose(&wanted, pipeline.as_ref()).await?;
    say(proposal.difference.text().trim_end());
    if let Some(file) = &arguments.plan {
        planned.push(PlannedStack::of(&proposal, &template_key(&wanted, Some(&lake)).await?));
        let plan = Plan::new(&stacks, &account, planned, Some(deployed.code), &arguments.note);
        return write(&plan, file, &cloud.environment);
    }
    if !approved(&proposal.difference, arguments.yes)? {
        return withdrawn(&stacks, &proposal).await;
    }
    deployed.pipeline = wanted.template;
    Box::pin(go_live(cloud, &stacks, &lake, proposal, deployed, &arguments.note)).await
}

/// What comes last in every deployment: components, then the code that runs them, then what follows from both.
async fn go_live(
    cloud: &Cloud,
    stacks: &Stacks,
    lake: &Lake,
    proposal: Proposal,
    mut deployed: Deployed,
    note: &str,
) -> Result<u8> {
    Box::pin(components::make_ready(cloud)).await?;
    deployed.changed |= Box::pin(stacks.execute(&proposal, again(&cloud.environment))).await?.is_some();
    Box::pin(tables::follow_catalog(cloud)).await?;
    let name = &cloud.environment.name;
    match deployed.commit(stacks, lake, note).await? {
        Some(record) => println!("environment {name}: deployment {} is live ({})", record.number, record.code),
        None => println!("environment {name}: no changes"),
    }
    Ok(0)
}

/// Executes what a plan has, if everything still is as it was planned for.
async fn apply(cloud: &Cloud, file: &Path, account: &str) -> Result<u8> {
    let stacks = Stacks::of(cloud);
    let plan = Plan::read(file, &stacks, account)?;
    let held = plan.hold(&stacks).await?;
    let mut deployed = Deployed::default();
    let mut last = None;
    let pipeline = cloud.environment.names.pipeline_stack();
    for (planned, stack) in held {
        let proposal = stacks.planned(&planned.name, planned.change_set.as_deref(), stack).await?;
        say(proposal.difference.text().trim_end());
        if planned.name == pipeline {
            last = Some(proposal);
            continue;
        }
        let stack = Box::pin(stacks.execute(&proposal, again(&cloud.environment))).await?;
        deployed.changed |= stack.is_some();
        protect(&stacks, stack.or(proposal.stack).as_ref()).await?;
    }
    match (plan.code, last) {
        (Some(code), Some(proposal)) => {
            let lake = cloud.lake().await?;
            if !lake.has_package(&code).await? {
                return Err(advise(
                    format!("the code of the plan, {code}, is not in the code bucket any more"),
                    "make a new plan: `cargo xtask deploy --plan FILE`",
                ));
            }
            deployed.code = code;
            Box::pin(go_live(cloud, &stacks, &lake, proposal, deployed, &plan.note)).await
        }
        _ => {
            println!("environment {}: the data stack stands", cloud.environment.name);
            say(&format!("hint: deploy the pipeline now: `cargo xtask deploy --env {}`", cloud.environment.name));
            Ok(0)
        }
    }
}

/// The functions' code: a package made before, or one built now.
fn packaged(cloud: &Cloud, arguments: &Deploy) -> Result<Package> {
    match &arguments.package {
        Some(file) => Package::read(file, &cloud.environment),
        None => tokio::task::block_in_place(|| package(&cloud.environment, arguments.dev)),
    }
}

/// Whether a stack is not there, or has nothing in it.
pub(crate) fn is_absent(stack: Option<&Stack>) -> bool {
    matches!(step(stack.map(|stack| stack.status.as_str())), Step::Create | Step::Remake)
}

/// The lake, once the data stack has made its buckets.
pub(crate) async fn lake_of(cloud: &Cloud, data: Option<&Stack>) -> Result<Option<Arc<Lake>>> {
    if is_absent(data) { Ok(None) } else { cloud.lake().await.map(Some) }
}

/// A stack whose loss would be the worst is protected from being deleted: a call of its own, which templates cannot say.
async fn protect(stacks: &Stacks, data: Option<&Stack>) -> Result<()> {
    if let Some(data) = data.filter(|data| !data.protected && !is_absent(Some(*data))) {
        stacks.protect(&data.id, true).await?;
        say(&format!("stack {}: protected from being deleted", data.name));
    }
    Ok(())
}

/// Takes a change set back that was not approved; gives the exit code.
pub(crate) async fn withdrawn(stacks: &Stacks, proposal: &Proposal) -> Result<u8> {
    if let Some(change_set) = &proposal.change_set {
        stacks.withdraw(change_set, &proposal.difference.stack).await?;
    }
    Ok(NOT_APPROVED)
}

/// The digest under which a planned template can be found, stored where there is a bucket for it.
async fn template_key(wanted: &change_set::Wanted, lake: Option<&Lake>) -> Result<String> {
    let Some(template) = &wanted.template else { return Ok(String::new()) };
    if let Some(lake) = lake {
        lake.put_template(template).await?;
    }
    Ok(totesys_lake::sha256_hex(template.as_bytes()))
}

/// The plan of a first deployment ends with the data stack, whose bucket the rest needs.
fn first_plan(cloud: &Cloud, arguments: &Deploy, account: &str, planned: Vec<PlannedStack>) -> Result<u8> {
    let Some(file) = &arguments.plan else {
        return Err(advise(
            format!("there is no stack `{}` with a bucket for the code", cloud.environment.names.data_stack()),
            "leave --code-only out: the first deployment makes both stacks",
        ));
    };
    say("the pipeline cannot be planned before the data stack stands: plan again once this is applied");
    write(&Plan::new(&Stacks::of(cloud), account, planned, None, &arguments.note), file, &cloud.environment)
}

fn write(plan: &Plan, file: &Path, environment: &Environment) -> Result<u8> {
    plan.write(file)?;
    println!("{}: planned until {}", file.display(), plan.expires_at);
    say(&format!("hint: `cargo xtask deploy --env {} --apply {}` executes it", environment.name, file.display()));
    Ok(0)
}
