//! What Ctrl-C means while AWS is at work.

use std::sync::{Mutex, PoisonError};

/// What AWS is doing for this process, if anything.
static RUNNING: Mutex<Option<(String, String)>> = Mutex::new(None);

/// AWS begins to work on a stack. It is not undone by dropping anything: AWS goes on whatever becomes of this process.
pub(crate) fn begin(stack: &str, follow: String) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some((stack.to_owned(), follow));
}

/// AWS is done with it.
pub(crate) fn end() {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// What to say to who interrupts now, and what to do about it; nothing when AWS is at rest.
pub(crate) fn words() -> Option<(String, String)> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.as_ref().map(|(stack, follow)| {
        (format!("interrupted; AWS goes on with stack `{stack}` by itself, to its end or back"), follow.clone())
    })
}
