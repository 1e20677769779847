//! Change sets: what would change, found out by AWS, and executed as it was found.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::types::{self, Capability, ChangeSetType};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::change::{self, Sides};
use super::difference::Difference;
use super::expected::Expected;
use super::follow::Watched;
use super::grant;
use super::narrate::seconds;
use super::stack::{SHORTLY, Stack, Stacks, unfit};
use crate::aws::refused;
use crate::hint::advise;
use crate::place::say;

/// The largest template that can be sent without a bucket, in bytes.
pub(crate) const INLINE_LIMIT: usize = 51_200;

/// How long AWS may take to find out what would change.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a stack is to be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The stack's name.
    pub(crate) stack: String,
    /// Its template as it is sent; nothing is the one it has.
    pub(crate) template: Option<String>,
    /// Where the template lies when it is too large to be sent.
    pub(crate) url: Option<String>,
    /// What is chosen for its parameters; others stay as they are.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Whether resources of these names that are there already, kept by a stack that went, are taken in.
    pub(crate) take_in: bool,
}

impl Wanted {
    /// Whether AWS can get at the template: it is small enough to be sent, or lies in a bucket.
    pub(crate) fn is_sendable(&self) -> bool {
        self.url.is_some() || self.template.as_ref().is_none_or(|template| template.len() <= INLINE_LIMIT)
    }
}

/// A change set, and what it would do.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// The change set's ARN; none where nothing would change.
    pub(crate) change_set: Option<String>,
    /// The stack as it stands; one that only change sets were made for is in `REVIEW_IN_PROGRESS`.
    pub(crate) stack: Option<Stack>,
    pub(crate) difference: Difference,
    /// The template it would have.
    pub(crate) template: Value,
}

impl Stacks {
    /// Has AWS find out what would change.
    pub(crate) async fn propose(&self, wanted: &Wanted, stack: Option<&Stack>) -> Result<Proposal> {
        if !wanted.is_sendable() {
            return Err(advise(
                format!("the template of stack `{}` is too large to be sent and has no bucket to lie in", wanted.stack),
                "`cargo xtask deploy` makes the data stack first, whose code bucket it goes into",
            ));
        }
        let (stands, new) = (stack.filter(|stack| stack.status != "REVIEW_IN_PROGRESS"), is_new(stack));
        let before = self.template_of(stack).await?;
        let after: Value = match &wanted.template {
            Some(template) => serde_json::from_str(template)?,
            None => before.clone(),
        };
        let stood = stands.map(|stack| stack.parameters.clone()).unwrap_or_default();
        let sides = Sides { parameters: parameters(&stood, &wanted.parameters), before, after };
        let name = change_set_name();
        let kind = if new { ChangeSetType::Create } else { ChangeSetType::Update };
        let asked = self
            .client
            .create_change_set()
            .stack_name(&wanted.stack)
            .change_set_name(&name)
            // A request that is sent again because its answer was lost is the same request.
            .client_token(&name)
            .change_set_type(kind)
            .description("cargo xtask deploy")
            .capabilities(Capability::CapabilityNamedIam)
            .set_parameters(Some(chosen(&sides.after, &stood, &wanted.parameters)))
            .set_tags(Some(self.tags()));
        let asked = match (&wanted.template, &wanted.url) {
            (None, _) => asked.use_previous_template(true),
            (Some(_), Some(url)) => asked.template_url(url),
            (Some(template), None) => asked.template_body(template),
        };
        let asked = if wanted.take_in { asked.import_existing_resources(true) } else { asked };
        let made = match asked.send().await {
            Ok(made) => made,
            // Some refusals of having nothing to do come at once.
            Err(error) if error.message().is_some_and(is_nothing) => {
                let difference = Difference::nothing(&wanted.stack);
                return Ok(Proposal { change_set: None, stack: stack.cloned(), difference, template: sides.after });
            }
            Err(error) => return Err(refused("cloudformation", error)),
        };
        let id = made.id().unwrap_or(&name).to_owned();
        let changes = match self.described(&id, &wanted.stack).await? {
            Described::Changes(changes) => changes.iter().map(|found| change::of(found, &sides)).collect::<Vec<_>>(),
            Described::Nothing => {
                self.withdraw(&id, &wanted.stack).await?;
                let difference = Difference::nothing(&wanted.stack);
                return Ok(Proposal { change_set: None, stack: stack.cloned(), difference, template: sides.after });
            }
            Described::Refused(reason) => {
                let reason = self.why_refused(&id, reason).await;
                self.withdraw(&id, &wanted.stack).await?;
                return Err(advise(
                    format!("stack `{}` cannot become that: {reason}", wanted.stack),
                    "correct the environment's settings; nothing was changed",
                ));
            }
        };
        let widened = grant::widened(&sides.before, &sides.after);
        // For a new stack AWS has made an empty one, whose ARN is that of the stack to come.
        let stack = self.find(&wanted.stack).await?;
        let besides = changes.is_empty();
        let difference = Difference { stack: wanted.stack.clone(), new, changes, besides, widened };
        Ok(Proposal { change_set: Some(id), stack, difference, template: sides.after })
    }

