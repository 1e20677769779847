//! A settings file with every kind of mistake: one clear error for each, and nothing else is looked at.

use super::*;

fn described(text: &str, name: &str, variables: &[(&str, &str)]) -> Result<Described> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("totesys.toml");
    std::fs::write(&file, text)?;
    let key = format!("{:?}", folder.path().join("publisher.pk8").display().to_string());
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    describe(Some(&file), name, variables.chain([("TOTESYS_CATALOG_KEY".to_owned(), key.replace('"', ""))]))
}

/// What is said, the folder's name left out.
fn said(text: &str, name: &str) -> String {
    let Err(error) = described(text, name, &[]) else { return "accepted".into() };
    let mut said: Vec<String> = error.chain().map(ToString::to_string).collect();
    if let Some(hint) = crate::hint::of(&error) {
        said.push(format!("hint: {hint}"));
    }
    let said = said.join("\n");
    match (said.find("/"), said.find("totesys.toml")) {
        (Some(from), Some(until)) if from < until => said.replace(&said[from..until], ""),
        _ => said,
    }
}

const GOOD: &str = "
[source]
url = 'postgresql://localhost/local'
connections = 3
[quarantine]
refused_rows_floor = 7
[environments.production]
region = 'eu-west-2'
prefix = 'acme-totesys'
emails = ['ops@acme.example']
[environments.production.extract]
memory = 2048
[environments.production.settings.quarantine]
max_refused_share = 0.5
[environments.production.settings.stars.sales.sandbox]
fuel = 9
";

#[test]
fn an_environment_has_the_files_settings_and_its_own() -> Result<()> {
    let Described { environment, settings } = described(GOOD, "production", &[])?;
    assert_eq!(settings.lake.prefix, "acme-totesys");
    assert_eq!(settings.lake.region.as_deref(), Some("eu-west-2"));
    assert_eq!(settings.source.url, None, "a local pipeline's address is no environment's");
    assert_eq!(settings.source.secret.as_deref(), Some("acme-totesys/source"));
    assert_eq!((settings.quarantine.max_refused_share, settings.quarantine.refused_rows_floor), (0.5, 7));
    let mut told = environment.host_settings;
    let publishers = told.remove("TOTESYS_CATALOG_PUBLISHERS").unwrap_or_default();
    assert_eq!(publishers.len(), 64 + "[\"\"]".len(), "{publishers}");
    let expected = [
        ("TOTESYS_QUARANTINE_MAX_REFUSED_SHARE", "0.5"),
        ("TOTESYS_QUARANTINE_REFUSED_ROWS_FLOOR", "7"),
        ("TOTESYS_SOURCE_CONNECTIONS", "3"),
        ("TOTESYS_STARS", "{ sales = { sandbox = { fuel = 9 } } }"),
    ];
    assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    Ok(())
}

#[test]
fn functions_read_what_they_are_told() -> Result<()> {
    let told = described(GOOD, "production", &[])?.environment.host_settings;
    let settings = Settings::parse("", "nothing", told.into_iter())?;
    assert_eq!((settings.source.connections, settings.quarantine.refused_rows_floor), (3, 7));
    assert_eq!((settings.limits().of("sales").fuel, settings.publishers()?.len()), (9, 1));
    Ok(())
}

#[test]
fn named_publishers_are_the_only_ones() -> Result<()> {
    let key = "ab".repeat(32);
    let text = format!("{GOOD}[environments.production.settings.catalog]\npublishers = ['{key}']\n");
    let told = described(&text, "production", &[])?.environment.host_settings;
    assert_eq!(told["TOTESYS_CATALOG_PUBLISHERS"], format!("[\"{key}\"]"));
    Ok(())
}

#[test]
fn the_environment_goes_over_an_environments_settings() -> Result<()> {
    let url = "postgresql://here/there";
    let settings = described(GOOD, "production", &[("TOTESYS_WAREHOUSE_URL", url)])?.settings;
    assert_eq!(settings.warehouse.url.as_deref(), Some(url));
    Ok(())
}

#[test]
fn every_mistake_is_said_at_once() {
    let text = "
[environments.test]
regin = 'eu-west-2'
region = 'Europe'
account = '12345'
prefix = 'Acme_Totesys'
emails = ['nobody']
schedule = 'rate(1 hours)'
architecture = 'sparc'
execution_minutes = 20
log_retention_days = 31
chunk_above_bytes = 'many'
[environments.test.transform]
memory = 64
timeot = 3
[environments.test.network]
vpc = 'vpc-0123456789abcdef0'
[environments.test.settings.lake]
prefix = 'x'
[environments.test.settings.source]
connections = 'two'
";
    insta::assert_snapshot!(said(text, "test"));
}

#[test]
fn an_environment_that_is_not_there_is_named() {
    insta::assert_snapshot!(said(GOOD, "prod"));
    insta::assert_snapshot!(said("", "prod"));
    insta::assert_snapshot!(said("[environments]\nproduction = 3\n", "production"));
    insta::assert_snapshot!(said("[sauce]\n", "production"));
}
