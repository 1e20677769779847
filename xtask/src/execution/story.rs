//! An execution as it is told to a person, event by event.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use totesys_lake::Micros;

use super::advice::message;
use super::event::{Event, Outcome, What};

/// An execution, told as it happens.
pub(super) struct Story {
    execution: String,
    logs: String,
    last: i64,
    began: Option<Micros>,
    now: Micros,
    /// The call of a state that an event belongs to, by the event's id.
    calls_of: BTreeMap<i64, usize>,
    calls: Vec<Call>,
    outcome: Option<Outcome>,
    /// Why the execution failed, when no call of it did.
    own_error: Option<(String, String)>,
}

/// A state that calls something, from its entry to its end.
struct Call {
    state: String,
    star: Option<String>,
    tries: u32,
    answer: Value,
    failure: Option<(String, String)>,
}

impl Call {
    fn name(&self) -> String {
        match &self.star {
            Some(star) => format!("{} {star}", self.state),
            None => self.state.clone(),
        }
    }
}

/// How an execution went.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// Its ARN.
    pub(crate) execution: String,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    /// The catalog record it was pinned to.
    pub(crate) catalog: Option<u64>,
    /// The newest batch when it began its work.
    pub(crate) batch: Option<u64>,
    /// Batches each star transformed.
    pub(crate) transformed: BTreeMap<String, u64>,
    /// Batches that were loaded, all stars together.
    pub(crate) loaded: u64,
    /// Chunks of a table too large for one function, when reading it was begun.
    pub(crate) backfill_chunks: Option<u64>,
    /// What failed for good, the root cause first.
    pub(crate) failures: Vec<Failure>,
    /// The command that shows its log.
    pub(crate) logs: String,
}

/// A failure of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) state: String,
    pub(crate) star: Option<String>,
    pub(crate) error: String,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Story {
    /// `logs` is the command that shows the execution's log.
    pub(super) fn new(execution: &str, logs: &str) -> Self {
        Self {
            execution: execution.to_owned(),
            logs: logs.to_owned(),
            last: 0,
            began: None,
            now: Micros(0),
            calls_of: BTreeMap::new(),
            calls: Vec::new(),
            outcome: None,
            own_error: None,
        }
    }

    pub(super) fn execution(&self) -> &str {
        &self.execution
    }

    /// The newest event that was told.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    pub(super) fn has_ended(&self) -> bool {
        self.outcome.is_some()
    }

    /// Takes the next event, and says what a person would want to know of it.
    pub(super) fn tell(&mut self, event: Event) -> Option<String> {
        self.last = event.id;
        self.now = event.at;
        self.began.get_or_insert(event.at);
        // A history whose events do not say what they follow from is read in its order.
        let previous = if event.previous == 0 { event.id - 1 } else { event.previous };
        let mut call = self.calls_of.get(&previous).copied();
        let said = match event.what {
            What::Entered { state, input } => {
                let star = input.get("star").and_then(Value::as_str).map(str::to_owned);
                self.calls.push(Call { state, star, tries: 0, answer: Value::Null, failure: None });
                call = Some(self.calls.len() - 1);
                None
            }
            What::Called => call.map(|call| &mut self.calls[call]).map(|call| {
                call.tries += 1;
                match call.tries {
                    1 => call.name(),
                    tries => format!("{} again, try {tries}", call.name()),
                }
            }),
            What::Answered { answer } => call.map(|call| &mut self.calls[call]).map(|call| {
                call.failure = None;
                let said = format!("{} done{}", call.name(), answered(&answer));
                call.answer = answer;
                said
            }),
            What::Failed { error, cause } => {
                let said = message(&cause);
                match call.map(|call| &mut self.calls[call]) {
                    Some(call) => {
                        let line = format!("{} failed: {error}: {said}", call.name());
                        call.failure = Some((error, said));
                        Some(line)
                    }
                    None => {
                        let line = format!("failed: {error}: {said}");
                        self.own_error = Some((error, said));
                        Some(line)
                    }
                }
            }
            What::Left => {
                // What follows is no part of this call.
                call = None;
                None
            }
            What::Step => None,
            What::Ended { outcome, error, cause } => {
                self.outcome = Some(outcome);
                if self.own_error.is_none() && !error.is_empty() {
                    self.own_error = Some((error, message(&cause)));
                }
                None
            }
        };
        if let Some(call) = call {
            self.calls_of.insert(event.id, call);
        }
        said.map(|line| format!("{:>7.1} s  {line}", self.seconds()))
    }

    fn seconds(&self) -> f64 {
        let began = self.began.unwrap_or(self.now);
        std::time::Duration::from_micros(u64::try_from(self.now.0 - began.0).unwrap_or_default()).as_secs_f64()
    }

    /// How it went.
    pub(super) fn summary(&self, environment: &str) -> Summary {
        let outcome = self.outcome.unwrap_or(Outcome::Aborted);
        let answered = |key: &str| self.calls.iter().find_map(|call| call.answer.get(key).cloned());
        let mut transformed = BTreeMap::new();
        let mut loaded = 0;
        for call in &self.calls {
            let batches = call.answer.get("batches").and_then(Value::as_u64).unwrap_or_default();
            match &call.star {
                Some(star) if call.failure.is_none() => *transformed.entry(star.clone()).or_default() += batches,
                Some(_) => {}
                None => loaded += batches,
            }
        }
        let failure = |state: &str, star: Option<&str>, (error, message): &(String, String)| Failure {
            state: state.to_owned(),
            star: star.map(str::to_owned),
            error: error.clone(),
            message: message.clone(),
            hint: super::hint(error, environment),
        };
        let of_calls = self
            .calls
            .iter()
            // What an execution that succeeded got over is no failure.
            .filter(|_| outcome != Outcome::Succeeded)
            .filter_map(|call| call.failure.as_ref().map(|said| failure(&call.state, call.star.as_deref(), said)));
        let mut failures: Vec<Failure> = of_calls.collect();
        if outcome == Outcome::TimedOut {
            // Whatever failed and was tried again before: it is time that there was too little of.
            let under_way = self.calls.iter().filter(|call| call.answer.is_null() && call.failure.is_none());
            let under_way: Vec<_> = under_way.map(Call::name).collect();
            let message = if under_way.is_empty() { String::new() } else { format!("during {}", under_way.join(", ")) };
            failures.insert(0, failure("the execution", None, &("States.Timeout".to_owned(), message)));
        } else if failures.is_empty() && outcome != Outcome::Succeeded {
            failures.extend(self.own_error.as_ref().map(|said| failure("the execution", None, said)));
        }
        Summary {
            execution: self.execution.clone(),
            outcome,
            seconds: self.seconds(),
            catalog: answered("catalog").and_then(|number| number.as_u64()),
            batch: answered("batch").and_then(|number| number.as_u64()),
            transformed,
            loaded,
            backfill_chunks: answered("backfill").and_then(|plan| plan.get("chunks")?.as_u64()),
            failures,
            logs: self.logs.clone(),
        }
    }
}

