//! The hostile suite: each behaviour, each mischief and each star written by hand, one after another in one sandbox.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hostile::{BEHAVIOURS, MISCHIEF_FILL, MISCHIEF_LENGTH, MISCHIEF_MARK, MISCHIEFS};
use star_contract::Description;
use totesys_sandbox::{Digest, LimitName, Loaded, Produced, Sandbox, SandboxError};
use totesys_tests::{component, trusted_bytes};

use super::{by_hand, limits, rows};

/// How long a misbehaviour may take to be stopped, debug build and a busy machine included.
const BOUND: Duration = Duration::from_secs(20);

/// What is let through: it harms nobody, or is none of the host's business.
const HARMLESS: &[&str] = &[
    // A growth that was refused is the component's own affair while it goes on.
    "grow-memory-in-vain",
    // The rest of the messages is dropped.
    "log-flood",
    // No rows.
    "no-batches",
    // Arrow itself takes it for none.
    "negative-null-count",
    // Not one byte of it is compressed.
    "compressed-in-name",
    "refuse-first",
    "refuse-long",
    "behave",
    "behave-crafted",
    "behave-priced",
    "plain",
];

/// How a component is made to misbehave.
enum Way {
    /// By a push of this table.
    Push(&'static str),
    /// By a whole batch, from the description to the end.
    Whole,
    /// By a batch of one push under the hostile component's description.
    Begin,
}

pub(super) struct Case {
    name: &'static str,
    component: Vec<u8>,
    way: Way,
}

/// The hostile component, built with a mischief.
pub(super) fn hostile_with(mischief: &str) -> Vec<u8> {
    let mut bytes = component("hostile");
    let mark = MISCHIEF_MARK.as_bytes();
    let marks: Vec<usize> = (0..=bytes.len() - mark.len()).filter(|at| bytes[*at..*at + mark.len()] == *mark).collect();
    let [at] = marks.as_slice() else { panic!("the mark is there {} times", marks.len()) };
    let place = &mut bytes[at + mark.len()..at + mark.len() + MISCHIEF_LENGTH];
    place.fill(MISCHIEF_FILL);
    place[..mischief.len()].copy_from_slice(mischief.as_bytes());
    bytes
}

/// Everything the suite walks through, compiled once for all tests.
pub(super) fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let push = |&name: &&'static str| Case { name, component: component("hostile"), way: Way::Push(name) };
        let whole = |&name: &&'static str| Case { name, component: hostile_with(name), way: Way::Whole };
        let begin = |star: &by_hand::ByHand| Case { name: star.name, component: star.component(), way: Way::Begin };
        let behaviours = BEHAVIOURS.iter().map(push);
        let mischiefs = MISCHIEFS.iter().map(whole);
        let cases: Vec<Case> = behaviours.chain(mischiefs).chain(by_hand::STARS.iter().map(begin)).collect();
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len(), "two cases have one name");
        assert_eq!(HARMLESS.iter().find(|name| !names.contains(**name)), None, "it is no case");
        for case in &cases {
            let _compiled = trusted_bytes(&case.component, "hostile");
        }
        cases
    })
}

impl Case {
    fn misbehave(&self, sandbox: &Sandbox, description: &Arc<Description>) -> Result<Produced, SandboxError> {
        let artifact = trusted_bytes(&self.component, "hostile");
        let loaded = sandbox.load(&artifact)?;
        match self.way {
            Way::Push(table) => loaded.begin(7, Arc::clone(description))?.push(table, &rows()),
            Way::Begin => loaded.begin(7, Arc::clone(description))?.push("behave", &rows()),
            Way::Whole => whole(&loaded),
        }
    }

    /// What came of it, as it is pinned.
    fn worded(&self, outcome: &Result<Produced, SandboxError>) -> String {
        let name = self.name;
        match outcome {
            Ok(Produced { outputs, refused }) => {
                let rows: usize = outputs.iter().map(|(_, rows)| rows.num_rows()).sum();
                format!("{name}: {rows} rows, {} refused", refused.len())
            }
            Err(error) => {
                let kind = format!("{error:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned();
                let cause = cause(error).map(|cause| format!("\n  cause: {cause}")).unwrap_or_default();
                let hint = error.hint().unwrap_or_default();
                format!("{name}: {kind}\n  {}{cause}\n  hint: {hint}", self.message(error))
            }
        }
    }

    /// The message without what changes whenever the component is built by another compiler.
    fn message(&self, error: &SandboxError) -> String {
        let digest = Digest::of(&self.component).to_string();
        let message = error.to_string().replace(&digest[..12], "DIGEST");
        match error {
            SandboxError::Limit { limit: LimitName::Memory, allowed, asked: Some(asked), .. } => {
                assert!(asked > allowed, "{}: {error}", self.name);
                message.replace(&format!("asked for {asked}"), "asked for more")
            }
            _ => message,
        }
    }
}

/// The engine's words: of a trap what it was, without the places in the code; of a misfit what does not fit.
fn cause(error: &SandboxError) -> Option<String> {
    let first = error.source()?;
    match error {
        SandboxError::Trapped { .. } => {
            let mut last = first;
            while let Some(next) = last.source() {
                last = next;
            }
            Some(last.to_string())
        }
        SandboxError::Contract { .. } => Some(first.to_string()),
        _ => None,
    }
}

/// A whole batch of one push.
fn whole(loaded: &Loaded) -> Result<Produced, SandboxError> {
    let description = Arc::new(loaded.describe()?);
    let mut transformer = loaded.begin(7, description)?;
    let mut produced = transformer.push("behave", &rows())?;
    let last = transformer.finish()?;
    produced.outputs.extend(last.outputs);
    produced.refused.extend(last.refused);
    Ok(produced)
}

/// Walks through all of it; says what each came to.
pub(super) fn run() -> Vec<String> {
    let cases = cases();
    let sandbox = Sandbox::new(limits()).unwrap();
    let good = sandbox.load(&trusted_bytes(&component("hostile"), "hostile")).unwrap();
    let description = Arc::new(good.describe().unwrap());
    let mut said = Vec::new();
    let mut stopped = 0;
    for case in cases {
        let started = Instant::now();
        let outcome = case.misbehave(&sandbox, &description);
        let took = started.elapsed();
        assert!(took < BOUND, "{} took {took:?}", case.name);
        let words = case.worded(&outcome);
        assert_eq!(outcome.is_ok(), HARMLESS.contains(&case.name), "{words}");
        stopped += usize::from(outcome.is_err());
        said.push(words);
        // The next batch of a component that behaves runs.
        let next = whole(&good).unwrap_or_else(|error| panic!("after {}: {error}", case.name));
        assert_eq!(next.outputs.iter().map(|(_, rows)| rows.num_rows()).sum::<usize>(), 100, "after {}", case.name);
    }
    assert!(stopped >= 25, "only {stopped} misbehaviours");
    said
}
