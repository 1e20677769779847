//! Files, variables and mistakes.

use super::*;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::parse(text, "totesys.toml", variables)
}

fn message(text: &str, variables: &[(&str, &str)]) -> String {
    parse(text, variables).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn the_environment_goes_over_the_file() -> Result<(), SettingsError> {
    let settings = parse(
        "[source]\nschema = 'a'\nconnections = 3\n",
        &[("TOTESYS_SOURCE_SCHEMA", "b"), ("TOTESYS_WAREHOUSE_URL", "postgresql://x"), ("OTHER", "1")],
    )?;
    assert_eq!((settings.source.schema.as_str(), settings.source.connections), ("b", 3));
    assert_eq!(settings.warehouse.url.as_deref(), Some("postgresql://x"));
    let limits = parse("", &[("TOTESYS_SANDBOX_MEMORY_BYTES", "1024")])?.sandbox;
    assert_eq!(limits.memory_bytes, 1024);
    let listed = parse("", &[("TOTESYS_SOURCE_EXCLUDE", "['a.b', 'c.d']")])?;
    assert_eq!(listed.source.exclude, ["a.b", "c.d"]);
    let numeric_text = parse("", &[("TOTESYS_SOURCE_SCHEMA", "2024")])?;
    assert_eq!(numeric_text.source.schema, "2024");
    Ok(())
}

#[test]
fn the_example_is_valid_and_says_the_defaults() -> Result<(), SettingsError> {
    let example = include_str!("../../../totesys.example.toml");
    let uncommented: String =
        example.lines().map(|line| line.strip_prefix("#= ").unwrap_or(line).to_owned() + "\n").collect();
    let all = parse(&uncommented, &[])?;
    let defaults = Settings::default();
    assert_eq!(all.sandbox, defaults.sandbox);
    assert_eq!(all.quarantine, defaults.quarantine);
    assert_eq!(all.source.statement_timeout, defaults.source.statement_timeout);
    assert_eq!(all.source.chunk_above_bytes, defaults.source.chunk_above_bytes);
    assert_eq!(all.warehouse.schema, defaults.warehouse.schema);
    assert!(all.environments.contains_key("production"));
    parse(example, &[]).map(drop)
}

#[test]
fn a_star_has_limits_of_its_own() -> Result<(), SettingsError> {
    let text = "[sandbox]\nmemory_bytes = 7\n[stars.visits.sandbox]\nfuel = 8\n";
    let limits = parse(text, &[])?.limits();
    assert_eq!((limits.of("visits").memory_bytes, limits.of("visits").fuel, limits.of("other").fuel), (7, 8, 0));
    let limits = parse("", &[("TOTESYS_STARS", "{visits = {sandbox = {fuel = 9}}}")])?.limits();
    assert_eq!(limits.of("visits").fuel, 9);
    assert!(message("[stars.visits]\nsandbocks = 1\n", &[]).contains("line 2: unknown field `sandbocks`"));
    assert!(message("[stars.visits.sandbox]\nfuell = 1\n", &[]).contains("unknown field `fuell`"));
    assert!(message("", &[("TOTESYS_STARS", "visits")]).contains("TOTESYS_STARS: an inline table is expected"));
    Ok(())
}

#[test]
fn environments_are_left_to_who_deploys() -> Result<(), SettingsError> {
    let text =
        "[environments.production]\nanything = 'goes'\n[environments.production.settings.source]\nurl = 'hunter2'\n";
    let settings = parse(text, &[("TOTESYS_SOURCE_SECRET", "a/b"), ("TOTESYS_SOURCE_CHUNK_ABOVE_BYTES", "1024")])?;
    assert_eq!(settings.environments.keys().collect::<Vec<_>>(), ["production"]);
    assert_eq!(settings.source.secret.as_deref(), Some("a/b"));
    assert_eq!((settings.source.chunk_above_bytes, settings.source.url), (1024, None));
    let printed = format!("{:?}", settings.environments);
    assert_eq!(printed, r#"{"production"}"#);
    for variable in
        ["TOTESYS_ENVIRONMENTS", "TOTESYS_ENVIRONMENTS_PRODUCTION", "TOTESYS_ENVIRONMENTS_PRODUCTION_REGION"]
    {
        assert_eq!(message("", &[(variable, "x")]), format!("{variable}: there is no such setting"));
    }
    assert!(message("environments = 3\n", &[]).contains("line 1: invalid type"));
    Ok(())
}

#[test]
fn mistakes_are_named() {
    assert!(message("[sauce]\n", &[]).contains("totesys.toml, line 1: unknown field `sauce`"));
    assert!(message("\n[source]\nurll = 'x'\n", &[]).contains("line 3: unknown field `urll`"));
    assert!(message("[source]\nconnections = 'two'\n", &[]).contains("line 2"));
    assert!(message("[source\n", &[]).contains("line 1"));
    assert!(message("", &[("TOTESYS_SOURCE_COLOUR", "red")]).contains("TOTESYS_SOURCE_COLOUR: unknown field"));
    assert!(message("", &[("TOTESYS_NOTHING", "1")]).contains("TOTESYS_NOTHING"));
    assert!(message("", &[("TOTESYS_LOG_FORMAT", "xml")]).contains("TOTESYS_LOG_FORMAT"));
    for share in ["1.5", "-0.1", "nan", "many"] {
        let said = message("", &[("TOTESYS_QUARANTINE_MAX_REFUSED_SHARE", share)]);
        assert!(said.contains("TOTESYS_QUARANTINE_MAX_REFUSED_SHARE"), "{said}");
    }
}

#[test]
fn a_batch_is_stopped_by_share_and_floor_together() -> Result<(), SettingsError> {
    let set = |share: &'static str, floor: &'static str| {
        let variables =
            &[("TOTESYS_QUARANTINE_MAX_REFUSED_SHARE", share), ("TOTESYS_QUARANTINE_REFUSED_ROWS_FLOOR", floor)];
        parse("", variables).map(|settings| settings.quarantine)
    };
    let usual = QuarantineSettings::default();
    assert_eq!(set("0.2", "100")?, usual);
    for (settings, refused, delivered, exceeded) in [
        (usual, 99, 99, false),
        (usual, 100, 499, true),
        (usual, 100, 500, false),
        (usual, 101, 500, true),
        (set("1", "0")?, 7, 7, false),
        (set("0", "0")?, 1, 1_000_000, true),
        (set("0", "2")?, 1, 1, false),
    ] {
        assert_eq!(settings.exceeded(refused, delivered), exceeded, "{settings:?}: {refused} of {delivered}");
    }
    assert_ne!(set("0.2", "99")?.name(), usual.name());
    Ok(())
}

#[test]
fn nothing_secret_is_printed() -> Result<(), SettingsError> {
    let settings = parse("[source]\nurl = 'postgresql://u:hunter2@h/d'\n", &[])?;
    assert!(!format!("{settings:?}").contains("hunter2"));
    let url = "postgresql://u:hunter2@h/d";
    for (text, variables, expected) in [
        (format!("[source]\nurl = '{url}'\nx = 1\n"), vec![], "unknown field `x`"),
        (format!("[source]\nconnections = '{url}'\n"), vec![], "line 2: invalid type, expected usize"),
        (format!("[log]\nformat = '{url}'\n"), vec![], "unknown variant, expected `human` or `json`"),
        (
            String::new(),
            vec![("TOTESYS_SOURCE_CONNECTIONS", url)],
            "TOTESYS_SOURCE_CONNECTIONS: invalid type, expected",
        ),
        (String::new(), vec![("TOTESYS_LOG_FORMAT", url)], "TOTESYS_LOG_FORMAT: unknown variant, expected"),
    ] {
        let message = message(&text, &variables);
        assert!(message.contains(expected) && !message.contains("hunter2"), "{message}");
    }
    Ok(())
}
