//! `cost`: what an environment costs a month, as an estimate.

use std::collections::BTreeMap;

use anyhow::Result;
use infra_templates::cost::{self, MEASURED_ON, PAGES, Volume};
use infra_templates::{Environment, RawEnvironment};

use crate::arguments::Cost;
use crate::hint::advise;
use crate::place::say;

/// Prints the estimate for an environment, or for one that has every default.
pub(crate) fn cost(environment: Option<&Environment>, arguments: &Cost) -> Result<()> {
    let default;
    let environment = match environment {
        Some(environment) => environment,
        None => {
            default = plain()?;
            &default
        }
    };
    let estimate =
        cost::estimate(environment, volume(arguments)).map_err(|error| advise(error.to_string(), error.hint()))?;
    if arguments.output.json {
        println!("{}", serde_json::to_string(&estimate)?);
        return Ok(());
    }
    print!("{}", estimate.text());
    say(&format!("\ndurations: {MEASURED_ON}"));
    say("prices were not fetched; AWS says them now at:");
    for (service, page) in PAGES {
        say(&format!("  {service}: {page}"));
    }
    Ok(())
}

fn volume(arguments: &Cost) -> Volume {
    let default = Volume::default();
    Volume {
        schedule_minutes: arguments.schedule.map(|every| every.as_secs_f64() / 60.0),
        rows_per_day: arguments.rows_per_day.map_or(default.rows_per_day, f64::from),
        source_rows: arguments.source_rows.map_or(default.source_rows, f64::from),
        private_network: arguments.vpc,
    }
}

/// An environment of which nothing is set.
fn plain() -> Result<Environment> {
    let raw = RawEnvironment {
        region: Some("eu-west-2".to_owned()),
        prefix: Some("totesys".to_owned()),
        ..RawEnvironment::default()
    };
    raw.check("default", BTreeMap::new()).map_err(|mistakes| {
        let first = mistakes.first();
        let problem = first.map_or_else(String::new, ToString::to_string);
        advise(problem, first.map_or("", |mistake| mistake.hint.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::arguments::Output;

    #[test]
    fn what_is_not_said_is_as_at_totesys() {
        let mut arguments =
            Cost { schedule: None, rows_per_day: None, source_rows: None, vpc: false, output: Output { json: false } };
        assert_eq!(volume(&arguments), Volume::default());
        arguments.schedule = Some(Duration::from_secs(90));
        arguments.rows_per_day = Some(10);
        let volume = volume(&arguments);
        assert_eq!((volume.schedule_minutes, volume.rows_per_day), (Some(1.5), 10.0));
    }

    #[test]
    fn an_environment_of_defaults_is_a_good_one() {
        assert_eq!(plain().unwrap().schedule.minutes, Some(10));
    }
}
