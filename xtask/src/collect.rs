//! `gc`: packages, templates and components in an environment's code bucket that nothing names.

use std::collections::BTreeSet;

use anyhow::Result;
use totesys_lake::{DeploymentRecord, Micros, ObjectEntry};
use totesys_publisher::{Garbage, garbage};

use crate::arguments::CollectGarbage;
use crate::aws::Cloud;
use crate::deploy::{CODE_KEY, Stacks};
use crate::transform::tell_garbage;

/// What was written so recently may belong to a deployment that is under way, or to a plan that waits, in seconds.
const RECENT: i64 = 24 * 3600;

/// Lists the garbage, and deletes it if that is wanted.
pub(crate) async fn gc(cloud: &Cloud, arguments: &CollectGarbage) -> Result<()> {
    cloud.account().await?;
    // The bucket is the data stack's: without it there is nothing, which is said in its words.
    cloud.outputs(&cloud.environment.names.data_stack()).await?;
    let lake = cloud.lake().await?;
    let now = Micros::now().0 / 1_000_000;
    let newest = lake.newest_deployments(usize::try_from(arguments.deployments).unwrap_or(usize::MAX)).await?;
    let live = live_package(cloud).await?;
    let named = named(newest.iter().map(|record| &**record), live);
    let mut found = left_over(lake.packages().await?, &named, now);
    let components = garbage(&lake, arguments.keep, now).await?;
    found.objects.extend(components.objects);
    found.kept += components.kept;
    if arguments.yes {
        for (key, _) in &found.objects {
            lake.delete_code(key).await?;
        }
    }
    tell_garbage(&found, arguments.yes, arguments.output.json);
    Ok(())
}

/// The package of the stack as it is now, which a deployment that was broken off may have put there unrecorded.
async fn live_package(cloud: &Cloud) -> Result<Option<String>> {
    let stack = Stacks::of(cloud).find(&cloud.environment.names.pipeline_stack()).await?;
    Ok(stack.and_then(|mut stack| stack.parameters.remove(CODE_KEY)))
}

fn named<'a>(records: impl Iterator<Item = &'a DeploymentRecord>, live: Option<String>) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = live.into_iter().collect();
    for record in records {
        named.insert(record.code.clone());
        named.extend(record.templates.values().cloned());
    }
    named
}

fn left_over(objects: Vec<ObjectEntry>, named: &BTreeSet<String>, now: i64) -> Garbage {
    let mut found = Garbage::default();
    for object in objects {
        if named.contains(&object.key) || object.written_at > now - RECENT {
            found.kept += 1;
        } else {
            found.objects.push((object.key, object.bytes));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use totesys_lake::Attempt;

    use super::*;

    #[test]
    fn what_is_named_or_new_stays() {
        const NOW: i64 = 1_000_000;
        let record = |number, code: &str, template: &str| DeploymentRecord {
            number,
            attempt: Attempt::random().unwrap(),
            at: Micros(0),
            code: code.to_owned(),
            templates: [("acme-pipeline".to_owned(), template.to_owned())].into(),
            note: String::new(),
        };
        let records =
            [record(8, "functions/8.zip", "templates/8.json"), record(7, "functions/7.zip", "templates/7.json")];
        let object = |key: &str, age: i64| ObjectEntry { key: key.to_owned(), bytes: 10, written_at: NOW - age };
        let objects = vec![
            object("functions/6.zip", 2 * RECENT),
            object("functions/7.zip", 2 * RECENT),
            object("functions/8.zip", 2 * RECENT),
            object("functions/live.zip", 2 * RECENT),
            object("functions/new.zip", RECENT - 1),
            object("functions/old.zip", RECENT),
            object("templates/6.json", 2 * RECENT),
            object("templates/7.json", 2 * RECENT),
        ];
        let found = left_over(objects, &named(records.iter(), Some("functions/live.zip".to_owned())), NOW);
        let keys: Vec<_> = found.objects.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["functions/6.zip", "functions/old.zip", "templates/6.json"]);
        assert_eq!(found.kept, 5);
    }
}
