//! `doctor`: what stands in the way of building, deploying and running, each with its remedy. Nothing is changed.

mod account;
mod databases;
mod finding;
mod names;
mod rights;
mod settings;
mod tools;

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::alerts;
use crate::arguments::Doctor;
use crate::aws::{self, Cloud, Described};
use crate::deploy::Stacks;
use crate::hint::advise;
use finding::{Finding, Verdict, text};

/// Looks everything over; 1 if something is in the way.
///
/// It reads the settings itself: a mistake in them is a finding, no reason to say nothing else.
pub(crate) async fn doctor(file: Option<&Path>, environment: Option<&str>, arguments: &Doctor) -> Result<u8> {
    if arguments.policy {
        let name = environment.ok_or_else(|| advise("a policy is that of an environment", "name it with --env"))?;
        let Described { environment, .. } = aws::describe(file, name, std::env::vars())?;
        println!("{}", serde_json::to_string_pretty(&infra_templates::deployer::policy(&environment))?);
        return Ok(0);
    }
    let (mut findings, described) = settings::look(file, environment);
    let architecture = described.as_ref().map(|described| described.environment.architecture);
    let tools = tokio::task::block_in_place(|| tools::look(architecture));
    findings.splice(0..0, tools);
    if let (Some(name), Some(_)) = (environment, described) {
        let cloud = Cloud::open(file, name).await?;
        findings.extend(on_aws(&cloud).await);
    }
    let errors = findings.iter().filter(|finding| finding.verdict == Verdict::Error).count();
    if arguments.output.json {
        println!("{}", json!({ "findings": findings, "errors": errors }));
    } else {
        print!("{}", text(&findings));
    }
    Ok(u8::from(errors > 0))
}

async fn on_aws(cloud: &Cloud) -> Vec<Finding> {
    let (mut findings, identity) = account::look(cloud).await;
    let Some(identity) = identity else { return findings };
    let (rights, names, databases, alerts) =
        tokio::join!(rights::look(cloud, &identity), names::look(cloud), databases::look(cloud), recipients(cloud),);
    for found in [rights, names, databases, alerts] {
        findings.extend(found);
    }
    findings
}

/// Whether somebody is told when something is wrong.
async fn recipients(cloud: &Cloud) -> Vec<Finding> {
    const AREA: &str = "alerts";
    let name = &cloud.environment.name;
    if cloud.environment.emails.is_empty() {
        return vec![Finding::warning(
            AREA,
            "no `emails` are set: nobody is told when something is wrong",
            format!("set `emails` in [environments.{name}] and deploy"),
        )];
    }
    let unknown = |error: &anyhow::Error| {
        vec![Finding::of_error(AREA, Verdict::Warning, "subscriptions cannot be listed", error)]
    };
    let topic = match Stacks::of(cloud).find(&cloud.environment.names.data_stack()).await {
        Ok(stack) => stack.and_then(|mut stack| stack.outputs.remove("TopicArn")),
        Err(error) => return unknown(&error),
    };
    let Some(topic) = topic else {
        return vec![Finding::ok(AREA, "e-mails are set; AWS asks their owners when the data stack is made")];
    };
    match alerts::recipients(cloud, &topic).await {
        Ok(found) if found.is_well() => vec![Finding::ok(AREA, "every e-mail of the settings is confirmed")],
        Ok(found) => {
            let addresses: Vec<_> = found.pending.iter().chain(&found.missing).map(String::as_str).collect();
            vec![Finding::warning(
                AREA,
                format!("not confirmed: {}", addresses.join(", ")),
                format!("cargo xtask alerts confirm --env {name}"),
            )]
        }
        Err(error) => unknown(&error),
    }
}
