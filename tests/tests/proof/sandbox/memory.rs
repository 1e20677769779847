//! What the suite costs the host.

use std::fs;
use std::process::Command;

use super::suite;

/// Set in the process that measures.
const VARIABLE: &str = "TOTESYS_TEST_HOSTILE_MEMORY";

/// Most of it is what one call may give back, decoded.
const BOUND: u64 = 400 << 20;

#[test]
fn the_suite_costs_the_host_a_bounded_memory() {
    // Both processes need them, and compile them once.
    suite::cases();
    if std::env::var_os(VARIABLE).is_none() {
        // Tests that run meanwhile take memory too, so a process of its own is measured.
        let (_, module) = module_path!().split_once("::").unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(format!("{module}::the_suite_costs_the_host_a_bounded_memory"))
            .args(["--exact", "--nocapture"])
            .env(VARIABLE, "1")
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    // The peak begins anew; where that is not allowed the compiler's own hides a part of the suite's.
    let _allowed = fs::write("/proc/self/clear_refs", "5");
    let before = peak();
    suite::run();
    let grown = peak() - before;
    assert!(grown < BOUND, "the suite needed {} MiB", grown >> 20);
}

/// The most memory this process has had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