/// What an answer says to a person.
fn answered(answer: &Value) -> String {
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    let mut parts = Vec::new();
    if let Some(chunks) = answer.get("backfill").and_then(|plan| plan.get("chunks")?.as_u64()) {
        parts.push(format!("a table is too large for one function and is read in {chunks} chunks"));
    } else if let Some(stars) = answer.get("stars").and_then(Value::as_array) {
        let stars: Vec<_> = stars.iter().filter_map(Value::as_str).collect();
        parts.extend(number("batch").map(|batch| format!("newest batch {batch}")));
        parts.push(if stars.is_empty() { "nothing to do".to_owned() } else { format!("stars {}", stars.join(", ")) });
    } else if let Some(batches) = number("batches") {
        parts.push(counted(batches));
    }
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

fn counted(batches: u64) -> String {
    if batches == 1 { "1 batch".to_owned() } else { format!("{batches} batches") }
}

/// How it went, for a person.
pub(super) fn text(summary: &Summary) -> String {
    let mut text = format!("{} after {:.1} s", summary.outcome.words(), summary.seconds);
    let mut parts = Vec::new();
    for (star, batches) in summary.transformed.iter().filter(|(_, batches)| **batches > 0) {
        parts.push(format!("{star} {}", counted(*batches)));
    }
    if !parts.is_empty() {
        parts.push(format!("{} loaded", counted(summary.loaded)));
    }
    if let Some(chunks) = summary.backfill_chunks {
        parts.push(format!("{chunks} chunks are read by an execution of their own, which starts the pipeline again"));
    }
    if !parts.is_empty() {
        text += &format!(": {}", parts.join(", "));
    }
    text += "\n";
    for Failure { state, star, error, message, hint } in &summary.failures {
        let star = star.as_deref().map(|star| format!(" of {star}")).unwrap_or_default();
        let error = if message.is_empty() { error.clone() } else { format!("{error}: {message}") };
        text += &format!("error: {state}{star}: {error}\nhint: {hint}\n");
    }
    if summary.outcome != Outcome::Succeeded {
        text += &format!("log: {}\n", summary.logs);
    }
    text
}

#[cfg(test)]
mod tests;
