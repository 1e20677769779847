//! The components that the functions' code needs, in place before that code goes live.

use anyhow::Result;
use infra_templates::Architecture;
use totesys_sandbox::Target;

use crate::aws::Cloud;
use crate::place::{Place, STARS, say};

/// What the environment's functions run on, as components are compiled for it.
pub(crate) fn target(architecture: Architecture) -> Target {
    match architecture {
        Architecture::Arm64 => Target::Aarch64,
        Architecture::X86_64 => Target::X86_64,
    }
}

/// Compiles and signs every live component for the engine of this checkout, which is the one of the code to come; the
/// bundled components go live when nothing ever was.
pub(crate) async fn make_ready(cloud: &Cloud) -> Result<()> {
    let place = Place::open_lake(cloud.settings.clone(), false).await?;
    let publisher = place.publisher(&[target(cloud.environment.architecture)]);
    if place.lake.newest_catalog().await?.is_none() {
        let published = publisher.publish(&place.lake, &place.bundled()?, "bundled components").await?;
        say(&format!("components {} are live (catalog record {})", STARS.join(", "), published.record.number));
        return Ok(());
    }
    let ready = publisher.make_ready(&place.lake, "compiled for another engine").await?;
    if ready.appended {
        say(&format!("the live components are compiled for the new engine (catalog record {})", ready.record.number));
    }
    Ok(())
}
