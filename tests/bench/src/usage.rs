//! What this process has used.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Clock ticks of `/proc/self/stat` in a second: Linux shows 100 to user space on every architecture.
const TICKS: f64 = 100.0;

/// Adds CPU seconds and the peak of resident memory to a measurement.
pub(crate) fn added_to(mut measured: Value) -> Result<Value> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The program's name stands in brackets and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |position: usize| fields.get(position).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("/proc/self/stat has no times")?;
    measured["cpu_seconds"] = json!((user + system) / TICKS);
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.split_whitespace().next()).and_then(|peak| peak.parse::<u64>().ok());
    measured["peak_bytes"] = json!(kilobytes.context("/proc/self/status has no VmHWM")? * 1024);
    Ok(measured)
}
