//! A deployment that is planned now and executed later, by another person or program.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use totesys_lake::Micros;

use super::change_set::Proposal;
use super::stack::{Stack, Stacks};
use crate::hint::advise;

/// How long a plan may wait, in microseconds: what it was approved for is forgotten after that.
const LASTS: i64 = 24 * 3600 * 1_000_000;

/// The format this version writes and reads.
const FORMAT: u32 = 1;

/// Everything that is needed to execute a deployment, and to know that nothing has come between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) format: u32,
    pub(crate) environment: String,
    pub(crate) account: String,
    pub(crate) region: String,
    /// When it was made, in microseconds since 1970.
    pub(crate) made_at: Micros,
    /// After when it is not executed any more.
    pub(crate) expires_at: Micros,
    pub(crate) stacks: Vec<PlannedStack>,
    /// The key of the functions' code in the code bucket.
    pub(crate) code: Option<String>,
    pub(crate) note: String,
}

/// What a plan has for a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlannedStack {
    pub(crate) name: String,
    /// The ARN of the stack as it stood; none of one that is not there and would not be made.
    pub(crate) id: Option<String>,
    /// When it was last changed, in milliseconds since 1970.
    pub(crate) changed_at: Option<i64>,
    /// The ARN of the change set; none where nothing would change.
    pub(crate) change_set: Option<String>,
    /// The SHA-256 of its template, as it is stored in the code bucket.
    pub(crate) template: String,
}

impl PlannedStack {
    pub(crate) fn of(proposal: &Proposal, template: &str) -> Self {
        let stack = proposal.stack.as_ref();
        Self {
            name: proposal.difference.stack.clone(),
            id: stack.map(|stack| stack.id.clone()),
            changed_at: stack.map(|stack| stack.changed_at),
            change_set: proposal.change_set.clone(),
            template: template.to_owned(),
        }
    }

    /// Why the plan does not hold any more for the stack as it is found, if it does not.
    fn outdated(&self, found: Option<&Stack>) -> Option<String> {
        let name = &self.name;
        match (found, &self.id) {
            (None, None) => None,
            (None, Some(_)) => Some(format!("stack `{name}` is gone")),
            (Some(found), id) if id.as_ref() != Some(&found.id) => Some(format!("stack `{name}` was made anew")),
            (Some(found), _) if self.changed_at != Some(found.changed_at) => {
                Some(format!("stack `{name}` was changed"))
            }
            _ => None,
        }
    }
}

impl Plan {
    pub(crate) fn new(
        stacks: &Stacks,
        account: &str,
        planned: Vec<PlannedStack>,
        code: Option<String>,
        note: &str,
    ) -> Self {
        let made_at = Micros::now();
        Self {
            format: FORMAT,
            environment: stacks.environment.name.clone(),
            account: account.to_owned(),
            region: stacks.environment.region.clone(),
            made_at,
            expires_at: Micros(made_at.0 + LASTS),
            stacks: planned,
            code,
            note: note.to_owned(),
        }
    }

    /// Writes it for people to read and `--apply` to execute.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// Reads one that was made for this environment, and is not too old.
    pub(crate) fn read(file: &Path, stacks: &Stacks, account: &str) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let plan: Self = serde_json::from_str(&text).map_err(|error| {
            advise(format!("{} is no plan: {error}", file.display()), "`cargo xtask deploy --plan FILE` writes one")
        })?;
        plan.check(&stacks.environment.name, &stacks.environment.region, account, Micros::now())?;
        Ok(plan)
    }

    fn check(&self, environment: &str, region: &str, account: &str, now: Micros) -> Result<()> {
        let problem = if self.format != FORMAT {
            format!("the plan has format {}, this version reads {FORMAT}", self.format)
        } else if self.environment != environment {
            format!("the plan is for environment `{}`, not `{environment}`", self.environment)
        } else if self.account != account || self.region != region {
            format!("the plan is for account {} in {}, not {account} in {region}", self.account, self.region)
        } else if now.0 > self.expires_at.0 {
            format!("the plan was made at {} and expired at {}", self.made_at, self.expires_at)
        } else {
            return Ok(());
        };
        Err(advise(problem, "make a new one: `cargo xtask deploy --plan FILE`"))
    }

    /// Refuses the plan when a stack is not as it was planned for, before anything is executed.
    pub(crate) async fn hold(&self, stacks: &Stacks) -> Result<Vec<(PlannedStack, Option<Stack>)>> {
        let mut held = Vec::new();
        for planned in &self.stacks {
            let found = stacks.find(&planned.name).await?;
            let mut problem = planned.outdated(found.as_ref());
            if let (None, Some(change_set)) = (&problem, &planned.change_set)
                && !stacks.is_executable(change_set, &planned.name).await?
            {
                problem = Some(format!("the change set of stack `{}` was executed or deleted", planned.name));
            }
            if let Some(problem) = problem {
                return Err(advise(
                    format!("{problem} since the plan was made"),
                    "nothing was executed; make a new plan: `cargo xtask deploy --plan FILE`",
                ));
            }
            held.push((planned.clone(), found));
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn stack(id: &str, changed_at: i64) -> Stack {
        Stack {
            name: "acme-data".into(),
            id: id.into(),
            status: "UPDATE_COMPLETE".into(),
            reason: None,
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            protected: true,
            changed_at,
        }
    }

    #[test]
    fn a_plan_holds_only_for_the_stack_it_was_made_for() {
        let planned = |id: Option<&str>| PlannedStack {
            name: "acme-data".into(),
            id: id.map(str::to_owned),
            changed_at: id.map(|_| 7),
            change_set: None,
            template: "ab".into(),
        };
        for (id, found, expected) in [
            (Some("arn:1"), Some(stack("arn:1", 7)), None),
            (Some("arn:1"), Some(stack("arn:1", 8)), Some("was changed")),
            (Some("arn:1"), Some(stack("arn:2", 7)), Some("was made anew")),
            (Some("arn:1"), None, Some("is gone")),
            (None, None, None),
            (None, Some(stack("arn:1", 7)), Some("was made anew")),
        ] {
            let problem = planned(id).outdated(found.as_ref());
            assert_eq!(problem.is_some(), expected.is_some(), "{problem:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }

    #[test]
    fn a_plan_is_for_one_place_and_a_day() {
        let plan = Plan {
            format: FORMAT,
            environment: "production".into(),
            account: "123456789012".into(),
            region: "eu-west-2".into(),
            made_at: Micros(0),
            expires_at: Micros(LASTS),
            stacks: Vec::new(),
            code: None,
            note: String::new(),
        };
        let (account, region) = ("123456789012", "eu-west-2");
        assert!(plan.check("production", region, account, Micros(LASTS)).is_ok());
        for (environment, region, account, now, expected) in [
            ("staging", region, account, 0, "environment `production`"),
            ("production", "eu-west-1", account, 0, "in eu-west-2"),
            ("production", region, "210987654321", 0, "account 123456789012"),
            ("production", region, account, LASTS + 1, "expired at 1970-01-02"),
        ] {
            let problem = plan.check(environment, region, account, Micros(now)).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
        let other = Plan { format: 2, ..plan };
        assert!(other.check("production", region, account, Micros(0)).is_err());
    }
}
