//! The components that the functions' code needs, in place before that code goes live.

use anyhow::Result;
use host_lambda::settings::Settings;
use totesys_lake::CatalogRecord;
use totesys_sandbox::{EngineKey, Metering, Target};

use crate::aws::Cloud;
use crate::hint::advise;
use crate::place::{Place, STARS, key_file, publisher_key, say};
use crate::processor::target;

/// Compiles and signs every live component for the engine of this checkout, which is the one of the code to come; the
/// bundled components go live when nothing ever was.
pub(crate) async fn make_ready(cloud: &Cloud) -> Result<()> {
    let place = Place::open_lake(cloud.settings.clone(), false).await?;
    let functions = target(cloud.environment.architecture);
    // Here as well: `transform plan` runs what is live beside what is to be.
    let mut targets = place.targets().await?;
    if !targets.contains(&functions) {
        targets.push(functions);
    }
    let publisher = place.publisher(&targets);
    if place.lake.newest_catalog().await?.is_none() {
        may_publish(&cloud.settings)?;
        let published = publisher.publish(&place.lake, &place.bundled()?, "bundled components").await?;
        say(&format!("components {} are live (catalog record {})", STARS.join(", "), published.record.number));
        return trusted(&published.record, &cloud.settings, functions, &place.public_key());
    }
    let ready = publisher.make_ready(&place.lake, "compiled for another engine").await?;
    if ready.appended {
        say(&format!("the live components are compiled for the new engine (catalog record {})", ready.record.number));
    }
    trusted(&ready.record, &cloud.settings, functions, &place.public_key())
}

/// Whether the functions run what this machine signs. Asked before anything goes live that they would refuse.
pub(crate) fn may_publish(settings: &Settings) -> Result<()> {
    let own = publisher_key(&key_file(settings))?.public().to_string();
    if stranger([("", own.as_str())].into_iter(), &settings.catalog.publishers, &own).is_none() {
        return Ok(());
    }
    Err(advise(
        format!(
            "this machine's publisher {own} is not in `catalog.publishers`: the functions would refuse what it signs"
        ),
        "add the key and deploy, or publish from a machine that is named there",
    ))
}

/// Whether the functions will run what is live: they are told of the publishers that the settings name, or else of this
/// machine's, and another machine may have signed.
fn trusted(record: &CatalogRecord, settings: &Settings, functions: Target, own: &str) -> Result<()> {
    let limits = settings.limits();
    let signers = record.stars.iter().filter_map(|(star, entry)| {
        let engine = EngineKey::of(functions, Metering::of(&limits.of(star)));
        Some((star.as_str(), entry.artefacts.get(engine.as_str())?.public_key.as_str()))
    });
    match stranger(signers, &settings.catalog.publishers, own) {
        None => Ok(()),
        Some((star, signer)) => Err(advise(
            format!("star `{star}` is signed by publisher {signer}, whom the functions would not trust"),
            "name the keys of all machines that publish in `catalog.publishers` (`cargo xtask transform keygen` prints \
             each), or publish the star's component from here: `cargo xtask transform publish`",
        )),
    }
}

/// The first star that is signed by nobody the functions are told of, and who signed it.
fn stranger<'a>(
    mut signers: impl Iterator<Item = (&'a str, &'a str)>,
    named: &[String],
    own: &str,
) -> Option<(&'a str, &'a str)> {
    signers.find(|(_, signer)| match named.is_empty() {
        true => *signer != own,
        false => !named.iter().any(|publisher| publisher.eq_ignore_ascii_case(signer)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signed_must_be_known_to_the_functions() {
        for (named, signer, expected) in [
            (&[][..], "aa", None),
            (&[], "bb", Some("bb")),
            (&["bb", "cc"], "bb", None),
            (&["BB"], "bb", None),
            // A list that leaves this machine out leaves it out.
            (&["bb"], "aa", Some("aa")),
        ] {
            let named: Vec<String> = named.iter().map(|key| (*key).to_owned()).collect();
            let found = stranger([("sales", signer)].into_iter(), &named, "aa");
            assert_eq!(found, expected.map(|signer| ("sales", signer)), "{named:?} {signer}");
        }
    }
}
