//! Stacks as AWS has them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::operation::describe_events::builders::DescribeEventsFluentBuilder;
use aws_sdk_cloudformation::types;
use infra_templates::Environment;
use serde_json::Value;

use super::event::Event;
use crate::aws::{Cloud, refused};

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    pub(crate) name: String,
    /// Its ARN: another for a stack of the same name that is made anew.
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
    /// Whether it is protected from being deleted.
    pub(crate) protected: bool,
    /// When it was last changed, or created, in milliseconds since 1970.
    pub(crate) changed_at: i64,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) kind: String,
    /// What it is called in the account.
    pub(crate) name: String,
}

/// CloudFormation, in an environment.
pub(crate) struct Stacks {
    pub(crate) client: Client,
    pub(crate) environment: Environment,
}

/// How often AWS is asked whether it is done with what takes seconds.
pub(crate) const SHORTLY: Duration = Duration::from_millis(700);

impl Stacks {
    pub(crate) fn of(cloud: &Cloud) -> Self {
        Self { client: cloud.cloudformation(), environment: cloud.environment.clone() }
    }

    /// The stack of this name or ARN, if there is one. One that was deleted is found by its ARN only.
    pub(crate) async fn find(&self, stack: &str) -> Result<Option<Stack>> {
        match self.client.describe_stacks().stack_name(stack).send().await {
            Ok(described) => Ok(described.stacks().first().map(of_sdk)),
            Err(error) if error.message().is_some_and(|message| message.contains("does not exist")) => Ok(None),
            Err(error) => Err(refused("cloudformation", error)),
        }
    }

    /// What a stack's template is, as it was sent.
    pub(crate) async fn template(&self, stack: &str) -> Result<String> {
        let found = self
            .client
            .get_template()
            .stack_name(stack)
            .template_stage(types::TemplateStage::Original)
            .send()
            .await
            .map_err(|error| refused("cloudformation", error))?;
        Ok(found.template_body().unwrap_or_default().to_owned())
    }

    /// The same, read. A stack that only change sets were made for has none.
    pub(crate) async fn template_of(&self, stack: Option<&Stack>) -> Result<Value> {
        match stack.filter(|stack| stack.status != "REVIEW_IN_PROGRESS") {
            Some(stack) => serde_json::from_str(&self.template(&stack.id).await?)
                .with_context(|| format!("the template of stack `{}` is no JSON", stack.name)),
            None => Ok(Value::Null),
        }
    }

    /// The events of a stack that came after one of them, the oldest first; all if none is named.
    pub(crate) async fn events(&self, stack: &str, after: Option<&str>) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut pages = self.client.describe_stack_events().stack_name(stack).into_paginator().send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(|error| refused("cloudformation", error))?;
            for event in page.stack_events() {
                if after.is_some() && event.event_id() == after {
                    break 'pages;
                }
                events.push(Event::of(event));
            }
        }
        events.reverse();
        Ok(events)
    }

    /// What AWS found wrong before it began to work on a stack, which the stack's own events only point at.
    pub(crate) async fn found_unfit(&self, stack: &str) -> Vec<Event> {
        unfit(self.client.describe_events().stack_name(stack)).await
    }

    /// What a stack has made.
    pub(crate) async fn members(&self, stack: &str) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        let mut pages = self.client.list_stack_resources().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            for member in page.map_err(|error| refused("cloudformation", error))?.stack_resource_summaries() {
                let gone = member.resource_status().is_some_and(|status| status.as_str() == "DELETE_COMPLETE");
                if !gone {
                    members.push(Member {
                        id: member.logical_resource_id().unwrap_or_default().to_owned(),
                        kind: member.resource_type().unwrap_or_default().to_owned(),
                        name: member.physical_resource_id().unwrap_or_default().to_owned(),
                    });
                }
            }
        }
        members.sort_by(|one, other| (&one.kind, &one.name).cmp(&(&other.kind, &other.name)));
        Ok(members)
    }

    /// Protects a stack from being deleted, or lets it be.
    pub(crate) async fn protect(&self, stack: &str, protected: bool) -> Result<()> {
        let asked = self.client.update_termination_protection().stack_name(stack);
        asked
            .enable_termination_protection(protected)
            .send()
            .await
            .map_err(|error| refused("cloudformation", error))?;
        Ok(())
    }

    /// Has a stack deleted; returns at once.
    pub(crate) async fn delete(&self, stack: &Stack) -> Result<()> {
        let asked = self.client.delete_stack().stack_name(&stack.id);
        asked.send().await.map_err(|error| refused("cloudformation", error))?;
        Ok(())
    }

    /// What every stack of the environment, and what it makes, is tagged with.
    pub(crate) fn tags(&self) -> Vec<types::Tag> {
        [("Application", "totesys"), ("Environment", self.environment.names.prefix())]
            .map(|(key, value)| types::Tag::builder().key(key).value(value).build())
            .to_vec()
    }
}

/// The findings of AWS's checks. Without the right to read them what they stand behind is said, so none is no failure.
pub(crate) async fn unfit(asked: DescribeEventsFluentBuilder) -> Vec<Event> {
    let found = asked.send().await.ok();
    let findings = || {
        let events = found.iter().flat_map(|found| found.operation_events());
        events.filter_map(|event| Some((event.operation_id(), Event::unfit(event)?)))
    };
    let Some((last, _)) = findings().max_by_key(|(_, event)| event.at) else { return Vec::new() };
    findings().filter(|(operation, _)| *operation == last).map(|(_, event)| event).collect()
}

fn of_sdk(stack: &types::Stack) -> Stack {
    let status = stack.stack_status().map(|status| status.as_str()).unwrap_or_default();
    let changed = stack.last_updated_time().or(stack.creation_time());
    Stack {
        name: stack.stack_name().unwrap_or_default().to_owned(),
        id: stack.stack_id().unwrap_or_default().to_owned(),
        status: status.to_owned(),
        reason: stack.stack_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        parameters: pairs(stack.parameters().iter().map(|found| (found.parameter_key(), found.parameter_value()))),
        outputs: pairs(stack.outputs().iter().map(|found| (found.output_key(), found.output_value()))),
        protected: stack.enable_termination_protection().unwrap_or_default(),
        changed_at: changed.and_then(|time| time.to_millis().ok()).unwrap_or_default(),
    }
}

fn pairs<'a>(found: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>) -> BTreeMap<String, String> {
    found.filter_map(|(key, value)| Some((key?.to_owned(), value?.to_owned()))).collect()
}

/// The resources of a template that stay in the account when their stack goes.
pub(crate) fn retained(template: &Value) -> BTreeSet<String> {
    let stays = |policy: &Value| matches!(policy.as_str(), Some("Retain" | "RetainExceptOnCreate"));
    let resources = template["Resources"].as_object();
    resources
        .into_iter()
        .flatten()
        .filter(|(_, resource)| stays(&resource["DeletionPolicy"]))
        .map(|(id, _)| id.clone())
        .collect()
}
