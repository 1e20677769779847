//! What you type: `cargo xtask VERB`.

mod arguments;
mod bench;
mod build;
mod cluster;
mod debian;
mod demo;
mod guests;
mod hint;
mod history;
mod import;
mod place;
mod progress;
mod quarantine;
mod reload;
mod run;
mod simulate;
mod soak;
mod status;
mod test;
mod transform;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use arguments::{Arguments, Verb};
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
    // A simulation ends by being interrupted: it sees to that itself.
    if matches!(arguments.verb, Verb::Simulate(_)) {
        return perform(arguments).await;
    }
    tokio::select! {
        outcome = perform(arguments) => outcome,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(hint::advise("interrupted", "nothing is half done: the next run goes on from the last finished step"))
        }
    }
}

/// Gives the exit code: 0, unless a verb has others to say what it found.
async fn perform(arguments: &Arguments) -> Result<u8> {
    let mut settings = Settings::read(arguments.settings.as_deref(), std::env::vars())?;
    if arguments.verbose {
        settings.log.level = "debug".into();
    } else if settings.log.level == "info" && !matches!(&arguments.verb, Verb::Run(run) if run.every.is_some()) {
        // Whoever waits for a verb reads what it prints; whoever comes later reads the log.
        settings.log.level = "warn".into();
    }
    host_lambda::telemetry::start(&settings.log)?;
    let done = match &arguments.verb {
        Verb::Transform(verb) => return Box::pin(transform::transform(settings, arguments.demo, verb)).await,
        Verb::Demo => Box::pin(demo::demo(settings)).await,
        Verb::Build(build) => build::build(build),
        Verb::Test(test) => test::test(test),
        Verb::Run(run) => Box::pin(run::run(settings, arguments.demo, run)).await,
        Verb::Reload(output) => Box::pin(reload::reload(settings, arguments.demo, output.json)).await,
        Verb::History(history) => Box::pin(history::history(settings, arguments.demo, history)).await,
        Verb::Status(output) => Box::pin(status::status(settings, arguments.demo, output.json)).await,
        Verb::Quarantine(verb) => Box::pin(quarantine::quarantine(settings, arguments.demo, verb)).await,
        Verb::Simulate(simulate) => Box::pin(simulate::simulate(settings, arguments.demo, simulate)).await,
        Verb::Bench(bench) => Box::pin(bench::bench(settings, bench)).await,
        Verb::Soak(soak) => soak::soak(soak),
        Verb::Import(import) => Box::pin(import::verb(settings, arguments.demo, import)).await,
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
