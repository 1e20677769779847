//! What a person reads when something fails: each kind of each error of ours, with its message and its hint.
//!
//! The words of PostgreSQL, S3, Arrow, Parquet and wasmtime are not ours: where they follow a message, `…` stands for
//! them. Not here are a component's own errors, which are row data, and what `xtask` alone says.

use std::collections::BTreeSet;
use std::error::Error;

use arrow_schema::ArrowError;
use star_contract::DescriptionError;
use totesys_lake::LakeError;
use totesys_postgres::{CodecError, Connection, ConnectionError, ConnectionSettings, PostgresError};
use totesys_publisher::CompileError;
use totesys_sandbox::SandboxError;
use totesys_secrets::SecretError;
use totesys_source::SourceError;
use totesys_warehouse::WarehouseError;

/// An enum whose kinds are listed here, and must be all it has.
trait Kinds {
    /// The enum's name.
    const ENUM: &'static str;
    /// The names of its kinds, in its order.
    const NAMES: &'static [&'static str];
    /// The text that defines it, where the compiler does not say that a kind is missing here.
    const SOURCE: Option<&'static str>;

    /// The name of this one's kind.
    fn kind_name(&self) -> &'static str;
}

/// Lists an enum's kinds: one that is missing does not compile. A match on a `non_exhaustive` enum compiles whatever
/// is missing, so the list of such a one is compared with the file that is named after `in`.
macro_rules! kinds {
    ($enum:ident: $($kind:ident),+ $(,)?) => {
        kinds! { @ $enum [None] [$($kind)+] [] }
    };
    ($enum:ident in $file:literal: $($kind:ident),+ $(,)?) => {
        kinds! {
            @ $enum [Some(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $file)))] [$($kind)+]
            [_ => "a kind that is not listed",]
        }
    };
    (@ $enum:ident [$source:expr] [$($kind:ident)+] [$($rest:tt)*]) => {
        impl super::Kinds for $enum {
            const ENUM: &'static str = stringify!($enum);
            const NAMES: &'static [&'static str] = &[$(stringify!($kind)),+];
            const SOURCE: Option<&'static str> = $source;

            fn kind_name(&self) -> &'static str {
                match self {
                    $($enum::$kind { .. } => stringify!($kind),)+
                    $($rest)*
                }
            }
        }
    };
}

mod embedded_s3;
mod host;
mod lake;
mod postgres;
mod publisher;
mod sandbox;
mod secrets;
mod simulate;
mod source;
mod warehouse;

/// What the causes say that are not ours. No message of ours may repeat it.
const THEIRS: &str = "what the engine says";

/// A kind's name, and what is read of one of that kind.
type Example = (&'static str, String);

/// An error as a person reads it: its kind, its sentence and its hint.
fn example(kind: &'static str, error: &(dyn Error + 'static), hint: Option<String>) -> Example {
    let hint = hint.map_or_else(|| "no hint".to_owned(), |hint| format!("hint: {hint}"));
    (kind, format!("{kind}\n  {}\n  {hint}", sentence(error)))
}

/// Pins the examples of an error, of which there must be one of every kind.
fn pin<E: Kinds>(snapshot: &str, examples: impl IntoIterator<Item = Example>) {
    if let Some(source) = E::SOURCE {
        assert_eq!(declared(source, E::ENUM), E::NAMES, "the kinds of {} and those that are listed", E::ENUM);
    }
    let (shown, texts): (BTreeSet<&str>, Vec<String>) = examples.into_iter().unzip();
    let listed: BTreeSet<&str> = E::NAMES.iter().copied().collect();
    assert_eq!(shown, listed, "each kind of {} has an example", E::ENUM);
    let text = texts.join("\n");
    assert!(!text.contains(THEIRS), "{text}");
    insta::assert_snapshot!(snapshot, text);
}

/// The message and its causes as `xtask` prints them, as far as they are ours.
fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(ours) = cause
        && is_ours(ours)
    {
        let words = ours.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        cause = ours.source();
    }
    if cause.is_some() { format!("{said}: …") } else { said }
}

fn is_ours(cause: &(dyn Error + 'static)) -> bool {
    is_a::<CodecError>(cause)
        || is_a::<CompileError>(cause)
        || is_a::<ConnectionError>(cause)
        || is_a::<DescriptionError>(cause)
        || is_a::<LakeError>(cause)
        || is_a::<PostgresError>(cause)
        || is_a::<SandboxError>(cause)
        || is_a::<SecretError>(cause)
        || is_a::<SourceError>(cause)
        || is_a::<WarehouseError>(cause)
}

/// Also when it is boxed: the box itself is the cause then.
fn is_a<E: Error + 'static>(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<E>() || cause.is::<Box<E>>()
}

/// The kinds an enum has in its formatted source: what stands four spaces deep and begins with a capital.
fn declared<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).expect("the enum stands in its file");
    let (body, _) = body.split_once("\n}").expect("the enum ends");
    let words = body.lines().filter_map(|line| line.strip_prefix("    ")?.split([' ', '(', ',']).next());
    words.filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase())).collect()
}

/// A statement that PostgreSQL refuses with this SQLSTATE: raised by hand, so that its message is ours.
async fn refused(session: &Connection, sqlstate: &str) -> PostgresError {
    let raise = format!("DO $$ BEGIN RAISE '{THEIRS}' USING ERRCODE = '{sqlstate}'; END $$");
    session.batch_execute(&raise).await.expect_err("what is raised is an error").into()
}

/// Nobody listens on this port.
async fn nobody_answers() -> ConnectionError {
    let url = "postgresql://totesys:secret@127.0.0.1:1/totesys?sslmode=disable";
    let settings = ConnectionSettings::parse(url, &|_| None).expect("that is a URL");
    settings.connect("test").await.expect_err("nobody listens there")
}

/// What the operating system says.
fn io() -> std::io::Error {
    std::io::Error::other(THEIRS)
}

/// What Arrow says.
fn arrow() -> ArrowError {
    ArrowError::SchemaError(THEIRS.to_owned())
}

/// What the reader of JSON says.
fn json() -> serde_json::Error {
    serde_json::from_str::<u64>("{").expect_err("that is no number")
}
