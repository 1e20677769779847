//! `build`: the WebAssembly components.

use anyhow::Result;
use serde_json::json;
use xshell::Shell;

use crate::arguments::Build;
use crate::guests::{self, GUESTS};
use crate::place::{say, workspace};

/// Builds the components and says where they lie.
pub(crate) fn build(arguments: &Build) -> Result<()> {
    let workspace = workspace();
    let target = arguments.target_dir.clone().unwrap_or_else(|| workspace.join("target/guests"));
    let named: Vec<&str> = arguments.guest.iter().map(String::as_str).collect();
    let names = if named.is_empty() { GUESTS } else { &named };
    let built = guests::build_into(&Shell::new()?, &workspace, &target, names, &say)?;
    let mut components = Vec::new();
    for guest in built {
        let imports = guests::imports(&std::fs::read(&guest.path)?)?;
        if !arguments.output.json {
            let state = if guest.rebuilt { "built" } else { "unchanged" };
            println!("{:<10} {state:<10} sha256 {}  {}", guest.name, guest.digest, guest.path.display());
        }
        components.push(json!({
            "name": guest.name,
            "path": guest.path,
            "digest": guest.digest,
            "rebuilt": guest.rebuilt,
            "imports": imports,
        }));
    }
    if arguments.output.json {
        println!("{}", json!({ "components": components }));
    }
    Ok(())
}
