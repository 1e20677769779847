//! Folders of pages and the report on them.

use std::path::{Path, PathBuf};

use author_kit::{Session, Transform};
use star_cases::{CaseError, Verdict, assert_cases, pages, report, run_folder, run_folder_with};

use crate::star::{described, orders};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/pages").join(name)
}

fn star() -> Box<dyn Transform> {
    Box::new(orders())
}

#[test]
fn every_page_has_its_verdict() {
    let results = run_folder(&folder("mixed"), star).unwrap();
    let names: Vec<_> = results.iter().map(|result| (result.name.as_str(), result.passed())).collect();
    assert_eq!(names, [("broken", false), ("differs", false), ("good", true)]);
    assert!(matches!(&results[0].verdict, Verdict::Failed(CaseError::UnknownColumn { line: 5, .. })));
    assert_eq!(
        report(&results),
        "
broken: a page that cannot be read
  `broken`, line 5: `order` has no column `ordre_id`
    hint: its columns are `order_id`, `price`, `due`, `note`, `colour_id`

differs: A colour that is another
  output `dim_colour`: 1 missing (-), 1 not expected (+)
    | colour_name |
  - | blue        |
  + | red         |
"
    );
}

#[test]
fn other_subjects_run_the_same_pages() {
    let description = described(&orders());
    let results = run_folder_with(&folder("good"), &description, || Ok(Session::new(star()))).unwrap();
    assert_eq!(report(&results), "");
    let results = run_folder_with(&folder("good"), &description, || Err::<Session, _>("no engine".into())).unwrap();
    assert_eq!(report(&results), "\ngood: A good case\n  `good`: the star failed in its beginning: no engine\n");
}

#[test]
fn a_folder_that_passes() {
    assert_cases(folder("good"), star);
}

#[test]
#[should_panic(expected = "2 of the 3 cases in ")]
fn a_folder_that_does_not() {
    assert_cases(folder("mixed"), star);
}

#[test]
fn a_folder_without_pages_tests_nothing() {
    let empty = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap_err();
    assert!(matches!(empty, CaseError::NoCases { .. }), "{empty}");
    assert_eq!(empty.hint().as_deref(), Some("a case is a file `NAME.md` in that folder"));
    assert!(matches!(pages(Path::new("/nowhere")), Err(CaseError::Unread { .. })));
}
