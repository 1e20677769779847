//! `transform publish`: components go live.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use host_lambda::settings::Settings;
use host_lambda::{Pipeline, Rehearsal};
use serde_json::json;
use totesys_lake::{CatalogRecord, Lake};
use totesys_publisher::{Candidate, Staged};
use totesys_sandbox::Target;

use super::{candidate, short};
use crate::arguments::Publish;
use crate::hint::advise;
use crate::place::Place;

/// What became of a star's trial run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Canary {
    /// It passed on a batch.
    Passed(u64),
    /// There is no batch yet.
    NoBatch,
    /// It was not wanted.
    Skipped,
}

/// Checks, compiles, signs, uploads, tries and publishes.
pub(crate) async fn publish(settings: Settings, demo: bool, arguments: &Publish) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    let mut targets: Vec<Target> = arguments.target.iter().filter_map(|triple| Target::of(triple)).collect();
    targets.extend(place.targets().await?);
    targets.sort();
    targets.dedup();
    let publisher = place.publisher(&targets);
    let candidates: Vec<Candidate> = if arguments.bundled {
        place
            .bundled()?
            .into_iter()
            .map(|component| Ok(tokio::task::block_in_place(|| publisher.candidate(component))?))
            .collect::<Result<_>>()?
    } else {
        arguments.files.iter().map(|file| candidate(&publisher, file)).collect::<Result<_>>()?
    };
    let note = match arguments.note.as_str() {
        "" if arguments.bundled => "bundled components",
        "" => "published",
        note => note,
    };
    let before = place.lake.newest_catalog().await?.map(|record| record.into_record());
    let staged = publisher.stage(&place.lake, &candidates, note).await?;
    let pipeline = place.pipeline(Arc::new(()))?;
    if !staged.is_live {
        pipeline.foresee(&staged.record).await.context("the warehouse cannot follow, so nothing was published")?;
    }
    let mut canaries = BTreeMap::new();
    for star in &staged.changed {
        let canary = if arguments.no_canary {
            Canary::Skipped
        } else {
            canary(&pipeline, &place.lake, before.as_ref(), &staged, star).await?
        };
        canaries.insert(star.clone(), canary);
    }
    let published = publisher.commit(&place.lake, staged).await?;
    say_it(&published.record, published.appended, &canaries, arguments.output.json);
    Ok(())
}

fn say_it(record: &CatalogRecord, appended: bool, canaries: &BTreeMap<String, Canary>, json: bool) {
    if json {
        let stars: Vec<_> = canaries
            .iter()
            .map(|(star, canary)| {
                let (canary, batch) = match canary {
                    Canary::Passed(batch) => ("passed", Some(batch)),
                    Canary::NoBatch => ("no-batch", None),
                    Canary::Skipped => ("skipped", None),
                };
                let digest = record.stars.get(star).map(|entry| &entry.digest);
                json!({ "star": star, "digest": digest, "canary": canary, "canary_batch": batch })
            })
            .collect();
        println!("{}", json!({ "record": record.number, "appended": appended, "stars": stars }));
        return;
    }
    if !appended {
        println!("these components are live already (catalog record {})", record.number);
        return;
    }
    println!("catalog record {} is live; the next run uses it, a running one finishes with its own", record.number);
    for (star, canary) in canaries {
        let Some(entry) = record.stars.get(star) else { continue };
        let tried = match canary {
            Canary::Passed(batch) => format!("tried on batch {batch}"),
            Canary::NoBatch => "not tried: there is no batch yet".to_owned(),
            Canary::Skipped => "not tried".to_owned(),
        };
        println!("  {star:<12} {:<9} {}  {tried}", entry.version, short(&entry.digest));
    }
}

/// Runs the candidate as production would on a recorded batch, beside the live component.
async fn canary(
    pipeline: &Pipeline,
    lake: &Lake,
    before: Option<&CatalogRecord>,
    staged: &Staged,
    star: &str,
) -> Result<Canary> {
    let new = pipeline.subject(&staged.record, star).await?;
    let old = match before.filter(|record| record.stars.contains_key(star)) {
        // Without the live component beside it a trial would say less than it seems to.
        Some(record) => Some(pipeline.subject(record, star).await.with_context(|| {
            format!("star `{star}`: the live component cannot be run beside the new one, so nothing was published")
        })?),
        None => None,
    };
    let failed = |problem: String| {
        advise(
            format!("star `{star}`: the trial run failed, so nothing was published: {problem}"),
            "`cargo xtask transform plan FILE` shows what would change; --no-canary publishes all the same",
        )
    };
    match pipeline.canary(old.as_ref(), &new).await {
        Err(error) => Err(anyhow::Error::new(error)
            .context(format!("star `{star}`: the component fails on a recorded batch, so nothing was published"))),
        Ok(None) if lake.newest_manifest().await?.is_none() => Ok(Canary::NoBatch),
        Ok(None) => Err(failed("no recorded batch has rows in every input it reads".to_owned())),
        Ok(Some(batch)) => match problem(&batch.rehearsal) {
            Some(problem) => Err(failed(format!("{problem} (batch {})", batch.batch))),
            None => Ok(Canary::Passed(batch.batch)),
        },
    }
}

/// An output that empties, or more refusals than the live component's.
fn problem(rehearsal: &Rehearsal) -> Option<String> {
    // Of a live component that fails nothing is to be expected.
    let Some(old) = rehearsal.old.as_ref().filter(|old| old.failed.is_none()) else {
        let (rows, refused) = (rehearsal.rows.values().sum::<u64>(), rehearsal.new.refused_rows());
        return (refused == rows && rows > 0).then(|| format!("it refuses all {rows} rows"));
    };
    let empties = old
        .rows
        .iter()
        .find(|(table, rows)| **rows > 0 && rehearsal.new.rows.get(*table).is_none_or(|rows| *rows == 0));
    if let Some((table, rows)) = empties {
        return Some(format!("it writes nothing to `{table}`, where the live component writes {rows} rows"));
    }
    let (before, after) = (old.refused_rows(), rehearsal.new.refused_rows());
    (after > before).then(|| format!("it refuses {after} rows, the live component {before}"))
}

#[cfg(test)]
mod tests {
    use host_lambda::Side;

    use super::*;

    fn side(rows: &[(&str, u64)], refused: u64) -> Side {
        Side {
            rows: rows.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect(),
            refused: BTreeMap::from([("malformed-date".to_owned(), refused)]),
            ..Side::default()
        }
    }

    #[test]
    fn a_trial_fails_where_an_output_empties_or_more_is_refused() {
        let rehearsal = |old: Option<Side>, new| Rehearsal {
            rows: BTreeMap::from([("visit".to_owned(), 9)]),
            old,
            new,
            ..Rehearsal::default()
        };
        let live = || Some(side(&[("fact_visit", 8), ("dim_city", 0)], 1));
        for (old, new, expected) in [
            (live(), side(&[("fact_visit", 8)], 1), None),
            (live(), side(&[("fact_visit", 1)], 0), None),
            (live(), side(&[("dim_city", 3)], 1), Some("it writes nothing to `fact_visit`")),
            (live(), side(&[("fact_visit", 7)], 2), Some("it refuses 2 rows, the live component 1")),
            (None, side(&[("fact_visit", 1)], 8), None),
            (None, side(&[], 9), Some("it refuses all 9 rows")),
        ] {
            let found = problem(&rehearsal(old, new));
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().starts_with(expected.unwrap_or_default()));
        }
    }
}
