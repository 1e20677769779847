//! `status --aws`: how an environment runs on AWS, beside how its pipeline stands.

mod ask;
mod text;

use std::future::Future;

use anyhow::Result;
use host_lambda::Status;
use serde::Serialize;

use crate::alerts::Recipients;
use crate::aws::Cloud;
use crate::execution::{Failure, Outcome};

/// How an environment runs. Each part is asked for by itself: what one may not see hides nothing else.
#[derive(Debug, Serialize)]
pub(crate) struct CloudStatus {
    environment: String,
    account: String,
    region: String,
    deployment: Part<Option<Deployment>>,
    schedule: Part<Schedule>,
    lag: Part<Option<Lag>>,
    executions: Part<Vec<Execution>>,
    alarms: Part<Alarms>,
    recipients: Part<Recipients>,
    /// How the pipeline stands, when the databases can be reached from here.
    pipeline: Part<Status>,
}

/// What was found out, or why it was not.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Part<T> {
    Known(T),
    Unknown { unknown: String, hint: Option<String> },
}

impl<T> Part<T> {
    fn of(found: Result<T>) -> Self {
        match found {
            Ok(found) => Self::Known(found),
            Err(error) => {
                Self::Unknown { unknown: host_lambda::sentence(error.as_ref()), hint: crate::hint::of(&error) }
            }
        }
    }
}

/// The newest deployment.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Deployment {
    number: u64,
    /// When it was finished, RFC 3339.
    at: String,
    /// The functions' code in the code bucket.
    code: String,
}

/// When the pipeline runs, as it was deployed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Schedule {
    expression: String,
    enabled: bool,
}

/// How late the data is, by the newest measurement.
#[derive(Debug, PartialEq, Serialize)]
struct Lag {
    seconds: f64,
    /// When it was measured, RFC 3339.
    at: String,
}

/// An execution of the state machine.
#[derive(Debug, Serialize)]
struct Execution {
    execution: String,
    /// When it began, RFC 3339.
    began: String,
    /// None while it runs.
    outcome: Option<Outcome>,
    seconds: f64,
    /// What failed, the root cause first.
    failures: Vec<Failure>,
}

/// The environment's alarms.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Alarms {
    /// How many are well.
    ok: usize,
    /// Those that are not.
    not_ok: Vec<Alarm>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Alarm {
    name: String,
    /// The name without the environment's prefix.
    short: String,
    /// Whether it rings; if not, it lacks data.
    rings: bool,
    reason: String,
    /// Since when, RFC 3339.
    since: Option<String>,
}

/// Prints how the environment runs, and how its pipeline stands if `pipeline` can be found out.
pub(crate) async fn status(cloud: &Cloud, pipeline: impl Future<Output = Result<Status>>, json: bool) -> Result<()> {
    let account = cloud.account().await?;
    let (found, pipeline) = tokio::join!(ask::everything(cloud, account), pipeline);
    let found = CloudStatus { pipeline: Part::of(pipeline), ..found };
    if json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print!("{}", text::text(&found));
    }
    Ok(())
}
