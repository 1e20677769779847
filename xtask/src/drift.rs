//! `drift`: what was changed by hand.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_cloudformation::types::{StackResourceDrift, StackResourceDriftStatus};
use serde::Serialize;
use serde_json::json;

use crate::arguments::Drift;
use crate::aws::{Cloud, refused};
use crate::deploy::{Stack, Stacks, Step, step};
use crate::hint::advise;
use crate::place::say;

/// How long AWS may take to look at every resource of a stack.
const PATIENCE: Duration = Duration::from_secs(600);

/// The exit code of a stack that is not as it was deployed.
const DRIFTED: u8 = 2;

/// A resource that is not as it was deployed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Drifted {
    stack: String,
    id: String,
    kind: String,
    /// Whether it is gone altogether.
    deleted: bool,
    properties: Vec<Property>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Property {
    path: String,
    deployed: Option<String>,
    found: Option<String>,
}

/// Looks at every resource of the environment; gives the exit code.
pub(crate) async fn drift(cloud: &Cloud, arguments: &Drift) -> Result<u8> {
    cloud.account().await?;
    let (stacks, names) = (Stacks::of(cloud), &cloud.environment.names);
    let (mut drifted, mut unknown, mut looked_at) = (Vec::new(), Vec::new(), Vec::new());
    for name in [names.data_stack(), names.pipeline_stack(), names.tables_stack()] {
        let Some(stack) = stacks.find(&name).await? else { continue };
        if step(Some(&stack.status)) != Step::Update {
            return Err(advise(
                format!("stack `{name}` is in {}: it can be looked at once it is at rest", stack.status),
                format!("`cargo xtask deploy --env {}` says what to do about it", cloud.environment.name),
            ));
        }
        looked_at.push(name);
        for found in detected(&stacks, &stack).await? {
            match found.stack_resource_drift_status() {
                Some(StackResourceDriftStatus::Modified | StackResourceDriftStatus::Deleted) => {
                    drifted.push(of_sdk(&stack.name, &found));
                }
                // AWS calls it UNKNOWN, and so does the client whatever it does not know.
                Some(status) if status.as_str() == "UNKNOWN" => {
                    unknown.push(found.logical_resource_id().unwrap_or_default().to_owned());
                }
                _ => {}
            }
        }
    }
    if looked_at.is_empty() {
        return Err(advise(
            format!("environment `{}` has no stack", cloud.environment.name),
            format!("`cargo xtask deploy --env {}` makes them", cloud.environment.name),
        ));
    }
    if arguments.output.json {
        println!("{}", json!({ "stacks": looked_at, "drifted": drifted, "unknown": unknown }));
    } else {
        print!("{}", text(&looked_at, &drifted));
    }
    if !unknown.is_empty() {
        say(&format!("AWS could not look at {}", unknown.join(", ")));
    }
    if drifted.is_empty() {
        return Ok(0);
    }
    let name = &cloud.environment.name;
    say(&format!(
        "hint: undo what was changed by hand, or say it in the settings and `cargo xtask deploy --env {name}`; a \
         deployment touches only what its change set names"
    ));
    Ok(DRIFTED)
}

/// Has AWS look at a stack's resources.
async fn detected(stacks: &Stacks, stack: &Stack) -> Result<Vec<StackResourceDrift>> {
    let asked = stacks.client.detect_stack_drift().stack_name(&stack.id).send().await;
    let asked = asked.map_err(|error| refused("cloudformation", error))?;
    let (id, started) = (asked.stack_drift_detection_id().unwrap_or_default(), Instant::now());
    loop {
        let asked = stacks.client.describe_stack_drift_detection_status().stack_drift_detection_id(id).send().await;
        let asked = asked.map_err(|error| refused("cloudformation", error))?;
        match asked.detection_status().map(|status| status.as_str()).unwrap_or_default() {
            // One that failed still has looked at most: what it could not look at is said by name.
            "DETECTION_COMPLETE" | "DETECTION_FAILED" => break,
            _ if started.elapsed() > PATIENCE => {
                return Err(advise(
                    format!("AWS has not looked at all of stack `{}` in {} s", stack.name, PATIENCE.as_secs()),
                    "try again in some minutes",
                ));
            }
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    let (mut drifts, mut page) = (Vec::new(), None);
    loop {
        let asked = stacks.client.describe_stack_resource_drifts().stack_name(&stack.id).set_next_token(page);
        let asked = asked.send().await.map_err(|error| refused("cloudformation", error))?;
        drifts.extend_from_slice(asked.stack_resource_drifts());
        page = asked.next_token().map(str::to_owned);
        if page.is_none() {
            return Ok(drifts);
        }
    }
}

fn of_sdk(stack: &str, found: &StackResourceDrift) -> Drifted {
    let properties = found.property_differences().iter().map(|property| {
        let value = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        Property {
            path: property.property_path().unwrap_or_default().trim_start_matches('/').replace('/', "."),
            deployed: value(property.expected_value()),
            found: value(property.actual_value()),
        }
    });
    Drifted {
        stack: stack.to_owned(),
        id: found.logical_resource_id().unwrap_or_default().to_owned(),
        kind: found.resource_type().unwrap_or_default().to_owned(),
        deleted: found.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted),
        properties: properties.collect(),
    }
}

fn text(stacks: &[String], drifted: &[Drifted]) -> String {
    let mut text = String::new();
    for stack in stacks {
        let own: Vec<&Drifted> = drifted.iter().filter(|drifted| drifted.stack == *stack).collect();
        let count = own.len();
        let _ = match count {
            0 => writeln!(text, "stack {stack}: as it was deployed"),
            1 => writeln!(text, "stack {stack}: 1 resource is not as it was deployed"),
            _ => writeln!(text, "stack {stack}: {count} resources are not as they were deployed"),
        };
        for Drifted { id, kind, deleted, properties, .. } in own {
            let gone = if *deleted { "  gone" } else { "" };
            let _ = writeln!(text, "  {id}  {kind}{gone}");
            for Property { path, deployed, found } in properties {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                let _ = writeln!(text, "      {path}  deployed {}, found {}", shown(deployed), shown(found));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_by_hand_is_told_property_by_property() {
        let drifted = |id: &str, deleted, properties| Drifted {
            stack: "acme-pipeline".into(),
            id: id.into(),
            kind: "AWS::Lambda::Function".into(),
            deleted,
            properties,
        };
        let memory = |found: Option<&str>| Property {
            path: "MemorySize".into(),
            deployed: Some("1769".into()),
            found: found.map(str::to_owned),
        };
        let stacks = ["acme-data".to_owned(), "acme-pipeline".to_owned()];
        let found = [
            drifted("LoadFunction", false, vec![memory(Some("128")), memory(None)]),
            drifted("ExtractFunction", true, Vec::new()),
        ];
        insta::assert_snapshot!(text(&stacks, &found), @r"
        stack acme-data: as it was deployed
        stack acme-pipeline: 2 resources are not as they were deployed
          LoadFunction  AWS::Lambda::Function
              MemorySize  deployed 1769, found 128
              MemorySize  deployed 1769, found nothing
          ExtractFunction  AWS::Lambda::Function  gone
        ");
    }
}
