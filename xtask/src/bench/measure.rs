//! One measurement: a child process, timed and watched.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

/// Clock ticks of `/proc/PID/stat` in a second.
const TICKS: f64 = 100.0;

/// What one run of one contestant used.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Measured {
    /// Wall time of the work.
    pub(super) seconds: f64,
    /// User and system time of the contestant's process; the server's is not in it.
    pub(super) cpu_seconds: f64,
    /// Peak of resident memory.
    pub(super) peak_bytes: u64,
    /// Rows of the fact that passed.
    pub(super) rows: u64,
}

/// Starts programs at once, waits for all and watches them from outside.
pub(super) fn watched(commands: Vec<Command>) -> Result<Measured> {
    let started = Instant::now();
    let mut children = Vec::new();
    for mut command in commands {
        let name = command.get_program().to_string_lossy().into_owned();
        children.push((command.spawn().with_context(|| format!("{name} cannot be started"))?, Seen::default()));
    }
    let mut running = children.len();
    let mut seconds = 0.0;
    while running > 0 {
        running = 0;
        for (child, seen) in &mut children {
            seen.look(child);
            match child.try_wait()? {
                None => running += 1,
                Some(status) => ensure!(status.success(), "a measured program failed"),
            }
        }
        seconds = started.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_millis(2));
    }
    let cpu_seconds = children.iter().map(|(_, seen)| seen.cpu_seconds).sum();
    let peak_bytes = children.iter().map(|(_, seen)| seen.peak_bytes).sum();
    Ok(Measured { seconds, cpu_seconds, peak_bytes, rows: 0 })
}

/// Starts a program that measures itself and prints the outcome as one line of JSON.
pub(super) fn reported(mut command: Command) -> Result<(Measured, Value)> {
    let name = format!("{command:?}").chars().take(200).collect::<String>();
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{name} cannot be started"))?;
    ensure!(output.status.success(), "{name} failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().with_context(|| format!("{name} printed nothing"))?;
    let value: Value = serde_json::from_str(line).with_context(|| format!("{name} printed no JSON"))?;
    let number = |key: &str| value[key].as_f64().unwrap_or_default();
    let measured = Measured {
        seconds: number("seconds"),
        cpu_seconds: number("cpu_seconds"),
        peak_bytes: value["peak_bytes"].as_u64().unwrap_or_default(),
        rows: value["rows"].as_u64().unwrap_or_default(),
    };
    Ok((measured, value))
}

/// What was last seen of a process.
#[derive(Default)]
struct Seen {
    cpu_seconds: f64,
    peak_bytes: u64,
}

impl Seen {
    fn look(&mut self, child: &Child) {
        let folder = Path::new("/proc").join(child.id().to_string());
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        // The program's name stands in brackets and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |position: usize| fields.get(position).and_then(|field| field.parse::<f64>().ok());
        if let Some((user, system)) = ticks(11).zip(ticks(12)) {
            self.cpu_seconds = (user + system) / TICKS;
        }
        if let Some(peak) = peak_bytes(child.id()) {
            self.peak_bytes = peak;
        }
    }
}

/// The peak of a living process's resident memory.
pub(super) fn peak_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes = peak.split_whitespace().next()?.parse::<u64>().ok()?;
    Some(kilobytes * 1024)
}

/// User and system time, in milliseconds, of the threads a process has now. Finer than the ticks of `stat`, and exact
/// while they all wait.
pub(super) fn cpu_milliseconds(process: u32) -> Result<f64> {
    let folder = Path::new("/proc").join(process.to_string()).join("task");
    let threads = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut nanoseconds = 0.0;
    for thread in threads {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let spent = text.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
        nanoseconds += spent.with_context(|| format!("{} holds no time", path.display()))?;
    }
    Ok(nanoseconds / 1e6)
}
