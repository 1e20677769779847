//! A folder of pages: the only place that reads files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use author_kit::{Session, Transform};
use star_contract::Description;

use crate::{Case, CaseError, Subject, SubjectError};

/// How a case went.
#[derive(Debug)]
pub enum Verdict {
    /// As the page says.
    Passed,
    /// Otherwise: what differs, line by line.
    Differs(Vec<String>),
    /// The page cannot be read, or the star failed as a whole.
    Failed(CaseError),
}

/// A page and how its case went.
#[derive(Debug)]
pub struct CaseResult {
    /// The page's name: its file's, without `.md`.
    pub name: String,
    /// What the case shows; empty if the page cannot be read.
    pub title: String,
    /// How it went.
    pub verdict: Verdict,
}

impl CaseResult {
    /// Whether everything is as the page says.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed)
    }
}

/// The pages of a folder, the files `*.md` by name.
///
/// # Errors
/// When the folder cannot be read or has none.
pub fn pages(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let unread = |source| CaseError::Unread { path: folder.to_owned(), source };
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    if pages.is_empty() { Err(CaseError::NoCases { folder: folder.to_owned() }) } else { Ok(pages) }
}

/// Runs every page of a folder natively, each against a star of its own.
///
/// # Errors
/// When the folder or a file cannot be read. What is wrong with one page is that page's verdict.
pub fn run_folder(folder: &Path, star: impl Fn() -> Box<dyn Transform>) -> Result<Vec<CaseResult>, CaseError> {
    let description = star().description().clone();
    run_folder_with(folder, &description, || Ok(Session::new(star())))
}

/// Runs every page of a folder against subjects of any kind, one for each page.
///
/// # Errors
/// As for [`run_folder`].
pub fn run_folder_with<S: Subject>(
    folder: &Path,
    description: &Description,
    mut subject: impl FnMut() -> Result<S, SubjectError>,
) -> Result<Vec<CaseResult>, CaseError> {
    let mut results = Vec::new();
    for path in pages(folder)? {
        let text = fs::read_to_string(&path).map_err(|source| CaseError::Unread { path: path.clone(), source })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (title, verdict) = match Case::parse(&name, &text, description) {
            Ok(case) => (case.title().to_owned(), verdict(&case, subject())),
            Err(error) => (String::new(), Verdict::Failed(error)),
        };
        results.push(CaseResult { name, title, verdict });
    }
    Ok(results)
}

fn verdict<S: Subject>(case: &Case, subject: Result<S, SubjectError>) -> Verdict {
    let begun = |source| CaseError::Subject { page: case.name().to_owned(), call: "its beginning".to_owned(), source };
    match subject.map_err(begun).and_then(|mut subject| case.run(&mut subject)) {
        Err(error) => Verdict::Failed(error),
        Ok(answer) => match case.differences(&answer) {
            lines if lines.is_empty() => Verdict::Passed,
            lines => Verdict::Differs(lines),
        },
    }
}

/// What a person reads about the cases that did not pass; empty if all did.
#[must_use]
pub fn report(results: &[CaseResult]) -> String {
    let mut text = String::new();
    for result in results {
        let lines = match &result.verdict {
            Verdict::Passed => continue,
            Verdict::Differs(lines) => lines.clone(),
            Verdict::Failed(error) => error.told().lines().map(str::to_owned).collect(),
        };
        let title = if result.title.is_empty() { "a page that cannot be read" } else { &result.title };
        text.push_str(&format!("\n{}: {title}\n", result.name));
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// Runs every page of a folder natively: what a star's own test calls.
///
/// # Panics
/// With a readable report, when a page is not as the star answers, cannot be read, or there is none.
pub fn assert_cases(folder: impl AsRef<Path>, star: impl Fn() -> Box<dyn Transform>) {
    let folder = folder.as_ref();
    let results = run_folder(folder, star).unwrap_or_else(|error| panic!("{}", error.told()));
    let failed = results.iter().filter(|result| !result.passed()).count();
    assert!(
        failed == 0,
        "{failed} of the {} cases in {} did not pass\n{}",
        results.len(),
        folder.display(),
        report(&results)
    );
}
