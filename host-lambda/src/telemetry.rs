//! Log lines, for people or for programs, on stderr.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// What the names of our own crates begin with. Only these keep the rule that no row value and no secret is logged.
const OURS: &[&str] = &["totesys_", "host_lambda", "bootstrap", "xtask"];

/// Starts logging. A second call in one process changes nothing.
///
/// # Errors
/// When the level is none.
pub fn start(settings: &LogSettings) -> Result<(), SettingsError> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|_| SettingsError::Invalid {
        place: "log.level".into(),
        problem: "it is neither a level nor a list of target=level".into(),
    })?;
    let lines = match settings.format {
        LogFormat::Human => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false).boxed()
        }
        LogFormat::Json => fmt::layer().with_writer(std::io::stderr).json().with_span_events(FmtSpan::CLOSE).boxed(),
    };
    // A second subscriber is refused, which is what a second call should do.
    let _ = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged)).with(lines).try_init();
    Ok(())
}

/// Whether a line or span may be logged, whatever level was asked for. Below INFO other crates print what they send and
/// receive: statements, parameters, headers, bodies.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || OURS.iter().any(|ours| metadata.target().starts_with(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a subscriber with these directives would log.
    fn logged(directives: &str) -> Vec<&'static str> {
        let filter = EnvFilter::new(directives);
        let subscriber = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged));
        tracing::subscriber::with_default(subscriber, || {
            let mut logged = Vec::new();
            let mut note = |enabled: bool, what| {
                if enabled {
                    logged.push(what);
                }
            };
            note(tracing::enabled!(target: "tokio_postgres::query", Level::DEBUG), "statements");
            note(tracing::enabled!(target: "aws_smithy_runtime", Level::TRACE), "requests");
            note(tracing::enabled!(target: "hyper::proto", Level::TRACE), "headers");
            note(tracing::enabled!(target: "log", Level::DEBUG), "log records");
            note(tracing::enabled!(target: "hyper::proto", Level::WARN), "warnings");
            note(tracing::enabled!(target: "totesys_source::read", Level::TRACE), "ours");
            note(tracing::enabled!(target: "host_lambda::run", Level::TRACE), "the host's");
            logged
        })
    }

    #[test]
    fn other_crates_are_heard_from_info_on_whatever_is_asked_for() {
        assert_eq!(logged("trace"), ["warnings", "ours", "the host's"]);
        assert_eq!(logged("info,tokio_postgres=trace,hyper=trace,log=trace"), ["warnings"]);
        assert_eq!(logged("warn,totesys_source=debug"), ["warnings"]);
        assert_eq!(logged("error"), Vec::<&str>::new());
    }
}
