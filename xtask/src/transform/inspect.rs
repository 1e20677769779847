//! `transform inspect`: what a component is.

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::json;
use star_contract::{Column, Delivery, Description, Role};
use totesys_publisher::{Inspected, releases};

use super::{candidate, short};
use crate::arguments::Inspect;
use crate::place::Place;

/// Records looked through for who signed it.
const RECORDS: usize = 1_000;

/// Prints everything a component shows. Asking it what it describes runs `describe` in the sandbox, nothing else.
pub(crate) async fn inspect(settings: Settings, demo: bool, arguments: &Inspect) -> Result<()> {
    // Without databases: a file says nothing of them.
    let limits = settings.limits();
    let place = Place::open_lake(settings, demo).await?;
    let publisher = place.publisher(&[]);
    let candidate = candidate(&publisher, &arguments.file)?;
    let (inspected, description) = (&candidate.inspected, &candidate.description);
    let digest = inspected.digest.to_string();
    let mut published = Vec::new();
    for release in releases(&place.lake, RECORDS).await? {
        published
            .extend(release.stars.into_iter().filter(|star| star.digest == digest).map(|star| (release.record, star)));
    }
    let limits = limits.of(&description.star).by_name();
    if arguments.output.json {
        let records: Vec<_> =
            published.iter().map(|(record, star)| json!({ "record": record, "signed_by": star.signed_by })).collect();
        let value = json!({
            "digest": digest,
            "bytes": inspected.bytes,
            "contract": inspected.contract,
            "imports": inspected.imports,
            "description": description,
            "limits": limits,
            "published": records,
        });
        println!("{value}");
        return Ok(());
    }
    print!("{}", text(inspected, description));
    match published.as_slice() {
        [] => println!("signed      not yet: it was never published into this lake"),
        published => {
            let own = place.public_key();
            for (record, star) in published {
                for key in &star.signed_by {
                    let whose = if *key == own { " (this machine's key)" } else { "" };
                    println!("signed      by {}… in catalog record {record}{whose}", short(key));
                }
            }
        }
    }
    let limits: Vec<String> = limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    println!("limits      {}", limits.join(", "));
    Ok(())
}

fn text(inspected: &Inspected, description: &Description) -> String {
    let imports = if inspected.imports.is_empty() { "nothing".to_owned() } else { inspected.imports.join(", ") };
    let mut text = format!(
        "star        {} {}\ndigest      {}\nsize        {} bytes\ncontract    totesys:star {}\nimports     {imports}\n",
        description.star, description.version, inspected.digest, inspected.bytes, inspected.contract,
    );
    for input in &description.inputs {
        let delivered = if input.delivery == Delivery::Changes { "changes" } else { "a snapshot" };
        text += &format!("reads       {} as {delivered}, key {}\n", input.table, input.key.join(", "));
        text += &columns(&input.columns);
    }
    for output in &description.outputs {
        let role = if output.role == Role::Fact { "fact" } else { "dimension" };
        text += &format!("writes      {} ({role}), key {}\n", output.table, output.business_key.join(", "));
        text += &columns(&output.columns);
        for reference in &output.references {
            text += &format!("              {} refers to {}.{}\n", reference.column, reference.table, reference.target);
        }
    }
    text
}

fn columns(columns: &[Column]) -> String {
    let line = |column: &Column| {
        let nullable = if column.nullable { ", may be NULL" } else { "" };
        format!("              {:<30} {}{nullable}\n", column.name, column.column_type)
    };
    columns.iter().map(line).collect()
}
