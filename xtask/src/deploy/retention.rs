//! What a stack keeps in the account when it goes, and how that is given up.

use std::collections::BTreeMap;

use anyhow::Result;
use infra_templates::without_retention;

use super::change_set::Wanted;
use super::stack::{Stack, Stacks};
use super::step::{Step, step};
use crate::hint::advise;

impl Stacks {
    /// Changes a stack so that it keeps nothing when it is deleted, and so that its buckets can be emptied. Only who has
    /// typed its name wants that; a deployment takes it back.
    pub(crate) async fn release(&self, stack: &Stack) -> Result<Stack> {
        let (name, step) = (&self.environment.name, step(Some(&stack.status)));
        if step != Step::Update {
            // AWS changes only stacks that stand. A deployment takes in what was kept by one that does not.
            let first = match step {
                Step::DeleteAgain => format!("delete it in the console, then `cargo xtask deploy --env {name}`"),
                step => step.command(name, &stack.name),
            };
            return Err(advise(
                format!("stack `{}` is in {}, and cannot give up what it keeps", stack.name, stack.status),
                format!("bring it into order first: {first}; then destroy it again"),
            ));
        }
        let template = without_retention(self.template_of(Some(stack)).await?);
        let wanted = Wanted {
            stack: stack.name.clone(),
            template: Some(template.to_string()),
            url: None,
            parameters: BTreeMap::new(),
            take_in: false,
        };
        let proposal = self.propose(&wanted, Some(stack)).await?;
        let again = format!("`cargo xtask destroy --env {name} --delete-data` follows it and then goes on");
        Box::pin(self.execute(&proposal, again)).await?.ok_or_else(|| {
            advise(
                format!("AWS sees no change in stack `{}` giving up what it keeps, so nothing was deleted", stack.name),
                format!("`cargo xtask drift --env {name}` says whether its template was changed by hand"),
            )
        })
    }
}
