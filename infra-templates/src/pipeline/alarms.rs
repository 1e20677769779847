//! Alarms, all to the topic. Each costs 10 cents a month beyond the account's first ten, so what another alarm says
//! already has none: a throttled function shows as an execution that failed or a lag, a failed backfill writes itself, and
//! as long as one goes on, or hangs, there is a lag.

use crate::policy::arn;
use crate::resources::{Alarm, Dimension, Properties as _};
use crate::{Environment, Expression, Stage, Template, metrics, reference};

use super::machines::PIPELINE_MACHINE;

/// The lag that is alarmed about, in minutes. 30 are to be kept, so ten are left to do something.
pub(super) const LAG_MINUTES: u64 = 20;

/// A run that reports a lag up to this, in minutes, is up to date: it is what the run itself took.
const UP_TO_DATE_MINUTES: u64 = 5;

/// How much of a function's time limit a call may take, in percent.
const DURATION_PERCENT: u64 = 80;

/// How much of the record ids may be used, in percent.
pub(super) const RECORD_IDS_PERCENT: u64 = 80;

/// How long something that happened is looked back on where a schedule has no regular interval, in minutes.
const IRREGULAR_MINUTES: u64 = 60;

/// When a metric is beyond what it should be: so many of so many periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    period: u64,
    periods: u64,
    datapoints: u64,
}

/// What a period without data counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Breaching,
    NotBreaching,
    Ignore,
}

impl Missing {
    fn name(self) -> &'static str {
        match self {
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
            Self::Ignore => "ignore",
        }
    }
}

/// One alarm.
struct Watch {
    /// Its logical id.
    id: &'static str,
    /// Its name, after the prefix.
    name: &'static str,
    /// What it means.
    meaning: String,
    /// What to do about it.
    hint: String,
    namespace: &'static str,
    metric: &'static str,
    dimension: Dimension,
    statistic: &'static str,
    comparison: &'static str,
    threshold: u64,
    window: Window,
    missing: Missing,
    /// Whether people are told as well that it is over.
    tells_the_end: bool,
}

/// The logical ids of all alarms, in the order in which they are looked at.
pub(super) fn ids(environment: &Environment) -> Vec<&'static str> {
    watches(environment).into_iter().map(|watch| watch.id).collect()
}

/// Adds the alarms.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let topic = || vec![arn("sns", &environment.names.topic())];
    for watch in watches(environment) {
        let alarm = Alarm {
            alarm_name: format!("{}-{}", environment.names.prefix(), watch.name).into(),
            alarm_description: format!("{} hint: {}", watch.meaning, watch.hint),
            namespace: watch.namespace,
            metric_name: watch.metric,
            dimensions: vec![watch.dimension],
            statistic: watch.statistic,
            period: watch.window.period,
            evaluation_periods: watch.window.periods,
            datapoints_to_alarm: watch.window.datapoints,
            threshold: watch.threshold as f64,
            comparison_operator: watch.comparison,
            treat_missing_data: watch.missing.name(),
            alarm_actions: topic(),
            ok_actions: if watch.tells_the_end { topic() } else { Vec::new() },
        };
        template.add(watch.id, alarm.resource());
    }
}

fn watches(environment: &Environment) -> Vec<Watch> {
    let mut watches = vec![lag(environment), failed(environment), timed_out(environment), throttled(environment)];
    watches.extend([stars_behind(environment), refused_rows(environment), record_ids(environment)]);
    watches.extend(Stage::ALL.map(|stage| errors(environment, stage)));
    watches.extend(Stage::ALL.map(|stage| duration(environment, stage)));
    watches.extend([not_started(environment), deployments_untold(environment)]);
    watches
}

/// The time in which two runs of the schedule fall, in five minutes each: something that goes wrong in every run is one
/// alarm that stays, and not one mail for each run.
fn two_runs(environment: &Environment, datapoints: u64) -> Window {
    let minutes = environment.schedule.minutes.map_or(IRREGULAR_MINUTES, |interval| 2 * interval + 5);
    Window { period: 300, periods: minutes.div_ceil(5).max(datapoints), datapoints }
}

