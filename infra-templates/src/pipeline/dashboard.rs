//! The dashboard: is it well, how late is the data, what did it cost.

mod widgets;

use serde_json::{Value, json};

use widgets::{Line, Widget, chart, computed, hidden, number};

use super::alarms;
use super::machines::PIPELINE_MACHINE;
use crate::cost::Prices;
use crate::metrics::{self, Metric};
use crate::resources::{Dashboard, Properties as _};
use crate::{Architecture, Environment, Stage, Template, sub};

/// The lag that is promised, in minutes.
const LAG_PROMISED: u64 = 30;

/// The size of a widget; 24 go across.
const WIDTH: u64 = 12;
const HEIGHT: u64 = 6;

/// A day, in seconds.
const DAY: u64 = 86400;

/// Adds the dashboard.
pub(super) fn add(template: &mut Template, environment: &Environment) {
    let body = json!({ "start": "-P1D", "periodOverride": "inherit", "widgets": widgets(environment) });
    let dashboard =
        Dashboard { dashboard_name: environment.names.dashboard().into(), dashboard_body: sub(&body.to_string()) };
    template.add("Dashboard", dashboard.resource());
}

/// The widgets, two in a row.
fn widgets(environment: &Environment) -> Vec<Value> {
    let widgets = [
        what_to_do,
        is_it_well,
        lag,
        executions,
        rows_moved,
        refused,
        durations,
        function_errors,
        memory,
        record_ids,
        cost,
        cost_by_day,
    ];
    let placed = widgets.iter().zip(0..).map(|(widget, place)| {
        let (x, y) = (place % 2 * WIDTH, place / 2 * HEIGHT);
        widget(environment).at(x, y, WIDTH, HEIGHT)
    });
    placed.collect()
}

fn what_to_do(environment: &Environment) -> Widget {
    let name = &environment.name;
    let runs = match environment.schedule.minutes {
        Some(minutes) => format!("every {minutes} minutes"),
        None => format!("at `{}`", environment.schedule.expression),
    };
    Widget::text(&format!(
        "# {prefix}\n\
         Environment **{name}**, {region}. It runs {runs}; a change is to be in the warehouse within {LAG_PROMISED} \
         minutes.\n\n\
         | When | Then |\n|---|---|\n\
         | an alarm is red | its description says what to do |\n\
         | the lag grows | `cargo xtask status --aws --env {name}` |\n\
         | an execution failed | `cargo xtask logs --env {name}` |\n\
         | rows were refused | `cargo xtask quarantine --env {name}` |\n\
         | it costs too much | `cargo xtask cost --env {name}` |\n",
        prefix = environment.names.prefix(),
        region = environment.region,
    ))
}

fn is_it_well(environment: &Environment) -> Widget {
    let arns = alarms::ids(environment).into_iter().map(|id| format!("${{{id}.Arn}}")).collect();
    Widget::alarms("Is it well?", arns)
}

fn lag(environment: &Environment) -> Widget {
    let seconds = hidden(ours(environment, metrics::LAG, "Maximum"), "seconds");
    let minutes = computed("seconds / 60", "lag at the end of a run");
    chart(environment, "How late is the data? (minutes)", 60, vec![minutes, seconds])
        .with_level("alarm", alarms::LAG_MINUTES)
        .with_level("promised", LAG_PROMISED)
}

fn executions(environment: &Environment) -> Widget {
    let line = |metric, label| {
        number("AWS/States", metric, "StateMachineArn", &format!("${{{PIPELINE_MACHINE}}}"), "Sum").labelled(label)
    };
    let lines = vec![
        line("ExecutionsSucceeded", "succeeded"),
        line("ExecutionsFailed", "failed"),
        line("ExecutionsTimedOut", "timed out"),
        line("ExecutionThrottled", "throttled"),
    ];
    chart(environment, "Executions", 3600, lines)
}

fn rows_moved(environment: &Environment) -> Widget {
    let lines = vec![
        ours(environment, metrics::ROWS, "Sum").labelled("rows"),
        ours(environment, metrics::BYTES, "Sum").labelled("bytes").on_the_right(),
    ];
    chart(environment, "Rows and bytes taken from the source", 3600, lines)
}

fn refused(environment: &Environment) -> Widget {
    let lines = vec![
        ours(environment, metrics::REFUSED_ROWS, "Sum").labelled("refused rows"),
        ours(environment, metrics::STARS_BEHIND, "Maximum").labelled("stars behind").on_the_right(),
    ];
    chart(environment, "Refused rows and stars behind", 300, lines)
}

fn durations(environment: &Environment) -> Widget {
    let lines = Stage::ALL.map(|stage| of_function(environment, stage, "Duration", "Maximum").labelled(stage.name()));
    chart(environment, "Longest call (milliseconds)", 300, lines.to_vec())
}

fn function_errors(environment: &Environment) -> Widget {
    let lines = Stage::ALL.into_iter().flat_map(|stage| {
        ["Errors", "Throttles"].map(|metric| {
            let label = format!("{} {}", stage.name(), metric.to_lowercase());
            of_function(environment, stage, metric, "Sum").labelled(&label)
        })
    });
    chart(environment, "Errors and throttles of the functions", 300, lines.collect())
}

