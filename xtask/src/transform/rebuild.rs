//! `transform rebuild`: a star computed again.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use host_lambda::Rebuild as Prepared;
use host_lambda::settings::Settings;
use serde_json::json;

use super::short;
use crate::arguments::Rebuild;
use crate::hint::advise;
use crate::place::{Place, say};

/// Rebuilds, previews, asks and swaps; or accepts, or undoes.
pub(crate) async fn rebuild(settings: Settings, demo: bool, arguments: &Rebuild) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    let pipeline = place.pipeline(Arc::new(()))?;
    let (star, json) = (arguments.star.as_str(), arguments.output.json);
    if arguments.accept {
        let dropped = pipeline.accept_rebuild(star).await?;
        if json {
            println!("{}", json!({ "accepted": star, "dropped": dropped }));
        } else {
            println!("accepted: {} former tables dropped", dropped.len());
        }
        return Ok(());
    }
    if arguments.undo {
        let generation = pipeline.undo_rebuild(star).await?;
        if json {
            println!("{}", json!({ "undone": star, "generation": generation }));
        } else {
            println!("the former tables are back; the next run goes on from there (generation {generation})");
        }
        return Ok(());
    }
    if !arguments.yes && !std::io::stdin().is_terminal() {
        return Err(advise("nobody can be asked whether to swap the result in", "say --yes"));
    }
    let started = Instant::now();
    let prepared = Box::pin(pipeline.rebuild(star, arguments.from)).await?;
    say(&preview(&prepared, started.elapsed().as_secs_f64()));
    if !arguments.yes && !approved()? {
        say("nothing was swapped; the same command goes on from here");
        if json {
            println!("{}", json!({ "rebuild": prepared, "swapped": null }));
        }
        return Ok(());
    }
    let swapped = Box::pin(pipeline.swap_rebuild(&prepared)).await?;
    if json {
        println!("{}", json!({ "rebuild": prepared, "swapped": swapped }));
        return Ok(());
    }
    println!(
        "{star} was rebuilt from batch {} to {}: generation {}",
        prepared.from, prepared.through, prepared.generation
    );
    for dependent in &swapped.dependents {
        println!("  {dependent} goes on reading the former tables: make it anew");
    }
    for left in &swapped.left_behind {
        println!("  {left} is on the former tables only: make it anew");
    }
    println!("the former tables are kept: `--accept` drops them, `--undo` puts them back");
    Ok(())
}

fn preview(prepared: &Prepared, seconds: f64) -> String {
    let mut text = format!(
        "{} batches {} to {} again with {} in {seconds:.1} s; {} rows refused, {} open\n{:<24} {:>12} {:>12} {:>9}\n",
        prepared.star,
        prepared.from,
        prepared.through,
        short(&prepared.digest),
        prepared.refused,
        prepared.open,
        "table",
        "rows now",
        "rows then",
        "waiting",
    );
    for table in &prepared.tables {
        let waiting = if table.waiting_then > 0 { table.waiting_then.to_string() } else { String::new() };
        let line = format!("{:<24} {:>12} {:>12} {waiting:>9}", table.table, table.rows_now, table.rows_then);
        text += line.trim_end();
        text += "\n";
    }
    text.trim_end().to_owned()
}

/// Asks a person.
fn approved() -> Result<bool> {
    say("swap it in? The former tables are kept. Type yes:");
    Ok(crate::stdin::answer()?.trim() == "yes")
}
