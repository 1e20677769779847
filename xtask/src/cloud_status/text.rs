//! How an environment runs, for a person.

use super::{Alarms, CloudStatus, Deployment, Execution, Lag, Part, Schedule};
use crate::alerts::Recipients;
use crate::execution::Failure;

/// A lag above this, in seconds, breaks the promise that a change is visible within 30 minutes.
const LIMIT: f64 = 1800.0;

pub(super) fn text(status: &CloudStatus) -> String {
    let CloudStatus { environment, account, region, .. } = status;
    let mut text = format!("environment   {environment} (account {account}, {region})\n");
    text += &line("deployment", &status.deployment, deployment);
    text += &line("schedule", &status.schedule, schedule);
    text += &line("lag", &status.lag, lag);
    text += &line("alarms", &status.alarms, alarms);
    text += &line("executions", &status.executions, |newest| executions(newest));
    text += &line("alerts to", &status.recipients, |found| recipients(found, environment));
    match &status.pipeline {
        Part::Known(pipeline) => text += &format!("\n{}", crate::status::text(pipeline)),
        unknown @ Part::Unknown { .. } => text += &format!("\n{}", line("pipeline", unknown, |_| String::new())),
    }
    text
}

/// `name  words`; further lines of the words are set below the first.
fn line<T>(name: &str, part: &Part<T>, words: impl Fn(&T) -> String) -> String {
    let words = match part {
        Part::Known(found) => words(found),
        Part::Unknown { unknown, hint } => {
            let hint = hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            format!("unknown: {unknown}{hint}")
        }
    };
    format!("{name:<13} {}\n", words.trim_end().replace('\n', "\n              "))
}

fn deployment(newest: &Option<Deployment>) -> String {
    match newest {
        None => "none was ever finished".to_owned(),
        Some(Deployment { number, at, code }) => format!("number {number} of {at}, {code}"),
    }
}

fn schedule(Schedule { expression, enabled }: &Schedule) -> String {
    if *enabled { expression.clone() } else { format!("{expression}, DISABLED: nothing runs by itself") }
}

fn lag(newest: &Option<Lag>) -> String {
    match newest {
        None => "not measured in the last 3 hours".to_owned(),
        Some(Lag { seconds, at }) => {
            let verdict = if *seconds <= LIMIT { "within" } else { "BEYOND" };
            let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
            format!("{minutes:.0} min {rest:.0} s at {at}, {verdict} the limit of {:.0} min", LIMIT / 60.0)
        }
    }
}

fn alarms(Alarms { ok, not_ok }: &Alarms) -> String {
    let (ringing, silent): (Vec<_>, Vec<_>) = not_ok.iter().partition(|alarm| alarm.rings);
    let all = ok + not_ok.len();
    let mut text = match ringing.len() {
        0 => format!("none of {all} rings\n"),
        some => format!("{some} of {all} RING\n"),
    };
    for alarm in ringing {
        let since = alarm.since.as_deref().map(|since| format!(" since {since}")).unwrap_or_default();
        text += &format!("{}{since}: {}\n", alarm.name, alarm.reason);
    }
    if !silent.is_empty() {
        // The prefix is the same for all, and says nothing here.
        let names: Vec<_> = silent.iter().map(|alarm| alarm.short.as_str()).collect();
        text += &format!("no data yet: {}\n", names.join(", "));
    }
    text
}

fn executions(newest: &[Execution]) -> String {
    if newest.is_empty() {
        return "none yet".to_owned();
    }
    let mut text = String::new();
    for execution in newest {
        let outcome = execution.outcome.map_or("runs", |outcome| outcome.words());
        text += &format!("{}  {outcome:<15} {:>7.1} s  {}\n", execution.began, execution.seconds, execution.execution);
        for Failure { state, star, error, message, .. } in &execution.failures {
            let star = star.as_deref().map(|star| format!(" of {star}")).unwrap_or_default();
            text += format!("  {state}{star}: {error}: {message}").trim_end_matches(": ");
            text += "\n";
        }
    }
    // What to do about the newest failure; the older ones are past.
    let newest = newest.iter().find(|one| one.outcome.is_some());
    if let Some(failure) = newest.and_then(|one| one.failures.first()) {
        text += &format!("hint: {}\n", failure.hint);
    }
    text
}

