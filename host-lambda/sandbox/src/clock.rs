//! The epochs of the engines: the grain of the wall time limit.

use std::time::Duration;

use wasmtime::EngineWeak;

use crate::SandboxError;

/// How often the epoch advances.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What the epochs follow.
pub trait Clock: Send + 'static {
    /// Lets time pass.
    fn sleep(&self, time: Duration);
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Advances the epochs while an engine lives. However long a process was frozen, it sees one tick on waking and not a
/// burst: a function's process is frozen between calls, and its next call must have all of its time.
pub(crate) fn start(clock: impl Clock, engines: Vec<EngineWeak>) -> Result<(), SandboxError> {
    let tick = move || {
        loop {
            let living = engines.iter().filter_map(EngineWeak::upgrade).map(|engine| engine.increment_epoch()).count();
            if living == 0 {
                break;
            }
            clock.sleep(TICK);
        }
    };
    let thread = std::thread::Builder::new().name("epoch-clock".into()).spawn(tick);
    thread.map(drop).map_err(|error| SandboxError::Engine(error.into()))
}
