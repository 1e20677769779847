//! The verbs that work on an environment.

use anyhow::{Context as _, Result};

use crate::arguments::{Alerts, Arguments, Secret, Transform, Verb};
use crate::aws::Cloud;
use crate::hint::advise;
use crate::{
    alerts, cloud_status, collect, cost, deploy, destroy, diff, doctor, drift, execution, logs, outputs, package,
    rollback, secret, status, synth,
};

/// Does what the verb says if it is one of these; gives the exit code.
pub(crate) async fn perform(arguments: &Arguments, cloud: Option<&Cloud>) -> Result<Option<u8>> {
    let done = match &arguments.verb {
        Verb::Doctor(doctor) => {
            let environment = arguments.environment.as_deref();
            Box::pin(doctor::doctor(arguments.settings.as_deref(), environment, doctor)).await?
        }
        Verb::Synth(synth) => synth::synth(cloud.map(|cloud| &cloud.environment), synth)?,
        Verb::Package(package) => done(package::verb(cloud.map(|cloud| &cloud.environment), package))?,
        Verb::Cost(cost) => done(cost::cost(cloud.map(|cloud| &cloud.environment), cost))?,
        Verb::Diff(diff) => Box::pin(diff::diff(needed(cloud)?, diff)).await?,
        Verb::Deploy(deploy) => Box::pin(deploy::deploy(needed(cloud)?, deploy)).await?,
        Verb::Drift(drift) => Box::pin(drift::drift(needed(cloud)?, drift)).await?,
        Verb::Rollback(rollback) => Box::pin(rollback::rollback(needed(cloud)?, rollback)).await?,
        Verb::Outputs(outputs) => done(outputs::outputs(needed(cloud)?, outputs).await)?,
        Verb::Destroy(destroy) => Box::pin(destroy::destroy(needed(cloud)?, destroy)).await?,
        Verb::Logs(logs) => done(Box::pin(logs::logs(needed(cloud)?, logs)).await)?,
        Verb::Gc(gc) => done(Box::pin(collect::gc(needed(cloud)?, gc)).await)?,
        Verb::Secret(Secret::Set(set)) => done(Box::pin(secret::set(needed(cloud)?, set)).await)?,
        Verb::Alerts(Alerts::Confirm(confirm)) => done(Box::pin(alerts::confirm(needed(cloud)?, confirm)).await)?,
        Verb::Run(run) if run.aws.aws => Box::pin(execution::run(needed(cloud)?, &run.aws, run.output.json)).await?,
        Verb::Status(output) if output.aws.aws => {
            let cloud = needed(cloud)?;
            let pipeline = status::of(cloud.settings.clone(), false);
            done(Box::pin(cloud_status::status(cloud, pipeline, output.output.json)).await)?
        }
        _ => return Ok(None),
    };
    Ok(Some(done))
}

/// Before a verb that works wherever the settings say: what must not be done to an environment is refused.
pub(crate) fn allowed(verb: &Verb, cloud: &Cloud) -> Result<()> {
    match verb {
        Verb::Simulate(_) | Verb::Import(_) => Err(advise(
            format!(
                "environment `{}` has a source of its own, into which nothing made up is written",
                cloud.environment.name
            ),
            "leave --env out, and name the source of a trial with TOTESYS_SOURCE_URL",
        )),
        Verb::Transform(Transform::Publish(_) | Transform::Rollback(_) | Transform::Rebuild(_)) => {
            deploy::components::may_publish(&cloud.settings)
        }
        _ => Ok(()),
    }
}

/// After a verb that may have changed what is live: Athena's tables are those that the live components describe.
pub(crate) async fn follow_up(arguments: &Arguments, cloud: Option<&Cloud>) -> Result<()> {
    match (&arguments.verb, cloud) {
        (Verb::Transform(Transform::Publish(_) | Transform::Rollback(_)), Some(cloud)) => {
            let followed = Box::pin(deploy::tables::follow_catalog(cloud)).await;
            followed.context("the components are live, and Athena's tables could not follow")
        }
        _ => Ok(()),
    }
}

fn done(outcome: Result<()>) -> Result<u8> {
    outcome.map(|()| 0)
}

fn needed(cloud: Option<&Cloud>) -> Result<&Cloud> {
    cloud.ok_or_else(|| {
        advise(
            "this verb works on a deployed environment, and none is named",
            "name one of the settings file with --env; totesys.example.toml shows how it is written",
        )
    })
}
