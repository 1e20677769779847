//! The Lambda entry: one stage as a function, requests in, answers with ids alone out. Which stage it is, the
//! environment says.

mod failure;
mod measure;
mod request;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use totesys_lake::Lake;

use crate::metrics::{Measured, Metric};
use crate::settings::{LogFormat, Settings, SettingsError};
use crate::{Chunks, HostError, Pipeline, Places, Retries, Stage, telemetry};

use failure::{Failure, Stopped};
use request::Request;

/// Tries within a call. The state machine tries again as well, and longer: a function that waits is paid for.
const RETRIES: Retries =
    Retries { tries: 2, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(2) };

/// The variable that says which stage a function is.
const STAGE: &str = "TOTESYS_STAGE";

/// Serves requests as AWS Lambda sends them, for as long as the process lives. `variables` is the environment.
///
/// # Errors
/// When there is no Runtime API to serve.
pub async fn serve(variables: impl Iterator<Item = (String, String)>) -> Result<(), lambda_runtime::Error> {
    let function = Arc::new(Box::pin(Function::prepare(variables)).await);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let function = Arc::clone(&function);
        // Boxed: the stages' futures nest deeper than the compiler's default limit for laying types out.
        async move { Box::pin(function.call(event.payload, event.context.deadline())).await }
    }))
    .await
}

/// A function, or why it cannot work: whoever calls it is told, by an error's type like any other.
struct Function(Result<Prepared, Failure>);

/// What lasts from call to call.
struct Prepared {
    settings: Settings,
    stage: Stage,
    lake: Arc<Lake>,
    /// Made when it is first needed, and made anew when a password was changed.
    pipeline: Mutex<Option<Arc<Pipeline>>>,
}

impl Function {
    /// Does beforehand what every call needs. No secret is read, and no server asked.
    async fn prepare(variables: impl Iterator<Item = (String, String)>) -> Self {
        Self(Prepared::new(variables.collect()).await.map_err(|error| Failure::from(Stopped::from(error))))
    }

    /// Serves a request. What was measured goes to stdout, whatever came of it.
    async fn call(&self, request: Value, deadline: SystemTime) -> Result<Value, Failure> {
        let prepared = self.0.as_ref().map_err(Failure::clone)?;
        let request = Request::parse(prepared.stage, request)?;
        let started = Instant::now();
        // A deadline that is past is one of a caller who knows none.
        let deadline = deadline.duration_since(SystemTime::now()).ok().map(|left| started + left);
        let (outcome, mut measured) = prepared.serve(&request, deadline).await;
        measured.add(Metric::Duration, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        measured.print(&prepared.settings.lake.prefix);
        outcome.map_err(Failure::from)
    }
}

impl Prepared {
    async fn new(variables: Vec<(String, String)>) -> Result<Self, HostError> {
        let stage = variables.iter().find(|(name, _)| name == STAGE).map(|(_, stage)| stage.clone());
        let settings = Settings::read(None, variables.into_iter());
        let mut log = settings.as_ref().map(|settings| settings.log.clone()).unwrap_or_default();
        log.format = LogFormat::Json;
        telemetry::start(&log)?;
        let mut settings = settings?;
        let stage = match stage.as_deref() {
            Some("extract") => Stage::Extract,
            Some("transform") => Stage::Transform,
            Some("load") => Stage::Load,
            _ => {
                let problem = "it must be extract, transform or load".into();
                return Err(SettingsError::Invalid { place: STAGE.into(), problem }.into());
            }
        };
        // A stage reads no secret but its own.
        settings.source.secret.take_if(|_| stage != Stage::Extract);
        settings.warehouse.secret.take_if(|_| stage != Stage::Load);
        let lake = Arc::new(Lake::open(settings.lake_settings()).await?);
        let prepared = Self { settings, stage, lake, pipeline: Mutex::default() };
        if !prepared.has_secret() {
            // What fails now fails for the first call too, which can say so.
            let _ = prepared.pipeline().await;
        }
        Ok(prepared)
    }

    fn has_secret(&self) -> bool {
        self.settings.source.secret.is_some() || self.settings.warehouse.secret.is_some()
    }