    /// A proposal that was made before, read again: the same text, and what executes it.
    pub(crate) async fn planned(&self, name: &str, id: Option<&str>, stack: Option<Stack>) -> Result<Proposal> {
        let before = self.template_of(stack.as_ref()).await?;
        let Some(id) = id else {
            let difference = Difference::nothing(name);
            return Ok(Proposal { change_set: None, stack, difference, template: before });
        };
        let after = self.client.get_template().change_set_name(id).stack_name(name).send().await;
        let after = after.map_err(|error| refused("cloudformation", error))?;
        let after = serde_json::from_str(after.template_body().unwrap_or_default())
            .with_context(|| format!("the template of change set {id} is no JSON"))?;
        let stood = stack.as_ref().map(|stack| stack.parameters.clone()).unwrap_or_default();
        let described = self.describe(id, name, None).await?;
        let wanted = described.parameters().iter().filter_map(|parameter| {
            Some((parameter.parameter_key()?.to_owned(), parameter.parameter_value()?.to_owned()))
        });
        let sides = Sides { parameters: parameters(&stood, &wanted.collect()), before, after };
        let changes = match self.described(id, name).await? {
            Described::Changes(changes) => changes.iter().map(|found| change::of(found, &sides)).collect::<Vec<_>>(),
            Described::Nothing => Vec::new(),
            Described::Refused(reason) => {
                let problem = format!("the change set of stack `{name}` failed: {reason}");
                return Err(advise(problem, "make a new plan: `cargo xtask deploy --plan FILE`"));
            }
        };
        let (new, besides) = (is_new(stack.as_ref()), changes.is_empty());
        let widened = grant::widened(&sides.before, &sides.after);
        let difference = Difference { stack: name.to_owned(), new, changes, besides, widened };
        Ok(Proposal { change_set: Some(id.to_owned()), stack, difference, template: sides.after })
    }

    /// What a change set says once AWS is done with it.
    async fn described(&self, id: &str, stack: &str) -> Result<Described> {
        let started = Instant::now();
        loop {
            let first = self.describe(id, stack, None).await?;
            match first.status().map(|status| status.as_str()).unwrap_or_default() {
                "CREATE_COMPLETE" => {
                    let mut changes: Vec<_> = resource_changes(&first).collect();
                    let mut next = first.next_token().map(str::to_owned);
                    while let Some(token) = next {
                        let page = self.describe(id, stack, Some(token)).await?;
                        changes.extend(resource_changes(&page));
                        next = page.next_token().map(str::to_owned);
                    }
                    return Ok(Described::Changes(changes));
                }
                "FAILED" => {
                    let reason = first.status_reason().unwrap_or("AWS gives no reason");
                    let nothing = is_nothing(reason);
                    return Ok(if nothing { Described::Nothing } else { Described::Refused(reason.to_owned()) });
                }
                _ if started.elapsed() > PATIENCE => {
                    return Err(advise(
                        format!("AWS has not found out in {} s what would change", PATIENCE.as_secs()),
                        "try again in some minutes",
                    ));
                }
                _ => tokio::time::sleep(SHORTLY).await,
            }
        }
    }

    async fn describe(
        &self,
        id: &str,
        stack: &str,
        page: Option<String>,
    ) -> Result<aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput> {
        self.client
            .describe_change_set()
            .change_set_name(id)
            .stack_name(stack)
            .include_property_values(true)
            .set_next_token(page)
            .send()
            .await
            .map_err(|error| refused("cloudformation", error))
    }

    /// The reason that a change set's own checks give, where the change set itself only points at them.
    async fn why_refused(&self, id: &str, reason: String) -> String {
        let asked = self.client.describe_events().change_set_name(id);
        let said: Vec<String> = unfit(asked).await.iter().map(|event| event.sentence()).collect();
        if said.is_empty() { reason } else { said.join("; ") }
    }

    /// Whether a change set can still be executed.
    pub(crate) async fn is_executable(&self, id: &str, stack: &str) -> Result<bool> {
        let asked = self.client.describe_change_set().change_set_name(id).stack_name(stack).send().await;
        match asked {
            Ok(found) => Ok(found.execution_status().is_some_and(|status| status.as_str() == "AVAILABLE")),
            Err(error) if matches!(error.code(), Some("ChangeSetNotFound" | "ValidationError")) => Ok(false),
            Err(error) => Err(refused("cloudformation", error)),
        }
    }

