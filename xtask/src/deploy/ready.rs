//! From whatever state a stack is in to one that a change set can be made for.

use anyhow::Result;

use super::change_set::Wanted;
use super::difference::Difference;
use super::event::last_operation;
use super::expected::Expected;
use super::follow::Watched;
use super::narrate::Failure;
use super::stack::{Stack, Stacks};
use super::step::{Step, step};
use crate::hint::advise;
use crate::place::say;

/// How to watch again what every verb follows before it does anything.
const FOLLOWS: &str = "the same command follows it and then goes on";

impl Stacks {
    /// The stack as it stands, after what AWS is doing with it was followed, and after one that never was whole was
    /// deleted. Nothing is a stack that is to be created.
    pub(crate) async fn ready(&self, name: &str) -> Result<Option<Stack>> {
        loop {
            let found = self.find(name).await?;
            let status = found.as_ref().map(|stack| stack.status.as_str());
            match (step(status), found) {
                (Step::Create | Step::Update, found) => return Ok(found),
                (Step::Follow, Some(stack)) => {
                    say(&format!("stack {name}: AWS is at work on it ({}); following", stack.status));
                    self.follow(&stack).await?;
                }
                (Step::Remake, Some(stack)) => {
                    say(&format!("stack {name}: it never was whole ({}), so it is made anew", stack.status));
                    self.remove(&stack).await?;
                }
                (stuck, stack) => return Err(self.stuck(stuck, stack).await),
            }
        }
    }

    /// Follows what somebody else began.
    pub(crate) async fn follow(&self, stack: &Stack) -> Result<Stack> {
        let expected = Expected::learn(&self.events(&stack.id, None).await?);
        let watched = Watched { stack, after: None, expected, again: FOLLOWS.to_owned() };
        Ok(self.watch(watched).await?.stack)
    }

    /// The stack as it stands, after what AWS is doing with it was followed; nothing of it is changed. One that never
    /// was whole is as good as none.
    pub(crate) async fn at_rest(&self, name: &str) -> Result<Option<Stack>> {
        loop {
            let found = self.find(name).await?;
            let step = step(found.as_ref().map(|stack| stack.status.as_str()));
            match (step, found) {
                (Step::Create | Step::Update | Step::Remake, found) => return Ok(found),
                (Step::Follow, Some(stack)) => {
                    say(&format!("stack {name}: AWS is at work on it ({}); following", stack.status));
                    self.follow(&stack).await?;
                }
                (stuck, stack) => return Err(self.stuck(stuck, stack).await),
            }
        }
    }

    /// What a deployment would change, without leaving anything behind.
    pub(crate) async fn compared(&self, wanted: Wanted, stack: Option<&Stack>) -> Result<Difference> {
        let remade = stack.is_some_and(|stack| step(Some(&stack.status)) == Step::Remake);
        if let Some(template) = wanted.template.as_deref().filter(|_| remade || !wanted.is_sendable()) {
            // AWS makes no change set for these; everything in them is new.
            return Ok(Difference::all_new(&wanted.stack, &serde_json::from_str(template)?));
        }
        let proposal = self.propose(&wanted, stack).await?;
        if let Some(change_set) = &proposal.change_set {
            self.withdraw(change_set, &wanted.stack).await?;
        }
        Ok(proposal.difference)
    }

    /// The newest event of a stack.
    pub(crate) async fn last_event(&self, stack: &Stack) -> Result<Option<String>> {
        Ok(self.events(&stack.id, None).await?.pop().map(|event| event.event))
    }

    /// Watches a stack on its way back to what it was before the event `after`.
    pub(crate) async fn rolled_back(&self, stack: &Stack, after: Option<String>) -> Result<()> {
        let expected = Expected::learn(&self.events(&stack.id, None).await?);
        let name = &self.environment.name;
        let again = format!("`cargo xtask rollback --env {name}` follows it");
        let end = self.watch(Watched { stack, after, expected, again }).await?;
        if end.stack.status.ends_with("ROLLBACK_COMPLETE") {
            say(&format!("stack {}: it is as it was before ({})", stack.name, end.stack.status));
            return Ok(());
        }
        end.judge(name, "rolled back").map(drop)
    }

    /// Deletes a stack and watches it go. What its template says is kept stays in the account.
    pub(crate) async fn remove(&self, stack: &Stack) -> Result<()> {
        if stack.protected {
            self.protect(&stack.id, false).await?;
        }
        let events = self.events(&stack.id, None).await?;
        self.delete(stack).await?;
        let after = events.last().map(|event| event.event.clone());
        let watched = Watched { stack, after, expected: Expected::learn(&events), again: FOLLOWS.to_owned() };
        self.watch(watched).await?.judge(&self.environment.name, "deleted")?;
        Ok(())
    }

    /// What to say of a stack that a deployment cannot help.
    async fn stuck(&self, step: Step, stack: Option<Stack>) -> anyhow::Error {
        let Some(stack) = stack else { return anyhow::anyhow!("there is no stack to look at") };
        let events = self.events(&stack.id, None).await.unwrap_or_default();
        let cause = Failure::of(last_operation(&events)).map(|failure| format!(": {}", failure.cause.sentence()));
        advise(
            format!("stack `{}` is in {}{}", stack.name, stack.status, cause.unwrap_or_default()),
            step.hint(&self.environment.name, &stack.name),
        )
    }
}
