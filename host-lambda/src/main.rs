//! The Lambda entry: which stage this function is, the environment says.

use std::sync::Arc;

use host_lambda::settings::{LogFormat, Settings};
use host_lambda::{HostError, Pipeline, Places, telemetry};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use totesys_lake::Lake;

/// What a request may say.
#[derive(Debug, Deserialize)]
struct Request {
    /// The star, for transform and load.
    #[serde(default)]
    star: String,
}

/// The stage this function is.
#[derive(Clone, Copy)]
enum Role {
    Extract,
    Transform,
    Load,
}

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let mut settings = Settings::read(None, std::env::vars())?;
    settings.log.format = LogFormat::Json;
    telemetry::start(&settings.log)?;
    let role = match std::env::var("TOTESYS_STAGE").as_deref() {
        Ok("extract") => Role::Extract,
        Ok("transform") => Role::Transform,
        Ok("load") => Role::Load,
        _ => return Err("TOTESYS_STAGE must be extract, transform or load".into()),
    };
    let pipeline = Arc::new(Box::pin(pipeline(&settings, role)).await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Request>| {
        let pipeline = Arc::clone(&pipeline);
        // Boxed: the stages' futures nest deeper than the compiler's default limit for laying types out.
        async move { Box::pin(handle(&pipeline, role, &event.payload.star)).await.map_err(Failure) }
    }))
    .await
}

async fn pipeline(settings: &Settings, role: Role) -> Result<Pipeline, HostError> {
    let env = |name: &str| std::env::var(name).ok();
    let lake = Lake::open(settings.lake_settings()).await?;
    let places = Places {
        source: matches!(role, Role::Extract).then(|| settings.source_connection(&env)).transpose()?,
        source_options: settings.source_options(),
        warehouse: matches!(role, Role::Load).then(|| settings.warehouse_connection(&env)).transpose()?,
        warehouse_options: settings.warehouse_options(),
        publishers: settings.publishers()?,
    };
    let pipeline = Pipeline::new(Arc::new(lake), places, settings.limits(), Arc::new(()))?
        .with_quarantine(settings.quarantine)
        .with_automatic_rollback(settings.catalog.automatic_rollback)
        // What a function keeps between the processes that it starts one after the other.
        .with_artefacts_in(std::env::temp_dir().join("totesys-artefacts"));
    Ok(pipeline)
}

async fn handle(pipeline: &Pipeline, role: Role, star: &str) -> Result<Value, HostError> {
    Ok(match role {
        Role::Extract => json!(pipeline.extract().await?),
        Role::Transform => json!({ "transformed": pipeline.transform(star).await?.len() }),
        Role::Load => json!({ "loaded": pipeline.load(star).await?.len() }),
    })
}

/// An error as Step Functions sees it: a type that `ErrorEquals` can name, and a message without row data.
#[derive(Debug)]
struct Failure(HostError);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        let kind = match &error {
            HostError::Settings(_) | HostError::Connection(_) => "Settings",
            HostError::Source(_) => "Source",
            HostError::Lake(_) => "Lake",
            HostError::Sandbox(_) => "Component",
            HostError::Warehouse(_) => "Warehouse",
            HostError::Overtaken { .. } => "Overtaken",
            HostError::TooManyRefused { .. } => "Refused",
            _ => "Catalog",
        };
        let hint = error.hint().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
        Self { error_type: kind.to_owned(), error_message: format!("{}{hint}", host_lambda::sentence(&error)) }
    }
}
