//! `transform test`: a star's cases natively and in the production sandbox, which must agree.

mod native;
mod sandboxed;

use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::{Value, json};
use star_cases::{CaseError, CaseResult};
use totesys_sandbox::StarLimits;

use crate::arguments::TestCases;
use crate::guests::StarCrate;
use crate::hint::advise;
use crate::place::STARS;

pub(super) use sandboxed::Component;

/// Runs the cases and says how each went; fails if one did not pass.
pub(crate) async fn test(settings: Settings, arguments: &TestCases) -> Result<()> {
    let stars: Vec<StarCrate> = match &arguments.star {
        Some(star) => vec![StarCrate::find(star)?],
        None => STARS.iter().map(|star| StarCrate::find(star)).collect::<Result<_>>()?,
    };
    let limits = settings.limits();
    let (mut told, mut judged) = (Vec::new(), Vec::new());
    for star in &stars {
        let outcomes = tokio::task::block_in_place(|| run(star, &limits))?;
        if arguments.output.json {
            told.push(json!({ "star": star.name, "cases": outcomes.iter().map(Outcome::json).collect::<Vec<_>>() }));
        } else {
            outcomes.iter().flat_map(Outcome::lines).for_each(|line| println!("{line}"));
        }
        judged.extend(outcomes);
    }
    if arguments.output.json {
        println!("{}", json!({ "stars": told }));
    }
    verdict(&judged)
}

/// How a case went: what differs from its page, line by line.
#[derive(Debug)]
struct Outcome {
    star: String,
    name: String,
    title: String,
    native: Vec<String>,
    sandbox: Vec<String>,
}

/// Runs every case of a star both ways.
fn run(star: &StarCrate, limits: &StarLimits) -> Result<Vec<Outcome>> {
    let pages = pages(star)?;
    let mut native = native::run(star, &pages)?;
    let component = Component::build(star, limits)?;
    let results = star_cases::run_folder_with(&star.cases(), component.description(), || component.begin())?;
    let outcome = |result: CaseResult| Outcome {
        star: star.name.clone(),
        native: native.remove(&result.name).unwrap_or_default(),
        sandbox: differences(&result),
        name: result.name,
        title: result.title,
    };
    Ok(results.into_iter().map(outcome).collect())
}

/// The names of a star's cases; there is one at least.
fn pages(star: &StarCrate) -> Result<Vec<String>> {
    let folder = star.cases();
    let pages = match star_cases::pages(&folder) {
        Err(CaseError::NoCases { .. }) => Vec::new(),
        Err(CaseError::Unread { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    if pages.is_empty() {
        return Err(advise(
            format!("there is no case in {}", folder.display()),
            "a case is a page NAME.md in that folder: write one, or make one with `cargo xtask transform record`",
        ));
    }
    let name = |page: &PathBuf| page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(pages.iter().map(name).collect())
}

/// What a person reads about a case that did not pass, without its title.
fn differences(result: &CaseResult) -> Vec<String> {
    let report = star_cases::report(std::slice::from_ref(result));
    let lines = report.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(str::to_owned).collect()
}

impl Outcome {
    fn passed(&self) -> bool {
        self.native.is_empty() && self.sandbox.is_empty()
    }

    /// Whether both ways gave the same, right or wrong.
    fn agrees(&self) -> bool {
        self.native == self.sandbox
    }

    fn lines(&self) -> Vec<String> {
        let case = format!("{}/{}", self.star, self.name);
        let mut lines = vec![format!(
            "{case:<36} native {:<6} sandbox {:<6} {}",
            state(&self.native),
            state(&self.sandbox),
            self.title
        )];
        let sides = if self.agrees() {
            vec![("both", &self.native)]
        } else {
            vec![("native", &self.native), ("sandbox", &self.sandbox)]
        };
        for (side, differences) in sides.into_iter().filter(|(_, differences)| !differences.is_empty()) {
            lines.push(format!("  {side}:"));
            lines.extend(differences.iter().map(|line| format!("    {line}")));
        }
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "native": self.native.is_empty(),
            "sandbox": self.sandbox.is_empty(),
            "agree": self.agrees(),
            "differences": { "native": self.native, "sandbox": self.sandbox },
        })
    }
}

fn state(differences: &[String]) -> &'static str {
    if differences.is_empty() { "ok" } else { "FAILED" }
}

fn verdict(outcomes: &[Outcome]) -> Result<()> {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    if failed == 0 {
        return Ok(());
    }
    let apart: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.agrees())
        .map(|outcome| format!("{}/{}", outcome.star, outcome.name))
        .collect();
    let hint = if apart.is_empty() {
        "correct the star, or the page if it expects what should not be".to_owned()
    } else {
        format!(
            "native code and the component disagree about {}: a component's usize has 32 bits, and the sandbox refuses \
             what a description does not allow",
            apart.join(", ")
        )
    };
    Err(advise(format!("{failed} of {} cases did not pass", outcomes.len()), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(native: &[&str], sandbox: &[&str]) -> Outcome {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Outcome {
            star: "sales".into(),
            name: "order".into(),
            title: "An order".into(),
            native: lines(native),
            sandbox: lines(sandbox),
        }
    }

    #[test]
    fn what_a_person_reads() {
        let passed = outcome(&[], &[]);
        assert_eq!(passed.lines(), ["sales/order                          native ok     sandbox ok     An order"]);
        assert!(verdict(&[passed]).is_ok());
        let wrong = outcome(&["- | 1 |"], &["- | 1 |"]);
        assert_eq!(
            wrong.lines(),
            ["sales/order                          native FAILED sandbox FAILED An order", "  both:", "    - | 1 |"]
        );
        let apart = outcome(&[], &["- | 1 |"]);
        assert_eq!(apart.lines()[1..], ["  sandbox:", "    - | 1 |"]);
        let error = verdict(&[wrong]).unwrap_err();
        assert_eq!(error.to_string(), "1 of 1 cases did not pass");
        assert!(crate::hint::of(&error).unwrap().starts_with("correct the star"));
        let error = verdict(&[outcome(&[], &[]), apart]).unwrap_err();
        assert!(
            crate::hint::of(&error).unwrap().starts_with("native code and the component disagree about sales/order")
        );
    }
}
