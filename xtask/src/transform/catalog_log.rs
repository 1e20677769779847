//! `transform log`: the catalog as the release history.

use anyhow::Result;
use host_lambda::settings::Settings;
use serde_json::json;
use totesys_lake::Micros;
use totesys_publisher::{Release, releases};

use super::short;
use crate::arguments::Log;
use crate::hint::advise;
use crate::place::Place;

/// Prints who is live since when, and what was before.
pub(crate) async fn log(settings: Settings, demo: bool, arguments: &Log) -> Result<()> {
    let place = Place::open_lake(settings, demo).await?;
    let releases = releases(&place.lake, arguments.records).await?;
    if arguments.output.json {
        println!("{}", json!({ "records": releases }));
        return Ok(());
    }
    if releases.is_empty() {
        return Err(advise(
            "nothing was ever published into this lake",
            "`cargo xtask transform publish --bundled` does",
        ));
    }
    print!("{}", text(&releases));
    Ok(())
}

fn text(releases: &[Release]) -> String {
    let mut text = String::new();
    for (place, release) in releases.iter().enumerate() {
        let live = if place == 0 { ", live" } else { "" };
        text += &format!("record {}  {}{live}  {}\n", release.record, Micros(release.published_at), release.note);
        for star in &release.stars {
            let before = match &star.before {
                None => "new".to_owned(),
                Some(before) if *before == star.digest => format!("generation {}", star.generation),
                Some(before) => format!("before {}", short(before)),
            };
            text += &format!("  {:<12} {:<9} {}  {before}\n", star.star, star.version, short(&star.digest));
        }
        for star in &release.gone {
            text += &format!("  {star:<12} is live no more\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use totesys_publisher::StarRelease;

    use super::*;

    #[test]
    fn releases_are_told_newest_first() {
        let star = |before: Option<&str>, generation| StarRelease {
            star: "visits".to_owned(),
            version: "0.2.0".to_owned(),
            digest: "ab".repeat(32),
            contract_version: "0.2.0".to_owned(),
            before: before.map(str::to_owned),
            generation,
            signed_by: Vec::new(),
        };
        let release = |record, star, gone: &[&str]| Release {
            record,
            published_at: 1_724_313_600_000_000,
            note: "why".to_owned(),
            stars: vec![star],
            gone: gone.iter().map(|star| (*star).to_owned()).collect(),
        };
        let releases = [
            release(3, star(Some(&"ab".repeat(32)), 1), &[]),
            release(2, star(Some(&"cd".repeat(32)), 0), &["other"]),
            release(1, star(None, 0), &[]),
        ];
        let expected = "record 3  2024-08-22T08:00:00Z, live  why
  visits       0.2.0     abababababababab  generation 1
record 2  2024-08-22T08:00:00Z  why
  visits       0.2.0     abababababababab  before cdcdcdcdcdcdcdcd
  other        is live no more
record 1  2024-08-22T08:00:00Z  why
  visits       0.2.0     abababababababab  new
";
        assert_eq!(text(&releases), expected);
    }
}
