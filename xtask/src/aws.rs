//! An environment on AWS: its settings, its clients, its lake.

mod clients;
mod environment;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use aws_config::SdkConfig;
use host_lambda::settings::Settings;
use infra_templates::Environment;
use totesys_lake::Lake;

use crate::deploy::{Stacks, is_absent};
use crate::hint::advise;

pub(crate) use environment::{Described, Mistakes, describe, names};

/// An environment of the settings file, and the way to its account.
pub(crate) struct Cloud {
    pub(crate) environment: Environment,
    /// The host's settings as they hold in this environment.
    pub(crate) settings: Settings,
    pub(crate) config: SdkConfig,
}

impl Cloud {
    /// The environment `name` of a settings file. Nothing is asked of AWS yet.
    pub(crate) async fn open(file: Option<&Path>, name: &str) -> Result<Self> {
        let Described { environment, settings } = describe(file, name, std::env::vars())?;
        let config = clients::config(&environment.region).await;
        Ok(Self { environment, settings, config })
    }

    pub(crate) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    pub(crate) fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config)
    }

    pub(crate) fn states(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.config)
    }

    pub(crate) fn topics(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.config)
    }

    pub(crate) fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config)
    }

    pub(crate) fn metrics(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.config)
    }

    pub(crate) fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config)
    }

    /// The account the credentials belong to; another than the settings name is refused before anything is touched.
    pub(crate) async fn account(&self) -> Result<String> {
        let identity = self.sts().get_caller_identity().send().await.map_err(|error| clients::refused("sts", error))?;
        let found = identity.account().unwrap_or_default().to_owned();
        match &self.environment.account {
            Some(expected) if *expected != found => Err(advise(
                format!(
                    "these credentials are for account {found}, environment `{}` is in account {expected}",
                    self.environment.name
                ),
                "choose another profile (AWS_PROFILE), or correct `account` in the settings file",
            )),
            _ => Ok(found),
        }
    }

    /// The environment's lake.
    pub(crate) async fn lake(&self) -> Result<Arc<Lake>> {
        Ok(Arc::new(Lake::open(self.settings.lake_settings()).await?))
    }

    /// The outputs of a stack, by name.
    pub(crate) async fn outputs(&self, stack: &str) -> Result<BTreeMap<String, String>> {
        let found = Stacks::of(self).find(stack).await?.filter(|found| !is_absent(Some(found)));
        found.map(|found| found.outputs).ok_or_else(|| self.not_deployed(stack))
    }

    /// One output of a stack.
    pub(crate) async fn output(&self, stack: &str, key: &str) -> Result<String> {
        let mut outputs = self.outputs(stack).await?;
        outputs.remove(key).ok_or_else(|| {
            advise(
                format!("stack `{stack}` has no output `{key}`"),
                format!("it was deployed by another version: `cargo xtask deploy --env {}`", self.environment.name),
            )
        })
    }

    /// What to say of a stack that is not there.
    pub(crate) fn not_deployed(&self, stack: &str) -> anyhow::Error {
        let name = &self.environment.name;
        advise(format!("there is no stack `{stack}`"), format!("`cargo xtask deploy --env {name}` makes it"))
    }
}

pub(crate) use clients::refused;
