//! A component that misbehaves on demand: each input table names what a push of it does.

/// What a push can be made to do; the names are the input tables.
pub const BEHAVIOURS: &[&str] = &[
    "loop",
    "allocate",
    "recurse",
    "trap",
    "fail",
    "no-arrow",
    "truncated-arrow",
    "wrong-schema",
    "unknown-output",
    "flood",
    "log-flood",
    "refuse-beyond",
    "refuse-again",
    "many-codes",
    "behave",
];

#[cfg(target_family = "wasm")]
mod component;
