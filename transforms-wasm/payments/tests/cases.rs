//! The star's cases: every page of `cases/`.

use std::path::Path;

#[test]
fn the_cases_pass() {
    star_cases::assert_cases(Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"), || Box::new(payments::star()));
}
