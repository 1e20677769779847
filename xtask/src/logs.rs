//! `logs`: what the functions and the state machines of an environment wrote.

mod line;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use aws_sdk_cloudwatchlogs::Client;
use totesys_lake::Micros;

use crate::arguments::{LogSource, Logs};
use crate::aws::{Cloud, refused};
use crate::execution::micros;
use crate::hint::advise;
use crate::place::say;
use line::{Line, text};

/// How far back is looked when nobody says.
const SINCE: Duration = Duration::from_secs(3600);

/// How often new lines are asked for.
const EVERY: Duration = Duration::from_secs(3);

/// A line may be found so long after the time it bears, in milliseconds.
const LATE: i64 = 30_000;

/// What belongs to an execution may bear a time so long after its end, in milliseconds.
const AFTER: i64 = 2_000;

/// Prints log lines in the order of their times; with `--follow` until interrupted.
pub(crate) async fn logs(cloud: &Cloud, arguments: &Logs) -> Result<()> {
    cloud.account().await?;
    let (from, until) = match &arguments.execution {
        Some(execution) => of_execution(cloud, execution).await?,
        None => {
            let since = i64::try_from(arguments.since.unwrap_or(SINCE).as_millis()).unwrap_or(i64::MAX);
            (milliseconds(Micros::now()).saturating_sub(since).max(0), None)
        }
    };
    let wanted = if arguments.stage.is_empty() { LogSource::ALL.to_vec() } else { arguments.stage.clone() };
    let (client, json) = (cloud.logs(), arguments.output.json);
    let mut reader =
        Reader { cloud, client, execution: arguments.execution.as_deref(), from, until, seen: BTreeSet::new() };
    let mut found = reader.read(&wanted, true).await?;
    if found.is_empty() && !arguments.follow {
        say(match arguments.execution {
            Some(_) => "nothing was logged in that time",
            None => "nothing was logged in that time; --since 24h looks further back",
        });
    }
    loop {
        for line in &found {
            println!("{}", if json { line.json().to_string() } else { text(line) });
        }
        if !arguments.follow || until.is_some() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            // This is how following ends: no failure.
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
        found = reader.read(&wanted, false).await?;
    }
}

/// When an execution began, and when it ended if it has, in milliseconds since 1970.
async fn of_execution(cloud: &Cloud, execution: &str) -> Result<(i64, Option<i64>)> {
    let found = cloud.states().describe_execution().execution_arn(execution).send().await.map_err(|error| {
        if error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist() || error.is_invalid_arn()) {
            let name = &cloud.environment.name;
            return advise(
                format!("there is no execution {execution}"),
                format!("`cargo xtask status --aws --env {name}` lists the newest with their ARNs"),
            );
        }
        refused("states", error)
    })?;
    let until = found.stop_date().map(|time| milliseconds(micros(time)) + AFTER);
    Ok((milliseconds(micros(found.start_date())), until))
}

fn milliseconds(at: Micros) -> i64 {
    at.0 / 1000
}

struct Reader<'a> {
    cloud: &'a Cloud,
    client: Client,
    execution: Option<&'a str>,
    /// Lines of this millisecond and later are asked for.
    from: i64,
    until: Option<i64>,
    /// The lines that were read and may be read again.
    seen: BTreeSet<(i64, String)>,
}

impl Reader<'_> {
    /// The lines that were not read before, in the order of their times.
    async fn read(&mut self, wanted: &[LogSource], say_missing: bool) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for source in wanted {
            let group = self.group(*source);
            match self.of_group(*source, &group).await? {
                Some(found) => lines.extend(found),
                None if say_missing => say(&format!("there is no log group {group} yet")),
                None => {}
            }
        }
        lines.sort_by_key(|line| line.at);
        if let Some(newest) = lines.last() {
            self.from = self.from.max(milliseconds(newest.at) - LATE);
            self.seen.retain(|(at, _)| *at >= self.from);
        }
        Ok(lines)
    }

    fn group(&self, source: LogSource) -> String {
        let names = &self.cloud.environment.names;
        match source {
            LogSource::Machine => names.states_logs(&names.state_machine()),
            LogSource::Backfill => names.states_logs(&names.backfill_machine()),
            stage => names.function_logs(stage.name()),
        }
    }

    /// None when there is no such group.
    async fn of_group(&mut self, source: LogSource, group: &str) -> Result<Option<Vec<Line>>> {
        let request = self.client.filter_log_events().log_group_name(group).start_time(self.from);
        let mut pages = request.set_end_time(self.until).into_paginator().send();
        let mut lines = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                    return Ok(None);
                }
                Err(error) => return Err(refused("logs", error)),
            };
            for event in page.events() {
                let at = event.timestamp().unwrap_or_default();
                let line = Line::new(source, Micros(at * 1000), event.message().unwrap_or_default());
                let ours = self.execution.is_none_or(|execution| line.may_be_of(execution));
                if ours && self.seen.insert((at, event.event_id().or(event.message()).unwrap_or_default().to_owned())) {
                    lines.push(line);
                }
            }
        }
        Ok(Some(lines))
    }
}
