//! `destroy`: what runs is deleted, and the data stack with all that it holds only for who types its name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use totesys_lake::{Bucket, LakeError, Purged};

use crate::arguments::Destroy;
use crate::aws::Cloud;
use crate::deploy::{Member, NOT_APPROVED, Stack, Stacks, Step, asked, retained, step};
use crate::hint::advise;
use crate::place::say;

/// A stack, what it has made, and what of that stays when it goes.
#[derive(Debug)]
struct Known {
    stack: Stack,
    members: Vec<Member>,
    stays: Vec<Member>,
}

/// Says what goes and what stays, asks, and deletes.
pub(crate) async fn destroy(cloud: &Cloud, arguments: &Destroy) -> Result<u8> {
    cloud.account().await?;
    let (stacks, names) = (Stacks::of(cloud), &cloud.environment.names);
    // The pipeline first: what runs on the tables and buckets must have stopped before they go.
    let mut going = Vec::new();
    for name in [names.pipeline_stack(), names.tables_stack()] {
        going.extend(known(&stacks, &name).await?);
    }
    let data = known(&stacks, &names.data_stack()).await?;
    print!("{}", announcement(&going, data.as_ref(), arguments.delete_data));
    let data = data.filter(|_| arguments.delete_data);
    if going.is_empty() && data.is_none() {
        return Ok(0);
    }
    if !going.is_empty() && !arguments.yes && !asked("this stops the pipeline", "yes", "say --yes")? {
        return Ok(NOT_APPROVED);
    }
    if let Some(data) = &data
        && !confirmed(&data.stack.name, arguments)?
    {
        return Ok(NOT_APPROVED);
    }
    for known in &going {
        Box::pin(stacks.remove(&known.stack)).await?;
    }
    if let Some(data) = &data {
        Box::pin(give_up(cloud, &stacks, data)).await?;
    }
    println!("environment {}: destroyed", cloud.environment.name);
    Ok(0)
}

/// The data stack goes only for its name.
fn confirmed(stack: &str, arguments: &Destroy) -> Result<bool> {
    match &arguments.confirm {
        Some(typed) if typed == stack => Ok(true),
        Some(typed) => {
            say(&format!("`{typed}` is not the data stack's name, so nothing was deleted"));
            say(&format!("hint: its name is `{stack}`"));
            Ok(false)
        }
        None => asked("this deletes the data for good", stack, &format!("say --confirm {stack}")),
    }
}

/// The data stack and everything in it. The stack itself goes last: as long as it stands, what is broken off can be gone on
/// with.
async fn give_up(cloud: &Cloud, stacks: &Stacks, data: &Known) -> Result<()> {
    let stack = if data.stays.is_empty() { data.stack.clone() } else { stacks.release(&data.stack).await? };
    let (lake, names) = (cloud.lake().await?, cloud.settings.lake_settings().buckets);
    for bucket in Bucket::ALL {
        let name = names.name(bucket);
        // A bucket of this name that is not the stack's was not named, so it does not go.
        if data.members.iter().any(|member| member.kind == BUCKET && member.name == name) {
            say(&format!("bucket {name}: deleting every version of every object"));
            let purged = lake.purge(bucket).await.map_err(|error| lacking(error, &cloud.environment.name));
            let Purged { versions, bytes } = purged?;
            say(&format!("bucket {name}: {versions} versions of {bytes} bytes deleted"));
        }
    }
    stacks.remove(&stack).await
}

/// Nobody has the rights to delete data by default: where they are written down is the hint.
fn lacking(error: LakeError, environment: &str) -> anyhow::Error {
    match error {
        error @ LakeError::AccessDenied { .. } => advise(
            error.to_string(),
            format!(
                "deployer-deletion.json has the rights it takes: `cargo xtask synth --env {environment} --out DIR` writes \
                 it; then the same command goes on"
            ),
        ),
        error => error.into(),
    }
}

async fn known(stacks: &Stacks, name: &str) -> Result<Option<Known>> {
    let Some(mut stack) = stacks.find(name).await? else { return Ok(None) };
    if step(Some(&stack.status)) == Step::Follow {
        say(&format!("stack {name}: AWS is at work on it ({}); following", stack.status));
        Box::pin(stacks.follow(&stack)).await?;
        match stacks.find(name).await? {
            Some(found) => stack = found,
            None => return Ok(None),
        }
    }
    let members = stacks.members(&stack.id).await?;
    let kept = retained(&stacks.template_of(Some(&stack)).await?);
    let stays = members.iter().filter(|member| kept.contains(&member.id)).cloned().collect();
    Ok(Some(Known { stack, members, stays }))
}

