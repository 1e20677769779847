//! The settings file and the variables over it: every mistake.

use std::path::Path;

use host_lambda::settings::{DEFAULT_FILE, Settings};

use super::finding::{Finding, Verdict};
use crate::aws::{self, Described, Mistakes};

const AREA: &str = "settings";

/// Reads the file, and the environment that is named or all of them; gives the one that is named, if it is right.
pub(super) fn look(file: Option<&Path>, environment: Option<&str>) -> (Vec<Finding>, Option<Described>) {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let shown = path.display();
    let mut findings = Vec::new();
    match Settings::read(file, std::env::vars()) {
        Ok(_) if path.exists() => findings.push(Finding::ok(AREA, format!("{shown} can be used"))),
        Ok(_) => findings.push(Finding::ok(AREA, format!("there is no {shown}: every setting has its default"))),
        Err(error) => {
            let error = anyhow::Error::new(error);
            findings.push(Finding::of_error(AREA, Verdict::Error, "the settings cannot be used", &error));
        }
    }
    let all = match (aws::names(file), environment) {
        (Ok(_), Some(name)) => vec![name.to_owned()],
        (Ok(all), None) => all,
        (Err(error), named) => {
            let said = findings.iter().any(|finding| finding.verdict == Verdict::Error);
            if let Some(name) = named.filter(|_| !said) {
                let words = format!("environment `{name}` cannot be used");
                findings.push(Finding::of_error(AREA, Verdict::Error, &words, &error));
            }
            Vec::new()
        }
    };
    let mut named = None;
    for name in all {
        match aws::describe(file, &name, std::env::vars()) {
            Ok(described) => {
                let names = &described.environment.names;
                let region = &described.environment.region;
                findings.push(Finding::ok(AREA, format!("environment `{name}`: {} in {region}", names.prefix())));
                if described.environment.account.is_none() {
                    findings.push(Finding::warning(
                        AREA,
                        format!("environment `{name}` names no account: any that the credentials are for is taken"),
                        format!("set `account` in [environments.{name}], so that another is never touched"),
                    ));
                }
                named = Some(described);
            }
            Err(error) => match error.downcast_ref::<Mistakes>() {
                Some(Mistakes(mistakes)) => findings.extend(
                    mistakes.iter().map(|mistake| Finding::error(AREA, mistake.to_string(), mistake.hint.clone())),
                ),
                None => {
                    let words = format!("environment `{name}` cannot be used");
                    findings.push(Finding::of_error(AREA, Verdict::Error, &words, &error));
                }
            },
        }
    }
    (findings, named.filter(|_| environment.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_a_finding() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("totesys.toml");
        let text = "[environments.test]\nregion = 'eu-west-2'\nprefix = 'UPPER'\nschedule = 'often'\ncolour = 'red'\n\
                    [environments.other]\n";
        std::fs::write(&file, text).unwrap();
        let errors = |environment| {
            let (findings, described) = look(Some(&file), environment);
            assert!(described.is_none());
            let errors = findings.iter().filter(|finding| finding.verdict == Verdict::Error);
            errors.map(|finding| finding.what.clone()).collect::<Vec<_>>()
        };
        let of_one = errors(Some("test"));
        for key in ["test.prefix", "test.schedule", "test.colour"] {
            assert!(of_one.iter().any(|what| what.starts_with(&format!("environments.{key}:"))), "{key}: {of_one:?}");
        }
        let of_all = errors(None);
        assert!(of_all.len() > of_one.len() && of_all.iter().any(|what| what.contains("environments.other.prefix")));
        assert!(errors(Some("third"))[0].contains("has no environment `third`"));
    }
}
