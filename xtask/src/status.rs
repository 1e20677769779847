//! `status`: how it stands.

use std::sync::Arc;

use anyhow::Result;
use host_lambda::Status;
use host_lambda::settings::Settings;
use totesys_lake::Micros;

use crate::place::Place;

/// Prints how the pipeline stands.
pub(crate) async fn status(settings: Settings, demo: bool, json: bool) -> Result<()> {
    let status = of(settings, demo).await?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        print!("{}", text(&status));
    }
    Ok(())
}

/// How the pipeline stands.
pub(crate) async fn of(settings: Settings, demo: bool) -> Result<Status> {
    let place = Place::open(settings, demo).await?;
    Ok(place.pipeline(Arc::new(()))?.status().await?)
}

/// How it stands, for a person.
pub(crate) fn text(status: &Status) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let time = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| Micros(at).to_string());
    let mut text = format!(
        "newest batch  {} (snapshot {})\nnewest check  {}\n",
        number(status.newest_batch),
        time(status.newest_batch_at),
        time(status.newest_check_at),
    );
    let lag = match status.lag_seconds {
        None => "unknown: not every star has loaded a batch yet".to_owned(),
        Some(seconds) => {
            let verdict = if seconds <= status.lag_limit_seconds { "within" } else { "BEYOND" };
            format!(
                "{} min {} s, {verdict} the limit of {} min",
                seconds / 60,
                seconds % 60,
                status.lag_limit_seconds / 60
            )
        }
    };
    text += &format!("lag           {lag}\ncatalog       record {}\n\n", number(status.catalog));
    if let Some(backfill) = &status.backfill {
        let (read, chunks, since) = (backfill.read, backfill.chunks, Micros(backfill.planned_at));
        text += &format!("backfill      {read} of {chunks} chunks are read (planned {since})\n\n");
    }
    if let Some(trouble) = &status.trouble {
        text += &format!("trouble       no extraction at {}: {}\n\n", Micros(trouble.at), trouble.reason);
    }
    for gap in &status.gaps {
        let (from, until) = (Micros(gap.from), Micros(gap.until));
        text += &format!("history       may lack versions between {from} and {until} ({})\n", gap.reason);
    }
    text += &format!("{:<12} {:>11} {:>7}  {:<9} component\n", "star", "transformed", "loaded", "version");
    for star in &status.stars {
        text += &format!(
            "{:<12} {:>11} {:>7}  {:<9} {}\n",
            star.star,
            number(star.transformed),
            number(star.loaded),
            star.component.version,
            star.component.digest.get(..16).unwrap_or_default(),
        );
        if let Some(recorded) = star.recorded {
            text += &format!(
                "{:<12} the warehouse was loaded up to batch {recorded} before: it was restored, and gets the rest again\n",
                ""
            );
        }
        for (code, rows) in &star.refused {
            text += &format!("{:<12} refused in the newest batch: {rows} {code}\n", "");
        }
        for (rows, what) in [(star.open, "refused rows open"), (star.waiting, "facts wait for a dimension row")] {
            if rows > 0 {
                text += &format!("{:<12} {rows} {what}\n", "");
            }
        }
        if let Some(batch) = star.stopped {
            text += &format!("{:<12} STOPPED before batch {batch}: too much of it is refused\n", "");
        } else if let Some(failure) = &star.failure {
            text += &format!("{:<12} WAITS before batch {}: {}\n", "", failure.batch, failure.reason);
        }
    }
    for (table, rows) in &status.unreadable {
        text += &format!("{:<12} {rows} rows of {table} cannot be read\n", "source");
    }
    text += &format!("\n{:<22} {:>12} {:>9}\n", "table", "rows", "waiting");
    for table in &status.tables {
        let waiting = if table.waiting > 0 { table.waiting.to_string() } else { String::new() };
        text += format!("{:<22} {:>12} {:>9}", table.table, table.rows, waiting).trim_end();
        text += "\n";
    }
    text
}
