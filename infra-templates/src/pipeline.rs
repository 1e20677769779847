//! The stack of what runs: functions, state machines, schedule, logs, alarms and the dashboard.

mod alarms;
mod dashboard;
mod functions;
mod logs;
mod machines;
mod network;
mod roles;
mod schedule;

#[cfg(test)]
mod tests;

use crate::{Environment, Output, Parameter, Template, exceptions, reference, sub};

/// The stack of what runs.
#[must_use]
pub fn pipeline_stack(environment: &Environment) -> Template {
    let mut template = Template::new(format!("Totesys {}: what runs", environment.names.prefix()));
    template.parameters.extend(parameters(environment));
    network::add(&mut template, environment);
    roles::add(&mut template, environment);
    logs::add(&mut template, environment);
    functions::add(&mut template, environment);
    machines::add(&mut template, environment);
    schedule::add(&mut template, environment);
    alarms::add(&mut template, environment);
    dashboard::add(&mut template, environment);
    template.outputs.extend(outputs(environment));
    exceptions::declare(&mut template);
    for resource in template.resources.values_mut().filter(|resource| PASSING.contains(&resource.kind)) {
        resource.deletion_policy = Some("Delete");
        resource.update_replace_policy = Some("Delete");
    }
    template
}

/// What holds something and goes with the stack all the same: it says so, since no default should decide that.
const PASSING: [&str; 2] = ["AWS::Logs::LogGroup", "AWS::SQS::Queue"];

fn parameters(environment: &Environment) -> [(&'static str, Parameter); 3] {
    let parameter = |description, default| Parameter {
        kind: "String",
        description,
        default,
        allowed_pattern: None,
        allowed_values: Vec::new(),
    };
    [
        (
            "CodeKey",
            Parameter {
                allowed_pattern: Some("^functions/[0-9a-f]{64}\\.zip$"),
                ..parameter("The functions' program: its key in the code bucket", None)
            },
        ),
        (
            "ScheduleExpression",
            Parameter {
                allowed_pattern: Some("^(rate|cron)\\(.+\\)$"),
                ..parameter("When the pipeline runs", Some(environment.schedule.expression.clone()))
            },
        ),
        (
            "ScheduleState",
            Parameter {
                allowed_values: vec!["DISABLED", "ENABLED"],
                ..parameter("Whether the pipeline runs by itself", Some("ENABLED".to_owned()))
            },
        ),
    ]
}

fn outputs(environment: &Environment) -> [(&'static str, Output); 7] {
    let output = |description, value| Output { description, value };
    let dashboard = format!(
        "https://${{AWS::Region}}.console.aws.amazon.com/cloudwatch/home?region=${{AWS::Region}}#dashboards/dashboard/{}",
        environment.names.dashboard()
    );
    [
        ("StateMachineArn", output("The machine that the schedule starts", reference("PipelineMachine"))),
        ("BackfillMachineArn", output("The machine that reads tables in chunks", reference("BackfillMachine"))),
        ("ExtractFunction", output("Source to lake", reference("ExtractFunction"))),
        ("TransformFunction", output("Lake to lake", reference("TransformFunction"))),
        ("LoadFunction", output("Lake to warehouse", reference("LoadFunction"))),
        ("CodeKey", output("The functions' program", reference("CodeKey"))),
        ("DashboardUrl", output("Is it well, how late is the data, what did it cost", sub(&dashboard))),
    ]
}
