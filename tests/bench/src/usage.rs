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
    measured["peak_bytes"] = json!(of_status("VmHWM:")?);
    Ok(measured)
}

/// Resident memory as it is.
pub(crate) fn resident_bytes() -> Result<u64> {
    of_status("VmRSS:")
}

fn of_status(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("/proc/self/status has no {name}"))? * 1024)
}