    /// The pipeline of this process.
    async fn pipeline(&self) -> Result<Arc<Pipeline>, HostError> {
        let mut kept = self.pipeline.lock().await;
        if let Some(pipeline) = &*kept {
            return Ok(Arc::clone(pipeline));
        }
        let settings = self.settings.with_secrets().await?;
        let env = |name: &str| std::env::var(name).ok();
        let places = Places {
            source: (self.stage == Stage::Extract).then(|| settings.source_connection(&env)).transpose()?,
            source_options: settings.source_options(),
            warehouse: (self.stage == Stage::Load).then(|| settings.warehouse_connection(&env)).transpose()?,
            warehouse_options: settings.warehouse_options(),
            publishers: settings.publishers()?,
        };
        let mut pipeline = Pipeline::new(Arc::clone(&self.lake), places, settings.limits(), Arc::new(()))?
            .with_retries(RETRIES)
            .with_quarantine(settings.quarantine)
            .with_automatic_rollback(settings.catalog.automatic_rollback)
            // What a function keeps between the processes that it starts one after the other.
            .with_artefacts_in(std::env::temp_dir().join("totesys-artefacts"));
        if settings.source.chunk_above_bytes > 0 {
            pipeline = pipeline.with_chunks(settings.source.chunk_above_bytes, Chunks::DEFAULT_BYTES);
        }
        Ok(Arc::clone(kept.insert(Arc::new(pipeline))))
    }

    /// Serves a request; once more with the secret read anew when the database refuses the login, for a rotation
    /// changes the password while processes live.
    async fn serve(&self, request: &Request, deadline: Option<Instant>) -> (Result<Value, Stopped>, Measured) {
        let (outcome, measured) = self.attempt(request, deadline).await;
        match outcome {
            Err(stopped) if stopped.error.is_refused_login() && self.has_secret() => {
                tracing::warn!(error = %stopped.error, "the login was refused: the secret is read again");
                self.pipeline.lock().await.take();
                self.attempt(request, deadline).await
            }
            settled => (settled, measured),
        }
    }

    async fn attempt(&self, request: &Request, deadline: Option<Instant>) -> (Result<Value, Stopped>, Measured) {
        let mut measured = Measured::of(self.stage.name());
        let outcome = match self.pipeline().await {
            Ok(pipeline) => answer(&pipeline, request, deadline, &mut measured).await,
            Err(error) => Err(error.into()),
        };
        (outcome, measured)
    }
}

/// Does what is asked for, and takes its measure.
async fn answer(
    pipeline: &Pipeline,
    request: &Request,
    deadline: Option<Instant>,
    measured: &mut Measured,
) -> Result<Value, Stopped> {
    match request {
        Request::Extract => {
            let begun = pipeline.begin_execution().await?;
            measure::begun(measured, &begun);
            Ok(json!(begun.due))
        }
        Request::Chunk { plan, chunk } => {
            let read = pipeline.extract_chunk(plan, *chunk).await?;
            measure::chunk(measured, &read);
            Ok(json!({ "chunk": read.chunk }))
        }
        Request::Finish { plan } => {
            let finished = pipeline.finish_backfill(plan).await?;
            measured.note("batch", finished.last);
            Ok(json!({ "batches": finished.batches }))
        }
        Request::Transform { catalog, star } => {
            measured.note("star", star.as_str());
            let done = pipeline.transform_under(*catalog, star, deadline).await?;
            measure::transformed(measured, &done);
            Ok(json!({ "star": star, "batches": done.len() }))
        }
        Request::Load { catalog, stars } => {
            let loading = match pipeline.load_under(*catalog, stars, deadline).await {
                Ok(loading) => loading,
                Err(error) => {
                    // How late the warehouse is counts most when it cannot be loaded.
                    if let Ok(standing) = pipeline.standing(*catalog).await {
                        measure::standing(measured, standing);
                    }
                    return Err(error.into());
                }
            };
            measure::loaded(measured, &loading);
            let batches = loading.loads.len();
            match Stopped::first_of(loading.failures) {
                Some(stopped) => Err(stopped),
                None => Ok(json!({ "batches": batches })),
            }
        }
    }
}
