//! One run in a process of its own, for tests that end it, hold it up or read everything it prints.
//!
//! What it works on comes as JSON in `TOTESYS_TEST_RUN` (see `totesys_tests::ChildRun`); its report goes to stdout.

use std::process::ExitCode;

use totesys_tests::ChildRun;

#[expect(clippy::print_stderr, reason = "the parent reads why it failed")]
fn main() -> ExitCode {
    let run = ChildRun::from_environment();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(run.perform()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