/// The lag, which is known only when a run reports it; between reports, and without them, it grows unseen. So the alarm
/// asks whether any run within [`quiet_minutes`] reported that it was up to date, minute by minute, where no report is a
/// bad one. As soon as there is none the warehouse is that late, whatever the reason: runs that fail, that leave a star
/// behind, or that are not started at all. It goes off at a lag between 20 minutes and those plus what the last good
/// run took, five at most, plus the minutes CloudWatch takes (it also looks at a few periods before those asked for
/// when data is missing): before 30. With an interval of more than 15 minutes it is as much later as [`quiet_minutes`]
/// says, and what keeps the 30 is that the settings allow no slower schedule.
///
/// A threshold of 20 minutes on the reports themselves would come too late: after a report of 19 the next one, which is
/// above, comes ten minutes later, and none comes when nothing runs.
///
/// Where the schedule has no regular interval nobody knows when a report is missing, and only reports count.
fn lag(environment: &Environment) -> Watch {
    let (meaning, threshold, window, missing) = match environment.schedule.minutes {
        Some(interval) => {
            let minutes = quiet_minutes(interval);
            let meaning = format!(
                "The warehouse is late: for {minutes} minutes no run has brought it to within {UP_TO_DATE_MINUTES} \
                 minutes of the source. It is like this as well until the first load after the first deployment."
            );
            let window = Window { period: 60, periods: minutes, datapoints: minutes };
            (meaning, UP_TO_DATE_MINUTES * 60, window, Missing::Breaching)
        }
        None => {
            let meaning = format!("A run left the warehouse more than {LAG_MINUTES} minutes behind the source.");
            (meaning, LAG_MINUTES * 60, Window { period: 60, periods: 1, datapoints: 1 }, Missing::Ignore)
        }
    };
    Watch {
        meaning,
        hint: format!("{}; where nothing failed, is the schedule enabled?", status(environment)),
        statistic: "Maximum",
        comparison: "GreaterThanThreshold",
        threshold,
        window,
        missing,
        tells_the_end: true,
        ..ours(environment, "LagAlarm", "lag", metrics::LAG.name)
    }
}

/// How many minutes may pass between two runs that report that they are up to date: [`LAG_MINUTES`], and never less than
/// an interval of the schedule with what a run takes, or it would be an alarm between any two runs.
fn quiet_minutes(interval: u64) -> u64 {
    LAG_MINUTES.max(interval + UP_TO_DATE_MINUTES)
}

fn failed(environment: &Environment) -> Watch {
    Watch {
        meaning: "An execution failed. The mail it sent says which step and why; the next run tries again.".to_owned(),
        hint: logs(environment),
        tells_the_end: true,
        ..of_the_machine(environment, "FailedAlarm", "failed", "ExecutionsFailed")
    }
}

fn timed_out(environment: &Environment) -> Watch {
    Watch {
        meaning: format!(
            "An execution took more than {} minutes and was ended. Nothing is lost, the next run goes on.",
            environment.execution_minutes
        ),
        hint: format!("{}; functions with more memory are faster", logs(environment)),
        ..of_the_machine(environment, "TimedOutAlarm", "timed-out", "ExecutionsTimedOut")
    }
}

fn throttled(environment: &Environment) -> Watch {
    Watch {
        meaning: "AWS held an execution up: the account starts more state transitions than its quota.".to_owned(),
        hint: "look for what else uses Step Functions in the account, or ask AWS for a higher quota".to_owned(),
        ..of_the_machine(environment, "ThrottledAlarm", "throttled", "ExecutionThrottled")
    }
}

/// Two loads in a row, where the schedule is regular: after one the star may catch up with the next.
fn stars_behind(environment: &Environment) -> Watch {
    let loads = if environment.schedule.minutes.is_some() { 2 } else { 1 };
    Watch {
        meaning: "A star falls behind: its batches are not loaded while the other stars' are.".to_owned(),
        hint: format!("{} names the star, {} the reason", status(environment), logs(environment)),
        statistic: "Maximum",
        window: two_runs(environment, loads),
        ..ours(environment, "StarsBehindAlarm", "stars-behind", metrics::STARS_BEHIND.name)
    }
}

fn refused_rows(environment: &Environment) -> Watch {
    Watch {
        meaning: "Rows of the source were refused. They are in quarantine and offered again; the others were loaded."
            .to_owned(),
        hint: format!("cargo xtask quarantine --env {}", environment.name),
        ..ours(environment, "RefusedRowsAlarm", "refused-rows", metrics::REFUSED_ROWS.name)
    }
}

