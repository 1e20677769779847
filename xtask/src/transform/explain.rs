//! `transform explain`: where a file or a row comes from.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use host_lambda::settings::Settings;
use host_lambda::{FileOrigin, Origin, Pipeline, RowOrigin};
use serde_json::json;
use totesys_lake::Micros;

use crate::arguments::Explain;
use crate::hint::advise;
use crate::place::Place;

/// Prints which component and batches made something.
pub(crate) async fn explain(settings: Settings, demo: bool, arguments: &Explain) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    let pipeline = place.pipeline(Arc::new(()))?;
    if arguments.key.is_empty() {
        let origin = file(&pipeline, &arguments.what).await?;
        if arguments.output.json {
            println!("{}", json!(origin));
        } else {
            print!("{}", of_file(&origin));
        }
        return Ok(());
    }
    let rows = pipeline.explain_row(&arguments.what, &arguments.key).await?;
    if arguments.output.json {
        println!("{}", json!({ "table": arguments.what, "key": arguments.key, "versions": rows }));
        return Ok(());
    }
    if rows.is_empty() {
        return Err(advise(
            format!("`{}` has no row of {}", arguments.what, arguments.key.join(", ")),
            "`quarantine list` shows rows that were refused; `status` says which batches are loaded",
        ));
    }
    for row in &rows {
        print!("{}", of_row(row));
    }
    Ok(())
}

/// A file by its path, or by its key in the lake.
async fn file(pipeline: &Pipeline, name: &str) -> Result<FileOrigin> {
    let bytes = match std::fs::read(Path::new(name)) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match pipeline.stored_file(name).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem =
                    format!("`{name}` is no file here and none of the lake: {}", host_lambda::sentence(&error));
                return Err(advise(problem, "name a file by its path or its key; of a table name a row's key as well"));
            }
        },
        Err(error) => return Err(anyhow::Error::new(error).context(format!("`{name}` cannot be read"))),
    };
    Ok(pipeline.explain_file(name, bytes).await?)
}

fn of_file(origin: &FileOrigin) -> String {
    let mut text = format!(
        "file        {}\ntable       {}, {} rows\nsha256      {} as its record says\n",
        origin.key, origin.table, origin.rows, origin.sha256
    );
    if let Some(ingested) = &origin.ingested_in {
        text += &format!(
            "ingested    in batch {} (snapshot {}) under catalog record {}\n",
            ingested.batch,
            Micros(ingested.taken_at),
            ingested.catalog
        );
    }
    if let Some(made_by) = &origin.made_by {
        text += &of_origin(made_by);
    }
    text
}

fn of_row(row: &RowOrigin) -> String {
    let id = row.record_id.map_or_else(|| "a row".to_owned(), |id| format!("record {id}"));
    let state = match (row.is_current, row.deleted_in) {
        (true, _) => "current".to_owned(),
        (false, Some(batch)) => format!("deleted, noticed by batch {batch}"),
        (false, None) => "superseded".to_owned(),
    };
    let mut text = format!("{id}, observed in batch {}, {state}\n", row.observed_in);
    match &row.made_by {
        Some(made_by) => text += &of_origin(made_by),
        None => text += "made by     no transformation that is recorded now: the star was rebuilt since\n",
    }
    text
}

fn of_origin(origin: &Origin) -> String {
    let component = &origin.component;
    let generation = if origin.generation > 0 { format!(", generation {}", origin.generation) } else { String::new() };
    let mut text = format!(
        "made by     star {} {} in batch {} (snapshot {}){generation}\n",
        origin.star,
        component.version,
        origin.batch,
        Micros(origin.taken_at),
    );
    if let Some(observed) = origin.observed_in {
        text += &format!("observed    in batch {observed}, and refused then\n");
    }
    let stored = if component.stored { "stored, digest verified" } else { "NOT STORED as this digest" };
    text += &format!("component   {} ({stored})\n", component.digest);
    text += &format!("contract    totesys:star {}\n", component.contract_version);
    text += &format!("catalog     record {} {}\n", component.catalog, component.note);
    text += &match &component.signed_by {
        Some(key) => format!("signed      by {key}, artefact verified\n"),
        None => "signed      NOT by a trusted key for this engine\n".to_owned(),
    };
    for input in &origin.inputs {
        text += &format!("read        {} of batch {}: {} rows\n", input.table, input.from_batch, input.rows);
        for file in &input.files {
            text += &format!("              {file}\n");
        }
    }
    text
}
