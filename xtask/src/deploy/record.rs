//! The record of a deployment: what `rollback` goes back to.

use std::collections::BTreeMap;

use anyhow::Result;
use totesys_lake::{Attempt, Committed, DeploymentRecord, Lake, Micros};

use super::stack::Stacks;
use crate::hint::advise;

/// The data stack among a record's templates.
const DATA: &str = "data";
/// The pipeline stack among a record's templates.
pub(crate) const PIPELINE: &str = "pipeline";

/// What a deployment came to.
#[derive(Debug, Default)]
pub(crate) struct Deployed {
    /// Whether a stack was changed.
    pub(crate) changed: bool,
    /// The key of the functions' code.
    pub(crate) code: String,
    /// The templates' texts; the deployed ones where nothing is said.
    pub(crate) data: Option<String>,
    pub(crate) pipeline: Option<String>,
}

impl Deployed {
    /// Stores the templates and writes the record, unless the newest one says the same. A deployment that was cut off
    /// before its record is recorded by the next, although that finds nothing to change.
    pub(crate) async fn commit(self, stacks: &Stacks, lake: &Lake, note: &str) -> Result<Option<DeploymentRecord>> {
        let names = &stacks.environment.names;
        let mut templates = BTreeMap::new();
        for (key, text, stack) in
            [(DATA, self.data, names.data_stack()), (PIPELINE, self.pipeline, names.pipeline_stack())]
        {
            let text = match text {
                Some(text) => text,
                None => stacks.template(&stack).await?,
            };
            templates.insert(key.to_owned(), lake.put_template(&text).await?);
        }
        let newest = lake.newest_deployment().await?;
        let same = |newest: &DeploymentRecord| newest.code == self.code && newest.templates == templates;
        if !self.changed && newest.as_ref().is_some_and(|newest| same(newest)) {
            return Ok(None);
        }
        let record = DeploymentRecord {
            number: newest.map_or(1, |newest| newest.number + 1),
            attempt: Attempt::random()?,
            at: Micros::now(),
            code: self.code,
            templates,
            note: note.to_owned(),
        };
        match lake.commit_deployment(&record).await? {
            Committed::Ours => Ok(Some(record)),
            Committed::Theirs(theirs) => Err(advise(
                format!("another deployment was recorded as number {} at the same time", theirs.number),
                "look at the stacks with `cargo xtask diff`; deploy again if they are not as they should be",
            )),
        }
    }
}
