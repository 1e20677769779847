//! Named places between durable steps, at which a test can end or hold up the program.
//!
//! `TOTESYS_FAILPOINT` says where and how: `load:committed=kill` ends the process as `kill -9` does,
//! `load:committed=kill@3` at the third passing, `extract:before-manifest=hold:/path` creates `/path.held` and waits
//! until `/path` exists, `s3:put=disk-full` makes the call fail as on a full disk. Without the feature `armed` the
//! places are nothing at all.

/// Every failpoint. A test passes each of them, and finds those that stand in the code and not here.
pub const ALL: &[&str] = &[
    "publish:component-stored",
    "publish:artefact-stored",
    "publish:cataloged",
    "extract:lake-claimed",
    "extract:part-stored",
    "extract:quarantine-stored",
    "extract:before-manifest",
    "extract:manifest-written",
    "extract:recorded",
    "transform:part-stored",
    "transform:quarantine-stored",
    "transform:refused-kept",
    "transform:before-record",
    "transform:recorded",
    "load:prepared",
    "load:staged",
    "load:before-commit",
    "load:committed",
    "load:recorded",
];

/// The places between the steps of a rebuild.
pub const REBUILD: &[&str] =
    &["rebuild:begun", "rebuild:transformed", "rebuild:loaded", "rebuild:before-catalog", "rebuild:cataloged"];

/// The places between the steps of a backfill.
pub const BACKFILL: &[&str] = &[
    "backfill:planned",
    "backfill:chunk-begun",
    "backfill:chunk-read",
    "backfill:chunk-recorded",
    "backfill:checked",
    "backfill:manifest-written",
    "backfill:recorded",
    "backfill:before-end",
    "backfill:ended",
];

/// Where a call can be made to fail instead.
pub const FAILING: &[&str] = &["s3:put"];

/// Passes a failpoint.
#[inline]
pub fn pass(name: &'static str) {
    #[cfg(feature = "armed")]
    armed::pass(name);
    #[cfg(not(feature = "armed"))]
    let _ = name;
}

/// Passes a place where a call can be made to fail.
///
/// # Errors
/// When it is told to.
#[inline]
pub fn fails(name: &'static str) -> std::io::Result<()> {
    #[cfg(feature = "armed")]
    return armed::fails(name);
    #[cfg(not(feature = "armed"))]
    {
        let _ = name;
        Ok(())
    }
}

#[cfg(feature = "armed")]
mod armed {
    use std::io;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// The error number of a full disk.
    const ENOSPC: i32 = 28;

    struct Plan {
        place: String,
        action: String,
        /// The passing that counts, from 1.
        at: u32,
        passed: AtomicU32,
    }

    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        PLAN.get_or_init(|| {
            let text = std::env::var("TOTESYS_FAILPOINT").ok()?;
            let (place, action) = text.split_once('=')?;
            let (action, at) = match action.rsplit_once('@') {
                Some((action, at)) => (action, at.parse().ok()?),
                None => (action, 1),
            };
            Some(Plan { place: place.to_owned(), action: action.to_owned(), at, passed: AtomicU32::new(0) })
        })
        .as_ref()
    }

    /// The action due at this place now.
    fn due(name: &str) -> Option<&'static str> {
        let plan = plan().filter(|plan| plan.place == name)?;
        (plan.passed.fetch_add(1, Ordering::SeqCst) + 1 == plan.at).then_some(plan.action.as_str())
    }

    pub(super) fn pass(name: &'static str) {
        let mut known = super::ALL.iter().chain(super::REBUILD).chain(super::BACKFILL);
        debug_assert!(known.any(|known| *known == name), "{name} is not in the list");
        match due(name) {
            Some("kill") => kill(),
            Some(action) => {
                if let Some(path) = action.strip_prefix("hold:") {
                    hold(Path::new(path));
                }
            }
            None => {}
        }
    }

    pub(super) fn fails(name: &'static str) -> io::Result<()> {
        debug_assert!(super::FAILING.contains(&name), "{name} is not in the list");
        match due(name) {
            Some("disk-full") => Err(io::Error::from_raw_os_error(ENOSPC)),
            _ => Ok(()),
        }
    }

    /// Ends the process with no chance to clean up.
    fn kill() {
        let _ = Command::new("sh").args(["-c", "kill -9 $PPID"]).stdin(Stdio::null()).status();
        // The signal is on its way.
        std::thread::sleep(Duration::from_secs(60));
    }

    fn hold(path: &Path) {
        let _ = std::fs::write(path.with_extension("held"), "");
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
