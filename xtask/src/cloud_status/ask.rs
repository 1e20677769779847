//! Asking AWS.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricAlarm, MetricDataQuery, MetricStat, StateValue};
use aws_sdk_sfn::types::ExecutionListItem;
use infra_templates::metrics;
use totesys_lake::{LakeError, Micros};

use super::{Alarm, Alarms, CloudStatus, Deployment, Execution, Lag, Part, Schedule};
use crate::alerts;
use crate::aws::{Cloud, refused};
use crate::deploy::Stacks;
use crate::execution::{self, Outcome, micros};
use crate::hint::advise;

/// How many executions are shown.
const EXECUTIONS: i32 = 5;

/// The type of an alarm among a stack's resources.
const ALARM: &str = "AWS::CloudWatch::Alarm";

/// A lag measured longer ago than this says nothing.
const MEASURED_WITHIN: Duration = Duration::from_secs(3 * 3600);

/// Everything but how the pipeline stands.
pub(super) async fn everything(cloud: &Cloud, account: String) -> CloudStatus {
    let (deployment, schedule, lag, executions, alarms, recipients) = tokio::join!(
        deployment(cloud),
        schedule(cloud),
        lag(cloud),
        executions(cloud),
        alarms(cloud),
        recipients(cloud),
    );
    CloudStatus {
        environment: cloud.environment.name.clone(),
        account,
        region: cloud.environment.region.clone(),
        deployment: Part::of(deployment),
        schedule: Part::of(schedule),
        lag: Part::of(lag),
        executions: Part::of(executions),
        alarms: Part::of(alarms),
        recipients: Part::of(recipients),
        pipeline: Part::Unknown { unknown: "not asked for".to_owned(), hint: None },
    }
}

async fn deployment(cloud: &Cloud) -> Result<Option<Deployment>> {
    let newest = match cloud.lake().await?.newest_deployment().await {
        // The data stack makes the bucket.
        Err(LakeError::NoSuchBucket { .. }) => return Ok(None),
        newest => newest?,
    };
    Ok(newest.map(|record| Deployment { number: record.number, at: record.at.to_string(), code: record.code.clone() }))
}

/// The schedule, as the stack's parameters have it.
async fn schedule(cloud: &Cloud) -> Result<Schedule> {
    let name = cloud.environment.names.pipeline_stack();
    let Some(stack) = Stacks::of(cloud).find(&name).await? else { return Err(cloud.not_deployed(&name)) };
    match (stack.parameters.get("ScheduleExpression"), stack.parameters.get("ScheduleState")) {
        (Some(expression), Some(state)) => Ok(Schedule { expression: expression.clone(), enabled: state == "ENABLED" }),
        _ => Err(advise(
            format!("stack `{name}` has no parameters ScheduleExpression and ScheduleState"),
            format!("it was deployed by another version: `cargo xtask deploy --env {}`", cloud.environment.name),
        )),
    }
}

async fn lag(cloud: &Cloud) -> Result<Option<Lag>> {
    let dimension = Dimension::builder().name(metrics::DIMENSION).value(cloud.environment.names.prefix()).build();
    let metric =
        Metric::builder().namespace(metrics::NAMESPACE).metric_name(metrics::LAG.name).dimensions(dimension).build();
    let maximum = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(maximum).build();
    let now = SystemTime::now();
    let found = cloud
        .metrics()
        .get_metric_data()
        .metric_data_queries(query)
        .start_time(DateTime::from(now - MEASURED_WITHIN))
        .end_time(DateTime::from(now))
        .send()
        .await
        .map_err(|error| refused("cloudwatch", error))?;
    let series = found.metric_data_results().first();
    let points = series.into_iter().flat_map(|series| series.timestamps().iter().zip(series.values()));
    let newest = points.max_by_key(|(at, _)| at.secs());
    Ok(newest.map(|(at, seconds)| Lag { seconds: *seconds, at: micros(at).to_string() }))
}

async fn executions(cloud: &Cloud) -> Result<Vec<Execution>> {
    let machine = cloud.output(&cloud.environment.names.pipeline_stack(), "StateMachineArn").await?;
    let listed = cloud.states().list_executions().state_machine_arn(machine).max_results(EXECUTIONS).send().await;
    let listed = listed.map_err(|error| refused("states", error))?;
    let mut executions = Vec::new();
    for item in listed.executions() {
        executions.push(execution(cloud, item).await?);
    }
    Ok(executions)
}

async fn execution(cloud: &Cloud, item: &ExecutionListItem) -> Result<Execution> {
    let (began, outcome) = (micros(item.start_date()), Outcome::of(item.status()));
    let ended = item.stop_date().map_or_else(Micros::now, micros);
    let lasted = Duration::from_micros(u64::try_from(ended.0 - began.0).unwrap_or_default());
    let failures = match outcome {
        Some(Outcome::Failed | Outcome::TimedOut) => execution::ended_as(cloud, item.execution_arn()).await?.failures,
        _ => Vec::new(),
    };
    Ok(Execution {
        execution: item.execution_arn().to_owned(),
        began: began.to_string(),
        outcome,
        seconds: lasted.as_secs_f64(),
        failures,
    })
}

async fn alarms(cloud: &Cloud) -> Result<Alarms> {
    let (prefix, stack) = (format!("{}-", cloud.environment.names.prefix()), cloud.environment.names.pipeline_stack());
    let stacks = Stacks::of(cloud);
    if stacks.find(&stack).await?.is_none() {
        return Err(cloud.not_deployed(&stack));
    }
    // Not by the prefix alone, with which the names of another environment's alarms may begin as well.
    let members = stacks.members(&stack).await?;
    let names: BTreeSet<&str> =
        members.iter().filter(|member| member.kind == ALARM).map(|alarm| &*alarm.name).collect();
    let mut pages = cloud.metrics().describe_alarms().alarm_name_prefix(&prefix).into_paginator().send();
    let mut alarms = Alarms::default();
    let mut found = 0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| refused("cloudwatch", error))?;
        let own = |alarm: &&MetricAlarm| alarm.alarm_name().is_some_and(|name| names.contains(name));
        for alarm in page.metric_alarms().iter().filter(own) {
            found += 1;
            if alarm.state_value() == Some(&StateValue::Ok) {
                alarms.ok += 1;
                continue;
            }
            let name = alarm.alarm_name().unwrap_or_default();
            alarms.not_ok.push(Alarm {
                name: name.to_owned(),
                short: name.strip_prefix(&prefix).unwrap_or(name).to_owned(),
                rings: alarm.state_value() == Some(&StateValue::Alarm),
                reason: alarm.state_reason().unwrap_or_default().to_owned(),
                since: alarm.state_updated_timestamp().map(|at| micros(at).to_string()),
            });
        }
    }
    if found == 0 {
        return Err(advise(
            "there are no alarms",
            format!("`cargo xtask deploy --env {}` makes them", cloud.environment.name),
        ));
    }
    // Those that ring come first.
    alarms.not_ok.sort_by(|one, other| (!one.rings, &one.name).cmp(&(!other.rings, &other.name)));
    Ok(alarms)
}

async fn recipients(cloud: &Cloud) -> Result<alerts::Recipients> {
    let topic = alerts::topic(cloud).await?;
    alerts::recipients(cloud, &topic).await
}
