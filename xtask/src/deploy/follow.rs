//! Watching AWS at work.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use indicatif::ProgressBar;

use super::event::{Event, last_operation};
use super::expected::Expected;
use super::interruption;
use super::narrate::{Failure, Narrator, seconds};
use super::stack::{Stack, Stacks};
use super::step::{Step, is_success, step};
use crate::hint::advise;
use crate::place::say;

/// How often AWS is asked at first, and after some time.
const EVERY: (Duration, Duration) = (Duration::from_millis(700), Duration::from_secs(3));

/// After how long without news a line is said where there is no terminal.
const SILENCE: Duration = Duration::from_secs(30);

/// How long an operation may take to show among a stack's events.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of an operation.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) stack: Stack,
    pub(crate) events: Vec<Event>,
    pub(crate) took: Duration,
}

/// An operation that is to be watched.
pub(crate) struct Watched<'a> {
    /// The stack, by its ARN: it has no name any more once it is deleted.
    pub(crate) stack: &'a Stack,
    /// The event before the operation; nothing for one that somebody else began.
    pub(crate) after: Option<String>,
    pub(crate) expected: Expected,
    /// How to watch again, for who interrupts.
    pub(crate) again: String,
}

impl Stacks {
    /// Watches an operation to its end, good or bad.
    pub(crate) async fn watch(&self, watched: Watched<'_>) -> Result<End> {
        let Watched { stack, after, expected, again } = watched;
        interruption::begin(&stack.name, again.clone());
        let live = live();
        let outcome = self.until_done(stack, after, expected, live.as_ref()).await;
        if let Some(live) = live {
            live.finish_and_clear();
        }
        interruption::end();
        outcome.map_err(|error| {
            let (name, why) = (&stack.name, host_lambda::sentence(error.as_ref()));
            advise(format!("AWS goes on with stack `{name}` by itself, but cannot be asked about it: {why}"), again)
        })
    }

    async fn until_done(
        &self,
        stack: &Stack,
        after: Option<String>,
        expected: Expected,
        live: Option<&ProgressBar>,
    ) -> Result<End> {
        let (started, mut spoken) = (Instant::now(), Instant::now());
        let mut narrator = Narrator::new(expected, now());
        let mut began = None;
        let mut told: BTreeSet<String> = BTreeSet::new();
        let mut last = after.clone();
        let mut all = Vec::new();
        loop {
            // Asked before the events are: none that led to this state can be missing.
            let state = self
                .find(&stack.id)
                .await?
                .unwrap_or_else(|| Stack { status: "DELETE_COMPLETE".into(), ..stack.clone() });
            let mut events = self.events(&stack.id, last.as_deref()).await?;
            if all.is_empty() && after.is_none() {
                events = last_operation(&events).to_vec();
            }
            for event in events.into_iter().filter(|event| told.insert(event.event.clone())) {
                if began.is_none() {
                    began = Some(event.at);
                    narrator.begin(event.at);
                }
                if let Some(line) = narrator.tell(&event) {
                    match live {
                        Some(live) => live.println(line),
                        None => say(&line),
                    }
                    spoken = Instant::now();
                }
                last = Some(event.event.clone());
                all.push(event);
            }
            // For a moment AWS may still tell the state from before the operation.
            let ended = |event: &Event| event.is_of_stack() && event.status == state.status;
            let at_rest = step(Some(&state.status)) != Step::Follow;
            if at_rest && (all.iter().any(ended) || started.elapsed() > PATIENCE) {
                if all.iter().any(Event::points_at_checks) {
                    all.splice(0..0, self.found_unfit(&stack.id).await);
                }
                return Ok(End { stack: state, events: all, took: started.elapsed() });
            }
            if let Some(waiting) = narrator.waiting(now()) {
                match live {
                    Some(live) => live.set_message(waiting),
                    None if spoken.elapsed() >= SILENCE => {
                        say(&waiting);
                        spoken = Instant::now();
                    }
                    None => {}
                }
            }
            let (first, later) = EVERY;
            tokio::time::sleep(if started.elapsed() < Duration::from_secs(20) { first } else { later }).await;
        }
    }
}

impl End {
    /// Says how it ended; a bad end is an error that names the cause, and the next step.
    pub(crate) fn judge(self, environment: &str, done: &str) -> Result<Stack> {
        let ending = ending(&self.stack, &self.events, self.took, environment, done);
        ending.said.iter().for_each(|line| say(line));
        match ending.problem {
            None => Ok(self.stack),
            Some((problem, hint)) => Err(advise(problem, hint)),
        }
    }
}

/// How the account of an operation ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) said: Vec<String>,
    /// What went wrong, and what to do about it.
    pub(crate) problem: Option<(String, String)>,
}

/// Good or bad: of a bad one the cause comes first, then the rest, then the next step.
pub(crate) fn ending(stack: &Stack, events: &[Event], took: Duration, environment: &str, done: &str) -> Ending {
    let Stack { name, status, .. } = stack;
    if is_success(status) {
        let took = seconds(took.as_millis() as i64);
        return Ending { said: vec![format!("stack {name}: {done} in {took}")], problem: None };
    }
    let (next, state) = (step(Some(status)), state(status));
    let Some(failure) = Failure::of(events) else {
        let reason = stack.reason.as_deref().unwrap_or("AWS gives no reason");
        let problem = format!("stack `{name}` could not be {done}: {reason}; {state}");
        return Ending { said: Vec::new(), problem: Some((problem, next.hint(environment, name))) };
    };
    let said = failure.text().lines().map(str::to_owned).collect();
    let remedy = failure.remedy().unwrap_or("mend the cause");
    let hint = format!("{remedy}, then {}", next.command(environment, name));
    let problem = format!("stack `{name}` could not be {done} because of {}; {state}", failure.cause.id);
    Ending { said, problem: Some((problem, hint)) }
}

/// What a failed stack is like now.
fn state(status: &str) -> String {
    let words = match status {
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => "it is as it was before",
        "ROLLBACK_COMPLETE" => "nothing of it is left, and the next deployment makes it anew",
        "CREATE_FAILED" | "ROLLBACK_FAILED" => "parts of it are left, and the next deployment makes it anew",
        "UPDATE_ROLLBACK_FAILED" => "it could not go back to what was before",
        "UPDATE_FAILED" => "it stands half changed",
        "DELETE_FAILED" => "parts of it are left",
        _ => return format!("its state is {status}"),
    };
    format!("{words} ({status})")
}

/// A line at the bottom of a terminal.
fn live() -> Option<ProgressBar> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if !std::io::stderr().is_terminal() || dumb {
        return None;
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_millis() as i64).unwrap_or_default()
}
