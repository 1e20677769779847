//! `transform plan`: what would change if components went live.

mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use host_lambda::settings::Settings;
use host_lambda::{HostError, Pipeline, ShadowRun, Subject, sentence};
use serde::Serialize;
use serde_json::json;
use star_contract::Description;
use totesys_lake::{CatalogRecord, StarEntry};
use totesys_publisher::{Candidate, Change, Publisher, changes};
use totesys_sandbox::{Metering, SandboxError};

use super::candidate;
use crate::arguments::Plan;
use crate::place::{Place, say};

/// What was found, as the exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Nothing would change.
    Nothing = 0,
    /// Something would.
    Changes = 2,
    /// An input has no rows to try: nothing can be concluded.
    Inconclusive = 3,
    /// The components cannot go live.
    Refused = 1,
}

/// What would become of one star.
#[derive(Debug, Serialize)]
struct StarPlan {
    star: String,
    version: String,
    digest: String,
    contract: String,
    imports: Vec<String>,
    /// The live component, if there is one.
    live: Option<Live>,
    changes: Vec<Change>,
    limits: BTreeMap<String, u64>,
    /// Both over real rows, unless the candidate failed or there are none.
    shadow: Option<ShadowRun>,
    /// Why the live component could not be run beside it.
    live_failed: Option<String>,
    /// Why the candidate came to no end.
    failed: Option<String>,
    verdict: Verdict,
}

#[derive(Debug, Serialize)]
struct Live {
    version: String,
    digest: String,
    contract: String,
    record: u64,
}

/// Everything that would change.
#[derive(Debug, Serialize)]
struct WholePlan {
    stars: Vec<StarPlan>,
    /// What the next load would do to the warehouse's tables first.
    warehouse: Vec<String>,
    /// Why the warehouse cannot follow.
    refused: Option<String>,
    hint: Option<String>,
    verdict: Verdict,
}

/// Compares candidates with what is live; gives the exit code.
pub(crate) async fn plan(settings: Settings, demo: bool, arguments: &Plan) -> Result<u8> {
    let place = Place::open(settings, demo).await?;
    let publisher = place.publisher(&[]);
    let candidates: Vec<Candidate> =
        arguments.files.iter().map(|file| candidate(&publisher, file)).collect::<Result<_>>()?;
    let live = place.lake.newest_catalog().await?.map(|record| record.into_record());
    let proposed = publisher.propose(&place.lake, &candidates).await?;
    let pipeline = place.pipeline(Arc::new(()))?;
    let (warehouse, refused) = match pipeline.foresee(&proposed.record).await {
        Ok(steps) => (steps.into_iter().map(|step| format!("{}: {}", step.table, step.what)).collect(), None),
        Err(error @ HostError::Warehouse(_)) if !error.is_transient() => (Vec::new(), Some(error)),
        Err(error) => return Err(error.into()),
    };
    let mut stars = Vec::new();
    for candidate in &candidates {
        say(&format!("running {} over the lake's rows", candidate.description.star));
        stars.push(star(&place, &publisher, &pipeline, live.as_ref(), candidate, arguments.batches).await?);
    }
    let of_stars = stars.iter().map(|star| star.verdict);
    let changes = if warehouse.is_empty() { Verdict::Nothing } else { Verdict::Changes };
    let verdict = of_stars.chain([changes]).max_by_key(|verdict| severity(*verdict)).unwrap_or(Verdict::Nothing);
    let verdict = if refused.is_some() { Verdict::Refused } else { verdict };
    let (hint, refused) = (refused.as_ref().and_then(HostError::hint), refused.map(|error| sentence(&error)));
    let plan = WholePlan { stars, warehouse, refused, hint, verdict };
    if arguments.output.json {
        println!("{}", json!(plan));
    } else {
        print!("{}", text::of(&plan));
    }
    Ok(verdict as u8)
}

/// Which of several verdicts is said.
fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Nothing => 0,
        Verdict::Changes => 1,
        Verdict::Inconclusive => 2,
        Verdict::Refused => 3,
    }
}

