//! Log lines, for people or for programs, on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// Starts logging. A second call in one process changes nothing.
///
/// # Errors
/// When the level is none.
pub fn start(settings: &LogSettings) -> Result<(), SettingsError> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|_| SettingsError::Invalid {
        place: "log.level".into(),
        problem: "it is neither a level nor a list of target=level".into(),
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is refused, which is what a second call should do.
    let _ = match settings.format {
        LogFormat::Human => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colour).with_target(false).try_init()
        }
        LogFormat::Json => lines.json().with_span_events(FmtSpan::CLOSE).try_init(),
    };
    Ok(())
}
