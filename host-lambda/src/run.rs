//! The three stages in turn, on one machine.

use serde::Serialize;
use totesys_lake::Replay;
use totesys_warehouse::Warehouse;

use crate::catalog::Pinned;
use crate::pace::Pace;
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
    /// Extracts once, then lets every star catch up, all under one catalog record. A star that fails does not hold
    /// up the others; what may pass is tried again.
    ///
    /// # Errors
    /// When nothing could be extracted, or no component is live.
    pub async fn run(&self) -> Result<RunReport, HostError> {
        let pinned = self.retries.run("catalog", async || self.pin().await).await?;
        self.run_pinned(&pinned, None).await
    }

    /// A run that offers every open row again, or one star's: it makes a batch though nothing may have changed in
    /// the source.
    ///
    /// # Errors
    /// As for [`Pipeline::run`], and when there is no such star.
    pub async fn replay(&self, star: Option<&str>) -> Result<RunReport, HostError> {
        let pinned = self.retries.run("catalog", async || self.pin().await).await?;
        if let Some(star) = star {
            pinned.entry(star)?;
        }
        self.run_pinned(&pinned, Some(&Replay { star: star.map(str::to_owned) })).await
    }

    async fn run_pinned(&self, pinned: &Pinned, replay: Option<&Replay>) -> Result<RunReport, HostError> {
        let extraction = self.retries.run("extract", async || self.extract_pinned(pinned, replay).await).await?;
        if let Extraction::Backfill { plan, chunks } | Extraction::BackfillUnderWay { plan, chunks, .. } = &extraction {
            Box::pin(self.backfill_in_turn(plan, *chunks)).await?;
        }
        let mut report = RunReport { extraction, transformations: vec![], loads: vec![], failures: vec![] };
        for star in pinned.stars() {
            match self
                .retries
                .run("transform", async || self.transform_pinned(pinned, star, Pace::until(None)).await)
                .await
            {
                Ok(done) => report.transformations.extend(done),
                Err(error) => report.failures.push(StarFailure::of(star, error)),
            }
        }
        let (loads, failures) = self.load_each(&mut None, pinned, &pinned.stars(), Pace::until(None)).await;
        report.loads = loads;
        report.failures.extend(failures);
        Ok(report)
    }

    /// Lets stars catch up over one connection to the warehouse; one that fails does not hold up those after it.
    pub(crate) async fn load_each(
        &self,
        connected: &mut Option<Warehouse>,
        pinned: &Pinned,
        stars: &[&str],
        mut pace: Pace,
    ) -> (Vec<StarLoad>, Vec<StarFailure>) {
        let (mut loads, mut failures) = (Vec::new(), Vec::new());
        for star in stars {
            match self.retries.run("load", async || self.load_over(connected, pinned, star, &mut pace).await).await {
                Ok(done) => loads.extend(done),
                Err(error) => failures.push(StarFailure::of(star, error)),
            }
        }
        (loads, failures)
    }

    /// Loads a star over the connection there is, or a new one; after a failure its state is unknown and it goes.
    async fn load_over(
        &self,
        connected: &mut Option<Warehouse>,
        pinned: &Pinned,
        star: &str,
        pace: &mut Pace,
    ) -> Result<Vec<StarLoad>, HostError> {
        let warehouse = match connected.take() {
            Some(warehouse) => Some(warehouse),
            None => self.prepared_warehouse(pinned).await?,
        };
        let Some(mut warehouse) = warehouse else { return Ok(Vec::new()) };
        let done = self.load_star(&mut warehouse, pinned, star, pace).await?;
        *connected = Some(warehouse);
        Ok(done)
    }
}

impl StarFailure {
    fn of(star: &str, error: HostError) -> Self {
        tracing::error!(star, %error, "star failed; its batches wait");
        Self { star: star.to_owned(), error }
    }
}
