//! A star that was built against contract 0.1 and never since: it proves that a host serves the version before its
//! own. What it is pushed it gives back as it is. Never published outside tests.

#[cfg(target_family = "wasm")]
mod component;
