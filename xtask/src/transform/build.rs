//! `transform build`: the component of a star's crate, wherever it lies.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;
use totesys_publisher::{PublishError, inspect};
use xshell::Shell;

use crate::arguments::BuildCrate;
use crate::guests;
use crate::place::say;

/// Builds the component and says where it lies.
pub(crate) fn build(arguments: &BuildCrate) -> Result<()> {
    let guest = guests::build_crate(&Shell::new()?, &arguments.path, &say)?;
    let component = fs::read(&guest.path).with_context(|| format!("{} cannot be read", guest.path.display()))?;
    // Whoever builds it should hear now what would keep it from being published.
    let inspected = inspect(&component).map_err(PublishError::from)?;
    if arguments.output.json {
        let built = json!({
            "name": guest.name,
            "path": guest.path,
            "digest": guest.digest,
            "bytes": inspected.bytes,
            "contract": inspected.contract,
            "imports": inspected.imports,
            "rebuilt": guest.rebuilt,
        });
        println!("{built}");
    } else {
        let (name, digest, bytes) = (&guest.name, &guest.digest, inspected.bytes);
        let state = if guest.rebuilt { "built" } else { "unchanged" };
        println!("{name} {state}  sha256 {digest}  {bytes} bytes  {}", guest.path.display());
    }
    Ok(())
}