/// It stays until a load reports less: ids are not given back.
fn record_ids(environment: &Environment) -> Watch {
    Watch {
        meaning: format!("A fact has used more than {RECORD_IDS_PERCENT} % of its record ids (int4)."),
        hint: format!("{} names the fact; plan a reload before they are used up", status(environment)),
        statistic: "Maximum",
        threshold: RECORD_IDS_PERCENT,
        window: Window { period: 300, periods: 1, datapoints: 1 },
        missing: Missing::Ignore,
        ..ours(environment, "RecordIdsAlarm", "record-ids", metrics::RECORD_IDS_USED.name)
    }
}

fn errors(environment: &Environment, stage: Stage) -> Watch {
    let (id, name) = match stage {
        Stage::Extract => ("ExtractErrorsAlarm", "extract-errors"),
        Stage::Transform => ("TransformErrorsAlarm", "transform-errors"),
        Stage::Load => ("LoadErrorsAlarm", "load-errors"),
    };
    Watch {
        meaning: format!(
            "The {} function failed. Where another attempt went well the execution went on, and this is all there is.",
            stage.name()
        ),
        hint: format!("{} --stage {}", logs(environment), stage.name()),
        ..of_a_function(environment, stage, id, name, "Errors")
    }
}

fn duration(environment: &Environment, stage: Stage) -> Watch {
    let (id, name) = match stage {
        Stage::Extract => ("ExtractDurationAlarm", "extract-duration"),
        Stage::Transform => ("TransformDurationAlarm", "transform-duration"),
        Stage::Load => ("LoadDurationAlarm", "load-duration"),
    };
    let limit = environment.size(stage).timeout;
    Watch {
        meaning: format!(
            "A call of the {} function took more than {DURATION_PERCENT} % of its limit of {limit} s.",
            stage.name()
        ),
        hint: format!(
            "raise timeout, or memory, which is also speed, in [environments.{}.{}] and deploy",
            environment.name,
            stage.name()
        ),
        statistic: "Maximum",
        threshold: limit * 1000 * DURATION_PERCENT / 100,
        ..of_a_function(environment, stage, id, name, "Duration")
    }
}

/// It stays until the queue is emptied.
fn not_started(environment: &Environment) -> Watch {
    let names = &environment.names;
    Watch {
        meaning: "The schedule could not start the pipeline; its request and AWS's answer are in the queue.".to_owned(),
        hint: format!(
            "read the queue {0} (aws sqs receive-message, attributes included), mend the cause, then empty it with \
             aws sqs purge-queue",
            names.dead_letters()
        ),
        statistic: "Maximum",
        window: Window { period: 300, periods: 1, datapoints: 1 },
        ..watch(
            "NotStartedAlarm",
            "not-started",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            dimension("QueueName", names.dead_letters()),
            two_runs(environment, 1),
        )
    }
}

fn deployments_untold(environment: &Environment) -> Watch {
    let names = &environment.names;
    Watch {
        meaning: "The mail about a deployment could not be sent to the topic.".to_owned(),
        hint: format!("is the topic's policy as deployed? cargo xtask drift --env {}", environment.name),
        window: Window { period: 300, periods: 1, datapoints: 1 },
        ..watch(
            "DeploymentsUntoldAlarm",
            "deployments-untold",
            "AWS/Events",
            "FailedInvocations",
            dimension("RuleName", format!("{}-deployments", names.prefix())),
            two_runs(environment, 1),
        )
    }
}

fn status(environment: &Environment) -> String {
    format!("cargo xtask status --aws --env {}", environment.name)
}

fn logs(environment: &Environment) -> String {
    format!("cargo xtask logs --env {}", environment.name)
}

fn dimension(name: &'static str, value: impl Into<Expression>) -> Dimension {
    Dimension { name, value: value.into() }
}

/// Any of something that should not be, within two runs.
fn watch(
    id: &'static str,
    name: &'static str,
    namespace: &'static str,
    metric: &'static str,
    dimension: Dimension,
    window: Window,
) -> Watch {
    Watch {
        id,
        name,
        meaning: String::new(),
        hint: String::new(),
        namespace,
        metric,
        dimension,
        statistic: "Sum",
        comparison: "GreaterThanOrEqualToThreshold",
        threshold: 1,
        window,
        missing: Missing::NotBreaching,
        tells_the_end: false,
    }
}

fn ours(environment: &Environment, id: &'static str, name: &'static str, metric: &'static str) -> Watch {
    let dimension = dimension(metrics::DIMENSION, environment.names.prefix());
    watch(id, name, metrics::NAMESPACE, metric, dimension, two_runs(environment, 1))
}

