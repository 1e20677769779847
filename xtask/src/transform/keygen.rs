//! `transform keygen`: the publisher's key.

use anyhow::Result;
use host_lambda::settings::Settings;

use crate::arguments::Keygen;
use crate::place::{key_file, publisher_key, say};

/// Makes the key if there is none, and prints its public half: what `catalog.publishers` lists.
pub(crate) fn keygen(settings: &Settings, arguments: &Keygen) -> Result<()> {
    let path = arguments.key.clone().unwrap_or_else(|| key_file(settings));
    let stood = path.exists();
    let key = publisher_key(&path)?;
    let state = if stood { "is there already" } else { "was made, for its owner's eyes only" };
    say(&format!("the private key {} {state}; it belongs in no lake and no repository", path.display()));
    say("hosts run what it signs when its public half is in catalog.publishers:");
    println!("{}", key.public());
    Ok(())
}