/// What goes and what stays.
fn announcement(going: &[Known], data: Option<&Known>, delete_data: bool) -> String {
    let mut text = String::new();
    for Known { stack, members, stays } in going {
        let goes: Vec<&Member> = members.iter().filter(|member| !stays.contains(member)).collect();
        let _ = writeln!(text, "goes:  stack {}: {}", stack.name, counted(&goes));
    }
    if going.is_empty() {
        text += "goes:  nothing runs\n";
    }
    let Some(Known { stack, members, stays }) = data else {
        return text + "stays: nothing, for there is no data stack\n";
    };
    let all = counted(&members.iter().collect::<Vec<_>>());
    if delete_data {
        let _ = writeln!(text, "goes:  stack {}, and what it holds: {all}", stack.name);
        return text + &lost(members);
    }
    let _ = writeln!(text, "stays: stack {}: {all}", stack.name);
    if stays.is_empty() && !members.is_empty() {
        return text + "       its deletion was begun and broken off: --delete-data goes on with it\n";
    }
    text += "       the next deployment goes on from there, with nothing lost or doubled\n";
    for member in stays.iter().filter(|member| member.kind == BUCKET) {
        let _ = writeln!(text, "       bucket {}", member.name);
    }
    text
}

const BUCKET: &str = "AWS::S3::Bucket";

/// How many there are of each kind.
fn counted(members: &[&Member]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        *kinds.entry(member.kind.strip_prefix("AWS::").unwrap_or(&member.kind)).or_default() += 1;
    }
    let counts: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
}

/// Members that hold something, and what a person calls them.
const HOLDING: [(&str, &str); 4] = [
    (BUCKET, "bucket"),
    ("AWS::SecretsManager::Secret", "secret"),
    ("AWS::SNS::Topic", "topic"),
    ("AWS::Glue::Database", "Glue database"),
];

/// Each member that holds something, by its name.
fn lost(members: &[Member]) -> String {
    let mut text = String::new();
    for (kind, word) in HOLDING {
        let rest = if kind == BUCKET { ", with every version of every object" } else { "" };
        for member in members.iter().filter(|member| member.kind == kind) {
            let _ = writeln!(text, "       {word} {}{rest}", member.name);
        }
    }
    if text.is_empty() { text } else { text + "       none of this can be brought back\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, members: &[(&str, &str, &str, bool)]) -> Known {
        let stack = Stack {
            name: name.into(),
            id: format!("arn:aws:cloudformation:eu-west-2:123456789012:stack/{name}/1"),
            status: "UPDATE_COMPLETE".into(),
            reason: None,
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            protected: true,
            changed_at: 0,
        };
        let member = |(id, kind, name, _): &(&str, &str, &str, bool)| Member {
            id: (*id).into(),
            kind: format!("AWS::{kind}"),
            name: (*name).into(),
        };
        Known {
            stack,
            members: members.iter().map(member).collect(),
            stays: members.iter().filter(|(.., stays)| *stays).map(member).collect(),
        }
    }

    #[test]
    fn what_goes_and_what_stays_is_said_first() {
        let pipeline = known(
            "acme-pipeline",
            &[
                ("ExtractFunction", "Lambda::Function", "acme-extract", false),
                ("LoadFunction", "Lambda::Function", "acme-load", false),
                ("PipelineMachine", "StepFunctions::StateMachine", "arn:…:acme-pipeline", false),
            ],
        );
        let data = known(
            "acme-data",
            &[
                ("CodeBucket", "S3::Bucket", "acme-code", true),
                ("CodeBucketPolicy", "S3::BucketPolicy", "acme-code", true),
                ("SourceSecret", "SecretsManager::Secret", "arn:…:acme/source", true),
                ("AlertsTopic", "SNS::Topic", "arn:…:acme-alerts", true),
                ("GlueDatabase", "Glue::Database", "acme", true),
                ("DeploymentsRule", "Events::Rule", "acme-deployments", false),
            ],
        );
        let going = [pipeline];
        let begun =
            Known { stays: Vec::new(), ..known("acme-data", &[("CodeBucket", "S3::Bucket", "acme-code", true)]) };
        let empty = known("acme-data", &[]);
        let text = [
            announcement(&going, Some(&data), false),
            announcement(&going, Some(&data), true),
            announcement(&[], Some(&begun), false),
            announcement(&[], Some(&begun), true),
            announcement(&[], Some(&empty), true),
            announcement(&[], None, false),
        ];
        insta::assert_snapshot!(text.join("---\n"));
    }
}