fn of_the_machine(environment: &Environment, id: &'static str, name: &'static str, metric: &'static str) -> Watch {
    let dimension = dimension("StateMachineArn", reference(PIPELINE_MACHINE));
    watch(id, name, "AWS/States", metric, dimension, two_runs(environment, 1))
}

fn of_a_function(
    environment: &Environment,
    stage: Stage,
    id: &'static str,
    name: &'static str,
    metric: &'static str,
) -> Watch {
    let dimension = dimension("FunctionName", environment.names.function(stage.name()));
    watch(id, name, "AWS/Lambda", metric, dimension, two_runs(environment, 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::Schedule;
    use crate::pipeline::tests::production;

    fn alarms(environment: &Environment) -> Vec<Value> {
        let mut template = Template::new("alarms");
        add(&mut template, environment);
        template.resources.into_values().map(|alarm| alarm.properties).collect()
    }

    #[test]
    fn every_alarm_says_what_to_do_and_is_told_to_the_topic() {
        let environment = production();
        let alarms = alarms(&environment);
        let names: BTreeSet<&str> = alarms.iter().filter_map(|alarm| alarm["AlarmName"].as_str()).collect();
        assert_eq!(names.len(), alarms.len());
        // Each costs money.
        assert_eq!(alarms.len(), 15);
        for alarm in alarms {
            let description = alarm["AlarmDescription"].as_str().unwrap();
            assert!(description.contains(" hint: ") && description.len() <= 1024, "{description}");
            assert_eq!(alarm["AlarmActions"], json!([arn("sns", &environment.names.topic())]));
            let seconds = alarm["Period"].as_u64().unwrap() * alarm["EvaluationPeriods"].as_u64().unwrap();
            assert!(seconds <= 86_400, "CloudWatch looks back on a day at most: {alarm}");
        }
    }

    /// The minute at whose end the lag alarm goes off, as CloudWatch decides it. Reports are a minute and a lag in
    /// seconds each.
    fn goes_off(watch: &Watch, reports: &[(u64, u64)]) -> Option<u64> {
        let bad = |minute: &u64| {
            let worst = reports.iter().filter(|report| report.0 == *minute).map(|report| report.1).max();
            worst.map_or(watch.missing == Missing::Breaching, |lag| lag > watch.threshold)
        };
        let Window { periods, datapoints, .. } = watch.window;
        (periods..60).find(|now| (now + 1 - periods..=*now).filter(bad).count() as u64 >= datapoints)
    }

    #[test]
    fn the_lag_alarm_goes_off_between_20_and_30_minutes() {
        let watch = lag(&production());
        let regular = |lag: u64| (0..6).map(|run| (run * 10, lag)).collect::<Vec<_>>();
        for (what, reports, last_good) in [
            ("all is well", regular(60), None),
            ("runs take five minutes", regular(300), None),
            ("nothing runs any more", vec![(0, 60)], Some((0, 60))),
            ("every run fails after a slow one", vec![(0, 60), (10, 300)], Some((10, 300))),
            ("a star stays behind", vec![(0, 60), (10, 660), (20, 1260), (30, 1860)], Some((0, 60))),
        ] {
            let lag = goes_off(&watch, &reports).map(|minute| {
                let (good, lag) = last_good.expect(what);
                (minute + 1 - good) * 60 + lag
            });
            assert_eq!(lag.is_some(), last_good.is_some(), "{what}");
            assert!(lag.is_none_or(|lag| (1200..=1600).contains(&lag)), "{what}: at a lag of {lag:?} s");
        }
    }

    #[test]
    fn no_schedule_that_is_kept_raises_the_lag_alarm() {
        for (interval, first) in [(1, 0), (10, 0), (16, 4), (25, 0), (29, 9)] {
            let schedule = Schedule { expression: format!("rate({interval} minutes)"), minutes: Some(interval) };
            let watch = lag(&Environment { schedule, ..production() });
            // One run takes no time at all and the next one five minutes.
            let reports: Vec<_> =
                (0..120 / interval).map(|run| (first + run * interval + run % 2 * 5, run % 2 * 300)).collect();
            assert_eq!(goes_off(&watch, &reports), None, "every {interval} minutes");
        }
    }

    #[test]
    fn without_a_regular_interval_only_reports_count() {
        let schedule = Schedule { expression: "cron(0 6 * * ? *)".to_owned(), minutes: None };
        let watch = lag(&Environment { schedule, ..production() });
        assert_eq!(goes_off(&watch, &[]), None);
        assert_eq!(goes_off(&watch, &[(3, 1200), (30, 1201)]), Some(30));
    }
}
