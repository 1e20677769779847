//! What you type: `cargo xtask VERB`.

mod alerts;
mod arguments;
mod aws;
mod bench;
mod build;
mod cloud_status;
mod cluster;
mod collect;
mod cost;
mod debian;
mod demo;
mod deploy;
mod destroy;
mod diff;
mod doctor;
mod drift;
mod execution;
mod guests;
mod hint;
mod history;
mod import;
mod logs;
mod on_aws;
mod outputs;
mod package;
mod place;
mod processor;
mod progress;
mod quarantine;
mod reload;
mod rollback;
mod run;
mod secret;
mod simulate;
mod soak;
mod status;
mod stdin;
mod synth;
mod test;
mod transform;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use arguments::{Arguments, Verb};
use aws::Cloud;
use host_lambda::settings::Settings;
use place::say;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(until_interrupted(&arguments)));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C ends the verb as an error does, so that everything it started is stopped.
async fn until_interrupted(arguments: &Arguments) -> Result<u8> {
    // These end by being interrupted, or go on in AWS: they see to that themselves.
    let sees_to_it = match &arguments.verb {
        Verb::Simulate(_) => true,
        Verb::Run(run) => run.aws.aws,
        Verb::Logs(logs) => logs.follow,
        _ => false,
    };
    if sees_to_it {
        return perform(arguments).await;
    }
    tokio::select! {
        outcome = perform(arguments) => outcome,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            let (problem, hint) = deploy::interruption::words().unwrap_or_else(|| {
                ("interrupted".into(), "nothing is half done: the next run goes on from the last finished step".into())
            });
            Err(hint::advise(problem, hint))
        }
    }
}

/// Gives the exit code: 0, unless a verb has others to say what it found.
async fn perform(arguments: &Arguments) -> Result<u8> {
    // A doctor tells mistakes in settings itself.
    let looked_at = arguments.environment.as_deref().filter(|_| !matches!(arguments.verb, Verb::Doctor(_)));
    let cloud = match looked_at {
        Some(name) => Some(Cloud::open(arguments.settings.as_deref(), name).await?),
        None => None,
    };
    let mut settings = match &cloud {
        Some(cloud) => cloud.settings.clone(),
        None if matches!(arguments.verb, Verb::Doctor(_)) => Settings::default(),
        None => Settings::read(arguments.settings.as_deref(), std::env::vars())?,
    };
    if arguments.verbose {
        settings.log.level = "debug".into();
    } else if settings.log.level == "info" && !matches!(&arguments.verb, Verb::Run(run) if run.every.is_some()) {
        // Whoever waits for a verb reads what it prints; whoever comes later reads the log.
        settings.log.level = "warn".into();
    }
    host_lambda::telemetry::start(&settings.log)?;
    if let Some(code) = Box::pin(on_aws::perform(arguments, cloud.as_ref())).await? {
        return Ok(code);
    }
    if let Some(cloud) = &cloud {
        on_aws::allowed(&arguments.verb, cloud)?;
        // These verbs write into the environment's lake and databases from here: not into another account's.
        cloud.account().await?;
    }
    let code = Box::pin(here(arguments, settings)).await?;
    on_aws::follow_up(arguments, cloud.as_ref()).await?;
    Ok(code)
}

/// The verbs that work wherever the settings say.
async fn here(arguments: &Arguments, settings: Settings) -> Result<u8> {
    let done = match &arguments.verb {
        Verb::Transform(verb) => return Box::pin(transform::transform(settings, arguments.demo, verb)).await,
        Verb::Demo => Box::pin(demo::demo(settings)).await,
        Verb::Build(build) => build::build(build),
        Verb::Test(test) => test::test(test),
        Verb::Run(run) => Box::pin(run::run(settings, arguments.demo, run)).await,
        Verb::Reload(output) => Box::pin(reload::reload(settings, arguments.demo, output.json)).await,
        Verb::History(history) => Box::pin(history::history(settings, arguments.demo, history)).await,
        Verb::Status(status) => Box::pin(status::status(settings, arguments.demo, status.output.json)).await,
        Verb::Quarantine(verb) => Box::pin(quarantine::quarantine(settings, arguments.demo, verb)).await,
        Verb::Simulate(simulate) => Box::pin(simulate::simulate(settings, arguments.demo, simulate)).await,
        Verb::Bench(bench) => Box::pin(bench::bench(settings, bench)).await,
        Verb::Soak(soak) => soak::soak(soak),
        Verb::Import(import) => Box::pin(import::verb(settings, arguments.demo, import)).await,
        Verb::Doctor(_)
        | Verb::Synth(_)
        | Verb::Package(_)
        | Verb::Cost(_)
        | Verb::Diff(_)
        | Verb::Deploy(_)
        | Verb::Drift(_)
        | Verb::Rollback(_)
        | Verb::Outputs(_)
        | Verb::Destroy(_)
        | Verb::Logs(_)
        | Verb::Gc(_)
        | Verb::Secret(_)
        | Verb::Alerts(_) => Ok(()),
    };
    done.map(|()| 0)
}

/// Says what went wrong and what to do about it.
fn report(error: &anyhow::Error) {
    say(&format!("error: {}", host_lambda::sentence(error.as_ref())));
    if let Some(words) = hint::words(error) {
        say(&format!("component: {words}"));
    }
    if let Some(hint) = hint::of(error) {
        say(&format!("hint: {hint}"));
    }
}
