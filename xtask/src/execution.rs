//! `run --aws`: starts an execution of the state machine, or finds the one that runs, and follows it to its end.

mod advice;
mod event;
mod story;

use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use totesys_lake::Micros;

use crate::arguments::RunOnAws;
use crate::aws::{Cloud, refused};
use crate::hint::advise;
use crate::place::say;

use advice::hint;
use event::{Event, What};
pub(crate) use event::{Outcome, micros};
pub(crate) use story::Failure;
use story::{Story, Summary};

/// How often the history is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The history is written a little after the fact; a status that says more than the history does is believed after
/// so many looks.
const LOOKS: u32 = 10;

/// Starts or finds an execution, follows it, and says how it ended: 0 if it succeeded, 1 if not.
pub(crate) async fn run(cloud: &Cloud, arguments: &RunOnAws, json: bool) -> Result<u8> {
    cloud.account().await?;
    let machine = cloud.output(&cloud.environment.names.pipeline_stack(), "StateMachineArn").await?;
    let client = cloud.states();
    let running = if arguments.new { None } else { running(&client, &machine).await? };
    let execution = match running {
        Some(execution) => {
            say(&format!("following {execution}, which runs already; --new starts another beside it"));
            execution
        }
        None => {
            let execution = start(&client, &machine).await?;
            say(&format!("started {execution}"));
            execution
        }
    };
    let name = &cloud.environment.name;
    let mut story = Story::new(&execution, &logs_command(name, &execution));
    tokio::select! {
        followed = follow(&client, &mut story) => followed?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            return Err(interrupted_at(name));
        }
    }
    let summary = story.summary(name);
    if json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        told(&summary);
    }
    Ok(u8::from(summary.outcome != Outcome::Succeeded))
}

/// What Ctrl-C leaves behind.
pub(crate) fn interrupted_at(environment: &str) -> anyhow::Error {
    advise(
        "interrupted: the execution goes on in AWS",
        format!("`cargo xtask run --aws --env {environment}` follows it again, and `status --aws` says how it ended"),
    )
}

fn told(summary: &Summary) {
    let text = story::text(summary);
    match summary.outcome {
        Outcome::Succeeded => print!("{text}"),
        _ => say(text.trim_end()),
    }
}

fn logs_command(environment: &str, execution: &str) -> String {
    format!("cargo xtask logs --env {environment} --execution {execution}")
}

/// The newest execution that runs.
async fn running(client: &Client, machine: &str) -> Result<Option<String>> {
    let listed = client
        .list_executions()
        .state_machine_arn(machine)
        .status_filter(ExecutionStatus::Running)
        .max_results(1)
        .send()
        .await
        .map_err(|error| refused("states", error))?;
    Ok(listed.executions().first().map(|execution| execution.execution_arn().to_owned()))
}

async fn start(client: &Client, machine: &str) -> Result<String> {
    let started = client
        .start_execution()
        .state_machine_arn(machine)
        .name(execution_name(Micros::now()))
        .input("{}")
        .send()
        .await
        .map_err(|error| refused("states", error))?;
    Ok(started.execution_arn().to_owned())
}

/// A name that says who started the execution and when, of the characters that AWS takes.
fn execution_name(now: Micros) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '-' };
    format!("by-hand-{}", now.to_string().chars().map(plain).collect::<String>())
}

/// Tells the story as it happens, until the execution has ended.
async fn follow(client: &Client, story: &mut Story) -> Result<()> {
    let mut looks = 0;
    while !story.has_ended() {
        let events = newer(client, story.execution(), story.last()).await?;
        let silent = events.is_empty();
        for event in events {
            if let Some(line) = story.tell(event) {
                say(&line);
            }
        }
        if story.has_ended() {
            break;
        }
        if silent && let Some(end) = ended(client, story.execution()).await? {
            looks += 1;
            if looks == LOOKS {
                story.tell(end);
                break;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}

/// How an execution that has ended went.
pub(crate) async fn ended_as(cloud: &Cloud, execution: &str) -> Result<Summary> {
    let (client, name) = (cloud.states(), &cloud.environment.name);
    let mut story = Story::new(execution, &logs_command(name, execution));
    for event in newer(&client, execution, 0).await? {
        story.tell(event);
    }
    if !story.has_ended()
        && let Some(end) = ended(&client, execution).await?
    {
        story.tell(end);
    }
    Ok(story.summary(name))
}

/// The events after one that is known, in the order they happened.
async fn newer(client: &Client, execution: &str, last: i64) -> Result<Vec<Event>> {
    let mut events: Vec<HistoryEvent> = Vec::new();
    let mut next = None;
    loop {
        // The newest come first, so that a long history is read once.
        let page = client
            .get_execution_history()
            .execution_arn(execution)
            .reverse_order(true)
            .include_execution_data(true)
            .max_results(200)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| refused("states", error))?;
        let known = page.events().iter().any(|event| event.id() <= last);
        next = page.next_token().map(str::to_owned);
        events.extend(page.events.into_iter().filter(|event| event.id() > last));
        if known || next.is_none() {
            break;
        }
    }
    events.sort_by_key(HistoryEvent::id);
    Ok(events.iter().map(Event::of).collect())
}

/// The end as the execution itself says it, for a history that lacks it.
async fn ended(client: &Client, execution: &str) -> Result<Option<Event>> {
    let found =
        client.describe_execution().execution_arn(execution).send().await.map_err(|error| refused("states", error))?;
    let Some(outcome) = Outcome::of(found.status()) else { return Ok(None) };
    let at = found.stop_date().map(micros).context("an execution that ended has no end")?;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let what = What::Ended { outcome, error: text(found.error()), cause: text(found.cause()) };
    Ok(Some(Event { id: i64::MAX, previous: 0, at, what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_named_by_its_start() {
        assert_eq!(execution_name(Micros(1_724_313_600_123_000)), "by-hand-2024-08-22T08-00-00-123Z");
    }
}
