//! The settings parser: a file and variables become settings, or an error that shows no URL.

use host_lambda::settings::Settings;

/// Up to a NUL byte the file, then a variable to each line.
pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, variables) = text.split_once('\0').unwrap_or((text, ""));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Settings::parse(file, "totesys.toml", variables) {
        Err(error) => assert!(!error.to_string().is_empty() && error.hint().is_some()),
        Ok(settings) => {
            let printed = format!("{settings:?}");
            for url in [&settings.source.url, &settings.warehouse.url].into_iter().flatten() {
                // A short one may be a part of any word.
                assert!(url.len() < 24 || !printed.contains(url.as_str()), "a URL is printed");
            }
            let _ = settings.source_connection(&|_| None).map_err(|error| error.to_string());
            let _ = settings.publishers();
            let _ = (settings.source_options(), settings.warehouse_options(), settings.lake_settings());
        }
    }
}
