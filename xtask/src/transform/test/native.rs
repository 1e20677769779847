//! A star's cases natively: `cargo test` on its own `tests/cases.rs`.

use std::collections::BTreeMap;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::guests::StarCrate;
use crate::hint::advise;
use crate::place::{cargo, workspace};

/// Ends the line with which `star_cases::assert_cases` begins its report.
const REPORT: &str = " did not pass";

/// What differs from each page, line by line; a page that is as expected is not among them.
pub(super) type Failures = BTreeMap<String, Vec<String>>;

/// Runs the cases of these pages natively.
pub(super) fn run(star: &StarCrate, pages: &[String]) -> Result<Failures> {
    let tests = star.folder.join("tests");
    if !tests.join("cases.rs").is_file() && !tests.join("cases/main.rs").is_file() {
        return Err(advise(
            format!("the crate `{}` has no test of its cases", star.name),
            "write tests/cases.rs, whose one test calls star_cases::assert_cases: `cargo xtask transform new` makes one",
        ));
    }
    let cargo = cargo();
    let shell = Shell::new()?;
    let (folder, locked) =
        if star.is_bundled() { (workspace(), Some("--locked")) } else { (star.folder.clone(), None) };
    shell.change_dir(folder);
    let name = &star.name;
    // Of what the tests print nothing is talk; cargo's own messages are, and go where they always do.
    let printed = cmd!(shell, "{cargo} test {locked...} -p {name} --test cases").quiet().ignore_status().read()?;
    judged(name, &printed, pages)
}

/// What the tests' output says about each page.
fn judged(star: &str, printed: &str, pages: &[String]) -> Result<Failures> {
    let Some(result) = printed.lines().rev().find_map(|line| line.strip_prefix("test result: ")) else {
        return Err(advise(
            format!("the tests of `{star}` did not run"),
            "cargo says above why: they have to compile natively",
        ));
    };
    let failures = failures(printed, pages);
    if result.starts_with("ok") {
        if result.contains(" 0 passed") {
            return Err(advise(
                format!("tests/cases.rs of `{star}` has no test"),
                "its one test calls star_cases::assert_cases on the folder `cases`",
            ));
        }
    } else if failures.is_empty() {
        return Err(advise(
            format!("a test of `{star}` failed, though no case did:\n{printed}"),
            "tests/cases.rs is for the cases alone: does the star itself panic?",
        ));
    }
    Ok(failures)
}

/// Reads the report of `star_cases::assert_cases`.
fn failures(printed: &str, pages: &[String]) -> Failures {
    let mut failures = Failures::new();
    let mut within = false;
    let mut current = None;
    for line in printed.lines() {
        if !within {
            within = line.contains(" cases in ") && line.ends_with(REPORT);
        } else if let Some(page) = pages.iter().find(|page| line.starts_with(&format!("{page}: "))) {
            current = Some(page);
        } else if let (Some(page), Some(line)) = (current, line.strip_prefix("  ")) {
            failures.entry(page.clone()).or_default().push(line.to_owned());
        } else if !line.is_empty() {
            // What Rust prints after a panic's message.
            (within, current) = (false, None);
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Vec<String> {
        ["broken", "differs", "good"].map(str::to_owned).into()
    }

    #[test]
    fn the_report_of_a_failed_test() {
        let printed = r"
running 1 test
test the_cases_pass ... FAILED

failures:

---- the_cases_pass stdout ----

thread 'the_cases_pass' (47) panicked at /totesys/transforms-wasm/cases/src/folder.rs:136:5:
2 of the 3 cases in /star/cases did not pass

broken: a page that cannot be read
  `broken`, line 5: `order` has no column `ident`
    hint: its columns are `order_id`, `price`

differs: A price is copied
  output `fact_order`: 1 row missing (-), 1 not expected (+)
    | price |
  - | 1.00  |
  + | 2.00  |

stack backtrace:
   0: __rustc::rust_begin_unwind
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

failures:
    the_cases_pass

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let failures = judged("star", printed, &pages()).unwrap();
        assert_eq!(failures.keys().collect::<Vec<_>>(), ["broken", "differs"]);
        assert_eq!(failures["broken"].len(), 2);
        assert_eq!(failures["differs"][2], "- | 1.00  |");
        assert_eq!(failures["differs"].len(), 4);
    }

    #[test]
    fn a_test_that_says_nothing_about_cases() {
        let passed = "running 1 test\ntest result: ok. 1 passed; 0 failed; 0 ignored";
        assert!(judged("star", passed, &pages()).unwrap().is_empty());
        for (printed, problem) in [
            ("", "the tests of `star` did not run"),
            ("test result: ok. 0 passed; 0 failed", "tests/cases.rs of `star` has no test"),
            ("test result: FAILED. 0 passed; 1 failed", "a test of `star` failed, though no case did:"),
        ] {
            let error = judged("star", printed, &pages()).unwrap_err();
            assert!(error.to_string().starts_with(problem), "{error}");
            assert!(crate::hint::of(&error).is_some());
        }
    }
}
