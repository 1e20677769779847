//! The stack of Glue tables and views, which follows the catalog.

use std::collections::BTreeMap;

use anyhow::Result;
use infra_templates::tables_stack;

use super::stack::Stacks;
use super::wanted;
use crate::aws::Cloud;
use crate::hint::advise;
use crate::place::say;

/// Brings the tables up to what the live components describe; nothing is done while nothing is live. They describe
/// files and hold none, so nobody is asked.
pub(crate) async fn follow_catalog(cloud: &Cloud) -> Result<()> {
    let (lake, stacks) = (cloud.lake().await?, Stacks::of(cloud));
    let Some(record) = lake.newest_catalog().await? else { return Ok(()) };
    let stars: BTreeMap<_, _> =
        record.stars.iter().map(|(star, entry)| (star.clone(), entry.description.clone())).collect();
    let template = tables_stack(&cloud.environment, &stars).map_err(|error| advise(error.to_string(), error.hint()))?;
    let name = cloud.environment.names.tables_stack();
    let stands = stacks.ready(&name).await?;
    let wanted = wanted::stack(&cloud.environment, Some(&lake), name, &template, BTreeMap::new()).await?;
    let proposal = stacks.propose(&wanted, stands.as_ref()).await?;
    say(proposal.difference.text().trim_end());
    stacks.execute(&proposal, super::again(&cloud.environment)).await?;
    Ok(())
}