fn memory(environment: &Environment) -> Widget {
    let bytes = hidden(ours(environment, metrics::GUEST_MEMORY, "Maximum"), "bytes");
    chart(environment, "Memory of the components (MiB)", 300, vec![computed("bytes / 1048576", "most"), bytes])
}

fn record_ids(environment: &Environment) -> Widget {
    let lines = vec![ours(environment, metrics::RECORD_IDS_USED, "Maximum").labelled("fullest fact")];
    chart(environment, "Record ids used (percent of int4)", 3600, lines).with_level("alarm", alarms::RECORD_IDS_PERCENT)
}

fn cost(environment: &Environment) -> Widget {
    chart(
        environment,
        "What did it cost? (US dollars in the time shown, without storage and fixed costs)",
        DAY,
        spent(environment),
    )
    .summed_up()
}

fn cost_by_day(environment: &Environment) -> Widget {
    chart(environment, "The same by day", DAY, spent(environment)).stacked()
}

/// Lambda by memory and time, Step Functions by transitions: each execution makes four, its start among them, each load
/// three more (the Map, itself and the choice after it), each transformation one. Repeated attempts and backfills are
/// left out.
fn spent(environment: &Environment) -> Vec<Line> {
    let prices = Prices::of(&environment.region);
    let gb_second = match environment.architecture {
        Architecture::Arm64 => prices.gb_second_arm64,
        Architecture::X86_64 => prices.gb_second_x86_64,
    };
    let sizes = Stage::ALL.map(|stage| (stage.name(), environment.size(stage).memory));
    // Where one of its series has nothing, as on a day without a load, CloudWatch computes nothing either.
    let filled = |series: &str| format!("FILL({series}, 0)");
    let gb_seconds =
        sizes.map(|(stage, memory)| format!("{} * {memory} / 1024000", filled(&format!("{stage}_ms")))).join(" + ");
    let calls = sizes.map(|(stage, _)| filled(&format!("{stage}_calls"))).join(" + ");
    let lambda = format!("({gb_seconds}) * {gb_second} + ({calls}) * {} / 1000000", prices.calls_million);
    let transitions =
        format!("4 * {} + 3 * {} + {}", filled("started"), filled("load_calls"), filled("transform_calls"));
    let mut lines = vec![
        computed(&lambda, "Lambda"),
        computed(&format!("({transitions}) * {} / 1000", prices.transitions_1000), "Step Functions"),
    ];
    let machine = format!("${{{PIPELINE_MACHINE}}}");
    lines.push(hidden(number("AWS/States", "ExecutionsStarted", "StateMachineArn", &machine, "Sum"), "started"));
    for stage in Stage::ALL {
        let milliseconds = of_function(environment, stage, "Duration", "Sum");
        lines.push(hidden(milliseconds, &format!("{}_ms", stage.name())));
        let calls = of_function(environment, stage, "Invocations", "Sum");
        lines.push(hidden(calls, &format!("{}_calls", stage.name())));
    }
    lines
}

fn ours(environment: &Environment, metric: Metric, statistic: &str) -> Line {
    number(metrics::NAMESPACE, metric.name, metrics::DIMENSION, environment.names.prefix(), statistic)
}

fn of_function(environment: &Environment, stage: Stage, metric: &str, statistic: &str) -> Line {
    number("AWS/Lambda", metric, "FunctionName", &environment.names.function(stage.name()), statistic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::production;

    #[test]
    fn whatever_the_dashboard_shows_is_in_the_stack() {
        let template = crate::pipeline_stack(&production());
        let body = template.resources["Dashboard"].properties["DashboardBody"]["Fn::Sub"].as_str().unwrap();
        let shown: Vec<&str> = body.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next()).collect();
        assert!(!shown.is_empty());
        for id in shown {
            assert!(template.resources.contains_key(id), "{id}");
        }
        for alarm in template.resources.iter().filter(|(_, resource)| resource.kind == "AWS::CloudWatch::Alarm") {
            assert!(body.contains(&format!("${{{}.Arn}}", alarm.0)), "{}", alarm.0);
        }
    }

    #[test]
    fn what_is_computed_is_computed_from_series_of_the_same_widget() {
        for widget in widgets(&production()) {
            let lines: Vec<Value> = widget["properties"]["metrics"].as_array().cloned().unwrap_or_default();
            let options: Vec<&Value> = lines.iter().filter_map(|line| line.as_array()?.last()).collect();
            let ids: Vec<&str> = options.iter().filter_map(|options| options["id"].as_str()).collect();
            for expression in options.iter().filter_map(|options| options["expression"].as_str()) {
                let names = expression.split(|mark: char| !mark.is_ascii_alphanumeric() && !"_.".contains(mark));
                for name in names.filter(|name| name.starts_with(|mark: char| mark.is_ascii_lowercase())) {
                    assert!(ids.contains(&name), "{name} in {expression}");
                }
            }
        }
    }
}
