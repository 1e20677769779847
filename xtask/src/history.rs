//! `history`: every version of one fact.

use std::sync::Arc;

use anyhow::Result;
use host_lambda::FactHistory;
use host_lambda::settings::Settings;

use crate::arguments::History;
use crate::hint::advise;
use crate::place::Place;

/// What `<fact>_history` adds to a fact's own columns.
const OF_VERSIONS: &[&str] = &["batch", "valid_from", "valid_to", "is_current", "deleted_at", "deleted_in"];

/// Prints the versions of a key.
pub(crate) async fn history(settings: Settings, demo: bool, arguments: &History) -> Result<()> {
    let place = Place::open(settings, demo).await?;
    let found = place.pipeline(Arc::new(()))?.history(&arguments.fact, &arguments.key).await?;
    if arguments.output.json {
        println!("{}", serde_json::to_string(&found)?);
        return Ok(());
    }
    if found.versions.is_empty() {
        return Err(advise(
            format!("`{}` has no version of {}", arguments.fact, arguments.key.join(", ")),
            "`quarantine list` shows rows that were refused; `status` says which batches are loaded",
        ));
    }
    print!("{}", text(&found));
    Ok(())
}

/// The first version with all its columns, each later one with those that changed.
fn text(found: &FactHistory) -> String {
    let mut text = String::new();
    let mut before: Option<&Vec<Option<String>>> = None;
    for version in &found.versions {
        let of = |name: &str| {
            let position = found.columns.iter().position(|column| column == name);
            position.and_then(|position| version[position].as_deref())
        };
        // The record id comes first.
        let id = version
            .first()
            .and_then(Option::as_deref)
            .map_or_else(|| "never loaded".to_owned(), |id| format!("record {id}"));
        let state = match (of("is_current"), of("deleted_in")) {
            (Some("t"), _) => "current".to_owned(),
            (_, Some(batch)) => format!("deleted, noticed by batch {batch}"),
            _ => "superseded".to_owned(),
        };
        text += &format!(
            "{id}, batch {}: {} to {}, {state}\n",
            of("batch").unwrap_or("?"),
            of("valid_from").unwrap_or("?"),
            of("valid_to").unwrap_or("now"),
        );
        for (position, column) in found.columns.iter().enumerate().skip(1) {
            let value = version[position].as_deref().unwrap_or("NULL");
            if OF_VERSIONS.contains(&column.as_str()) {
                continue;
            }
            match before.map(|before| before[position].as_deref().unwrap_or("NULL")) {
                None => text += &format!("  {column:<28} {value}\n"),
                Some(earlier) if earlier != value => text += &format!("  {column:<28} {earlier} -> {value}\n"),
                Some(_) => {}
            }
        }
        before = Some(version);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_by_what_changed() {
        let row = |cells: [&str; 9]| cells.map(|cell| (cell != "-").then(|| cell.to_owned())).to_vec();
        let columns =
            ["visit_record_id", "visit_id", "amount"].iter().chain(OF_VERSIONS).map(|name| (*name).to_owned());
        let found = FactHistory {
            columns: columns.collect(),
            versions: vec![
                row(["1", "7", "5.00", "1", "May", "June", "f", "-", "-"]),
                row(["-", "7", "6.00", "2", "June", "July", "f", "-", "-"]),
                row(["2", "7", "7.00", "3", "July", "-", "f", "August", "4"]),
            ],
        };
        let expected = "record 1, batch 1: May to June, superseded
  visit_id                     7
  amount                       5.00
never loaded, batch 2: June to July, superseded
  amount                       5.00 -> 6.00
record 2, batch 3: July to now, deleted, noticed by batch 4
  amount                       6.00 -> 7.00
";
        assert_eq!(text(&found), expected);
    }
}