    /// Deletes a change set, and the empty stack it was made for if nobody else's change set needs that.
    pub(crate) async fn withdraw(&self, id: &str, stack: &str) -> Result<()> {
        let asked = self.client.delete_change_set().change_set_name(id).stack_name(stack);
        asked.send().await.map_err(|error| refused("cloudformation", error))?;
        let Some(found) = self.find(stack).await?.filter(|found| found.status == "REVIEW_IN_PROGRESS") else {
            return Ok(());
        };
        let listed = self.client.list_change_sets().stack_name(stack).send().await;
        let listed = listed.map_err(|error| refused("cloudformation", error))?;
        if listed.summaries().iter().all(|other| other.change_set_id() == Some(id)) {
            self.delete(&found).await?;
        }
        Ok(())
    }

    /// Executes a change set and watches it to its end.
    pub(crate) async fn execute(&self, proposal: &Proposal, again: String) -> Result<Option<Stack>> {
        let (Some(id), Some(stack)) = (&proposal.change_set, &proposal.stack) else { return Ok(None) };
        let new = proposal.difference.new;
        let events = self.events(&stack.id, None).await?;
        let expected = Expected::learn(&events);
        let works = proposal.difference.changes.iter().map(|change| (change.id.clone(), change.work()));
        let whole = expected.of_all(&proposal.template, &works.collect());
        let asked = self.client.execute_change_set().change_set_name(id).stack_name(&stack.name);
        let asked = asked.client_request_token(change_set_name());
        // What is made and undone again holds nothing yet: kept, it would stand in the way of the next attempt.
        let asked = if new { asked.retain_except_on_create(true) } else { asked };
        asked.send().await.map_err(|error| refused("cloudformation", error))?;
        let doing = if new { "creating" } else { "updating" };
        say(&opening(&stack.name, doing, whole));
        let after = events.last().map(|event| event.event.clone());
        let end = self.watch(Watched { stack, after, expected, again }).await?;
        let done = if new { "created" } else { "updated" };
        end.judge(&self.environment.name, done).map(Some)
    }
}

/// How the account of an operation begins.
pub(crate) fn opening(stack: &str, doing: &str, whole: i64) -> String {
    format!("stack {stack}: {doing}, expected {}", seconds(whole))
}

/// What a change set says.
enum Described {
    Changes(Vec<types::ResourceChange>),
    Nothing,
    Refused(String),
}

fn is_new(stack: Option<&Stack>) -> bool {
    stack.is_none_or(|stack| stack.status == "REVIEW_IN_PROGRESS")
}

fn is_nothing(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

fn resource_changes(
    page: &aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput,
) -> impl Iterator<Item = types::ResourceChange> {
    page.changes().iter().filter_map(|change| change.resource_change().cloned())
}

/// Every parameter of a template: chosen, or as it is in the stack. One that is neither has its default.
fn chosen(
    template: &Value,
    stood: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Vec<types::Parameter> {
    let keys = template["Parameters"].as_object().into_iter().flat_map(|parameters| parameters.keys());
    keys.filter_map(|key| {
        let parameter = types::Parameter::builder().parameter_key(key);
        match wanted.get(key) {
            Some(value) => Some(parameter.parameter_value(value).build()),
            None => stood.contains_key(key).then(|| parameter.use_previous_value(true).build()),
        }
    })
    .collect()
}

/// The parameters that would have another value.
fn parameters(
    stood: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, (Option<String>, Option<String>)> {
    wanted
        .iter()
        .filter(|(key, value)| stood.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), (stood.get(key).cloned(), Some(value.clone()))))
        .collect()
}

/// A name no other change set has.
fn change_set_name() -> String {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = format!("{}-{}", std::process::id(), time.as_nanos());
    format!("totesys-{}", &format!("{:x}", Sha256::digest(seed))[..16])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_chooses_stays_as_it_is() {
        let template = json!({ "Parameters": { "CodeKey": {}, "ScheduleState": {}, "New": {} } });
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let stood = map(&[("CodeKey", "old"), ("ScheduleState", "DISABLED"), ("Gone", "x")]);
        let wanted = map(&[("CodeKey", "new")]);
        let found: Vec<_> = chosen(&template, &stood, &wanted)
            .into_iter()
            .map(|parameter| {
                let key = parameter.parameter_key().unwrap_or_default().to_owned();
                (key, parameter.parameter_value().map(str::to_owned), parameter.use_previous_value())
            })
            .collect();
        assert_eq!(
            found,
            [("CodeKey".to_owned(), Some("new".to_owned()), None), ("ScheduleState".to_owned(), None, Some(true)),]
        );
        let differing = parameters(&stood, &wanted);
        assert_eq!(differing.keys().collect::<Vec<_>>(), ["CodeKey"]);
    }
}
