//! A component that misbehaves on demand: each input table names what a push of it does, and a word in its data what
//! it does outside of pushes. Never published.

/// What a push can be made to do; the names are the input tables.
pub const BEHAVIOURS: &[&str] = &[
    // Running and growing.
    "loop",
    "loop-and-log",
    "allocate",
    "grow-memory",
    "grow-memory-in-vain",
    "recurse",
    "recurse-deep",
    "trap",
    "unreachable",
    "index-beyond",
    "divide-by-zero",
    "fail",
    "fail-long",
    "fail-enormous",
    // Floods.
    "flood",
    "flood-empty",
    "huge-output",
    "padded-output",
    "log-flood",
    "log-enormous",
    // Outputs that are not the described ones.
    "unknown-output",
    "long-output",
    "wrong-schema",
    "schema-only",
    "more-columns",
    "no-columns",
    "other-type",
    "nulls",
    "dictionary",
    "decimal-beyond",
    "text-no-utf8",
    "text-offsets-beyond",
    "text-offsets-backwards",
    // Streams that are none, or not all of one.
    "no-arrow",
    "empty-arrow",
    "truncated-arrow",
    "trailing-garbage",
    "no-batches",
    "no-schema",
    "two-schemas",
    "message-beyond",
    "body-beyond",
    "negative-body",
    "nested-schema",
    "schema-bomb",
    // Batches whose numbers lie.
    "row-count-lie",
    "column-length-lie",
    "negative-length",
    "null-count-lie",
    "negative-null-count",
    "offset-beyond",
    "negative-offset",
    "buffer-beyond",
    "negative-buffer",
    "no-buffers",
    "compressed",
    "compressed-by-zstd",
    "compression-bomb",
    "compressed-in-name",
    // Refused rows.
    "refuse-first",
    "refuse-beyond",
    "refuse-one-beyond",
    "refuse-other-push",
    "refuse-other-table",
    "refuse-other-column",
    "refuse-again",
    "refuse-flood",
    "refuse-long",
    "refuse-enormous",
    "empty-code",
    "long-code",
    "shouted-code",
    "many-codes",
    // No misbehaviour: what was pushed, and the streams the crafted ones are made from.
    "behave",
    "behave-crafted",
    "behave-priced",
];

/// What the component can be made to do outside of pushes: a build of it does one of these.
pub const MISCHIEFS: &[&str] = &[
    // Running and growing, in each call.
    "describe-loop",
    "describe-trap",
    "describe-recurse",
    "describe-allocate",
    "new-loop",
    "new-trap",
    "new-recurse",
    "new-allocate",
    "finish-loop",
    "finish-trap",
    "finish-recurse",
    "finish-allocate",
    // Descriptions.
    "describe-flood",
    "other-star",
    "other-tables",
    "changing",
    "long-star",
    "long-table",
    "long-column",
    "many-columns",
    "no-outputs",
    "describe-no-columns",
    "no-such-key",
    "decimal-39",
    "output-twice",
    "nul-in-name",
    "shouted-table",
    // What a finish gives back.
    "finish-fail",
    "finish-flood",
    "finish-unknown-output",
    "finish-refuse-beyond",
    "finish-refuse",
];

/// Goes before the mischief in the built component: a test that writes another one after it, and fills up with
/// [`MISCHIEF_FILL`], has another build.
pub const MISCHIEF_MARK: &str = "hostile-mischief:";

/// The bytes there are for a mischief.
pub const MISCHIEF_LENGTH: usize = 24;

/// What fills up a shorter mischief.
pub const MISCHIEF_FILL: u8 = b'.';

#[cfg(target_family = "wasm")]
mod component;
