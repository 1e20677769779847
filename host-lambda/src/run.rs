//! The three stages in turn, on one machine.

use serde::Serialize;

use crate::{Extraction, HostError, Pipeline, StarLoad, StarTransformation};

/// What a run did.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// What was new in the source.
    pub extraction: Extraction,
    /// What the components made of it, and of batches that had waited.
    pub transformations: Vec<StarTransformation>,
    /// What went into the warehouse.
    pub loads: Vec<StarLoad>,
    /// Stars that failed; their batches wait and are taken up in order by a later run.
    #[serde(skip)]
    pub failures: Vec<StarFailure>,
}

/// A star that failed while the others went on.
#[derive(Debug)]
pub struct StarFailure {
    /// The star.
    pub star: String,
    /// Why.
    pub error: HostError,
}

impl Pipeline {
    /// Extracts once, then lets every star catch up. A star that fails does not hold up the others.
    ///
    /// # Errors
    /// When nothing could be extracted, or no component is live.
    pub async fn run(&self) -> Result<RunReport, HostError> {
        let extraction = self.extract().await?;
        let mut report = RunReport { extraction, transformations: vec![], loads: vec![], failures: vec![] };
        let pinned = self.pin().await?;
        for star in pinned.stars() {
            match self.transform(star).await {
                Ok(done) => report.transformations.extend(done),
                Err(error) => report.fail(star, error),
            }
        }
        for star in pinned.stars() {
            match self.load(star).await {
                Ok(done) => report.loads.extend(done),
                Err(error) => report.fail(star, error),
            }
        }
        Ok(report)
    }
}

impl RunReport {
    fn fail(&mut self, star: &str, error: HostError) {
        tracing::error!(star, %error, "star failed; its batches wait");
        self.failures.push(StarFailure { star: star.to_owned(), error });
    }
}