async fn star(
    place: &Place,
    publisher: &Publisher<'_>,
    pipeline: &Pipeline,
    live: Option<&CatalogRecord>,
    candidate: &Candidate,
    batches: usize,
) -> Result<StarPlan> {
    let description = &candidate.description;
    let name = &description.star;
    let entry = live.and_then(|record| record.stars.get(name));
    let changed = changes(entry.map(|entry| &entry.description), description);
    // Fuel is counted here, so that the cost of both is the same on every machine.
    let new = subject(publisher, pipeline, candidate, description)?;
    let old = match entry {
        Some(entry) => Some(live_subject(place, publisher, pipeline, entry).await),
        None => None,
    };
    // A live component that cannot be run is what one may want to replace.
    let (old, live_failed) = match old.transpose() {
        Ok(old) => (old, None),
        Err(error) => (None, Some(sentence(error.as_ref()))),
    };
    let (shadow, failed) = match pipeline.shadow(old.as_ref(), &new, batches).await {
        Ok(shadow) => (Some(shadow), None),
        Err(HostError::NothingLoaded) => (None, None),
        Err(error @ (HostError::Sandbox(_) | HostError::Lake(_))) if !error.is_transient() => {
            (None, Some(describe(&error)))
        }
        Err(error) => return Err(error.into()),
    };
    let verdict = verdict(&changed, shadow.as_ref(), failed.is_some(), entry.is_none());
    Ok(StarPlan {
        star: name.clone(),
        version: description.version.clone(),
        digest: candidate.inspected.digest.to_string(),
        contract: candidate.inspected.contract.clone(),
        imports: candidate.inspected.imports.clone(),
        live: live.zip(entry).map(|(record, entry)| Live {
            version: entry.version.clone(),
            digest: entry.digest.clone(),
            contract: entry.contract_version.clone(),
            record: record.number,
        }),
        changes: changed,
        limits: pipeline.sandbox().limits(name).by_name(),
        shadow,
        live_failed,
        failed,
        verdict,
    })
}

fn verdict(changes: &[Change], shadow: Option<&ShadowRun>, failed: bool, is_new: bool) -> Verdict {
    let same = |run: &ShadowRun| run.state.is_same() && run.batches.iter().all(|batch| batch.rehearsal.is_same());
    let seen = |run: &ShadowRun| run.state.rows.values().any(|rows| *rows > 0);
    match shadow {
        _ if failed => Verdict::Refused,
        // On no rows nothing is concluded; but a difference that was found is one, whatever else was not covered.
        None => Verdict::Inconclusive,
        Some(run) if !seen(run) => Verdict::Inconclusive,
        Some(run) if is_new || !changes.is_empty() || !same(run) => Verdict::Changes,
        Some(run) if !run.uncovered.is_empty() => Verdict::Inconclusive,
        Some(_) => Verdict::Nothing,
    }
}

fn subject(
    publisher: &Publisher<'_>,
    pipeline: &Pipeline,
    candidate: &Candidate,
    description: &Description,
) -> Result<Subject> {
    let load = || publisher.load(candidate, pipeline.sandbox(), Metering::Fuel);
    let component = tokio::task::block_in_place(load)?;
    Ok(Subject { component, description: Arc::new(description.clone()) })
}

async fn live_subject(
    place: &Place,
    publisher: &Publisher<'_>,
    pipeline: &Pipeline,
    entry: &StarEntry,
) -> Result<Subject> {
    let component = place.lake.get_component(&entry.digest).await?;
    let candidate = tokio::task::block_in_place(|| publisher.candidate(component.to_vec()));
    let candidate = candidate.with_context(|| format!("the live component of `{}`", entry.description.star))?;
    subject(publisher, pipeline, &candidate, &entry.description)
}

/// A failure of the candidate, with its own words: they stay on this terminal.
fn describe(error: &HostError) -> String {
    let said = sentence(error);
    match error {
        HostError::Sandbox(SandboxError::GaveUp { words, .. }) => format!("{said}: {}", words.0),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use host_lambda::{BatchRehearsal, Rehearsal, TableDifference};

    use super::*;

    #[test]
    fn nothing_is_concluded_from_no_rows_and_nothing_new_is_no_change() {
        let over = |rows, uncovered: &[&str], added| ShadowRun {
            state: Rehearsal { rows: BTreeMap::from([("visit".to_owned(), rows)]), ..Rehearsal::default() },
            batches: vec![BatchRehearsal {
                batch: 1,
                rehearsal: Rehearsal {
                    differences: vec![TableDifference { added, ..TableDifference::default() }],
                    ..Rehearsal::default()
                },
            }],
            uncovered: uncovered.iter().map(|table| (*table).to_owned()).collect(),
        };
        let run = |uncovered: &[&str], added| over(9, uncovered, added);
        for (shadow, failed, is_new, expected) in [
            (Some(run(&[], 0)), false, false, Verdict::Nothing),
            (Some(run(&[], 1)), false, false, Verdict::Changes),
            (Some(run(&[], 0)), false, true, Verdict::Changes),
            (Some(run(&["city"], 1)), false, false, Verdict::Changes),
            (Some(run(&["city"], 0)), false, false, Verdict::Inconclusive),
            (Some(over(0, &["visit"], 0)), false, true, Verdict::Inconclusive),
            (None, false, false, Verdict::Inconclusive),
            (None, true, false, Verdict::Refused),
        ] {
            assert_eq!(verdict(&[], shadow.as_ref(), failed, is_new), expected);
        }
    }
}