fn recipients(recipients: &Recipients, environment: &str) -> String {
    let mut text = recipients.text();
    if !recipients.is_well() {
        text += &match recipients.confirmed.is_empty() && recipients.pending.is_empty() && recipients.missing.is_empty()
        {
            true => format!("hint: set `emails` in [environments.{environment}] and deploy\n"),
            false => format!("hint: cargo xtask alerts confirm --env {environment}\n"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Alarm;
    use super::*;
    use crate::execution::Outcome;

    const MACHINE: &str = "arn:aws:states:eu-west-2:123456789012:execution:acme-totesys-pipeline";

    fn execution(name: &str, outcome: Option<Outcome>) -> Execution {
        Execution {
            execution: format!("{MACHINE}:{name}"),
            began: "2024-08-22T08:00:00Z".into(),
            outcome,
            seconds: 42.25,
            failures: Vec::new(),
        }
    }

    fn addresses(list: &[&str]) -> std::collections::BTreeSet<String> {
        list.iter().map(|address| (*address).to_owned()).collect()
    }

    fn status() -> CloudStatus {
        CloudStatus {
            environment: "production".into(),
            account: "123456789012".into(),
            region: "eu-west-2".into(),
            deployment: Part::Known(Some(Deployment {
                number: 4,
                at: "2024-08-21T17:30:00Z".into(),
                code: "functions/abab.zip".into(),
            })),
            schedule: Part::Known(Schedule { expression: "rate(10 minutes)".into(), enabled: true }),
            lag: Part::Known(Some(Lag { seconds: 312.0, at: "2024-08-22T08:00:40Z".into() })),
            executions: Part::Known(vec![execution("c", None), execution("b", Some(Outcome::Succeeded))]),
            alarms: Part::Known(Alarms { ok: 12, not_ok: Vec::new() }),
            recipients: Part::Known(Recipients { confirmed: addresses(&["ops@acme.example"]), ..Default::default() }),
            pipeline: Part::Unknown {
                unknown: "no PostgreSQL server can be reached at reader@10.0.0.7:5432/totesys".into(),
                hint: Some("the databases are in a private network: ask from inside it".into()),
            },
        }
    }

    #[test]
    fn an_environment_that_is_well() {
        insta::assert_snapshot!(text(&status()));
    }

    #[test]
    fn an_environment_in_trouble() {
        let failed = Execution {
            failures: vec![Failure {
                state: "Extract".into(),
                star: None,
                error: "SourceUnavailable".into(),
                message: "no PostgreSQL server can be reached".into(),
                hint: "check that the source runs".into(),
            }],
            ..execution("b", Some(Outcome::Failed))
        };
        let alarm = |name: &str, rings| Alarm {
            name: format!("acme-totesys-{name}"),
            short: name.to_owned(),
            rings,
            reason: "Threshold Crossed: 1 datapoint was greater than 1200.0".into(),
            since: Some("2024-08-22T07:50:00Z".into()),
        };
        let trouble = CloudStatus {
            deployment: Part::Known(None),
            schedule: Part::Known(Schedule { expression: "rate(10 minutes)".into(), enabled: false }),
            lag: Part::Known(Some(Lag { seconds: 1861.0, at: "2024-08-22T08:00:40Z".into() })),
            executions: Part::Known(vec![failed]),
            alarms: Part::Known(Alarms { ok: 10, not_ok: vec![alarm("lag", true), alarm("ids", false)] }),
            recipients: Part::Known(Recipients {
                pending: addresses(&["ops@acme.example"]),
                missing: addresses(&["dev@acme.example"]),
                ..Default::default()
            }),
            ..status()
        };
        let blind = CloudStatus {
            lag: Part::Known(None),
            executions: Part::Known(Vec::new()),
            alarms: Part::Unknown {
                unknown: "cloudwatch refused: AccessDenied: not allowed".into(),
                hint: Some("`cargo xtask doctor --policy` prints the rights a deployer needs".into()),
            },
            recipients: Part::Known(Recipients::default()),
            ..status()
        };
        insta::assert_snapshot!(format!("{}\n{}", text(&trouble), text(&blind)));
    }
}
