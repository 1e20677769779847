//! What a deployment is told: raw, as the settings file has it, and checked.

mod check;
mod network;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Names;

/// `[environments.NAME]` as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEnvironment {
    /// The AWS region.
    pub region: Option<String>,
    /// The account's twelve digits; where it is set, no other is touched.
    pub account: Option<String>,
    /// What every name begins with, the buckets' among them, which must be unique in the world.
    pub prefix: Option<String>,
    /// Who is written to when something is wrong.
    #[serde(default)]
    pub emails: Vec<String>,
    /// How often the pipeline runs: `10 minutes`, `rate(10 minutes)` or `cron(…)`. Default every 10 minutes.
    pub schedule: Option<String>,
    /// `arm64` (default) or `x86_64`.
    pub architecture: Option<String>,
    /// How long an execution may take, in minutes. Default 14.
    pub execution_minutes: Option<u64>,
    /// How long logs are kept, in days. Default 30.
    pub log_retention_days: Option<u64>,
    /// How long versions of objects that were overwritten or deleted are kept, in days. Default 30.
    pub old_versions_days: Option<u64>,
    /// A file of certificate authorities (PEM) that the databases' certificates are checked with.
    pub sslrootcert: Option<String>,
    /// A table larger than this is read in chunks, in bytes. Default 20 GiB.
    pub chunk_above_bytes: Option<u64>,
    /// The extract function's size. Default 1769 MiB, which is one whole processor: with less, a stage gets a share of
    /// one and takes as much longer as it is cheaper. Default 600 s, of which a usual run takes seconds; what is left to
    /// do when the limit comes, the next execution does.
    #[serde(default)]
    pub extract: RawStage,
    /// The transform function's size. Defaults as for `extract`: a component may use 512 MiB, and columns of what it
    /// reads and writes stand beside that.
    #[serde(default)]
    pub transform: RawStage,
    /// The load function's size. Defaults as for `extract`.
    #[serde(default)]
    pub load: RawStage,
    /// The private network the databases are in.
    pub network: Option<RawNetwork>,
}

/// `[environments.NAME.extract]` and so on, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStage {
    /// Memory in MiB.
    pub memory: Option<u64>,
    /// Time limit in seconds.
    pub timeout: Option<u64>,
}

/// `[environments.NAME.network]`, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNetwork {
    /// The VPC.
    pub vpc: Option<String>,
    /// Its subnets that the functions run in. They should be the functions' own: where `route_tables` are given, these
    /// reach no other buckets than the environment's.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Security groups of the extract and load functions besides their own, such as one a database admits.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Route tables of the subnets, which get a route to S3; none where they have one already.
    #[serde(default)]
    pub route_tables: Vec<String>,
    /// The prefix list of S3's addresses in this region, `pl-…`: no template can look it up, and without it nobody could
    /// say that a function speaks to S3 and nothing else.
    pub s3_prefix_list: Option<String>,
    /// The databases' addresses, as `10.0.3.0/24`.
    #[serde(default)]
    pub databases: Vec<String>,
    /// The databases' port. Default 5432.
    pub database_port: Option<u64>,
    /// Whether an address for Secrets Manager is made in the VPC, which is paid by the hour. Default true; without it
    /// one of `security_groups` must lead the functions to another.
    pub secrets_endpoint: Option<bool>,
}

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Source to lake.
    Extract,
    /// Lake to lake.
    Transform,
    /// Lake to warehouse.
    Load,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Extract, Self::Transform, Self::Load];

    /// Its name in names and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Load => "load",
        }
    }
}

/// A function's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageSize {
    /// Memory in MiB.
    pub memory: u64,
    /// Time limit in seconds.
    pub timeout: u64,
}

/// The processor the functions run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// AWS Graviton: a fifth cheaper for the same time.
    Arm64,
    /// Intel or AMD.
    X86_64,
}

impl Architecture {
    /// As AWS Lambda calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

/// When the pipeline runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// As EventBridge Scheduler takes it: `rate(10 minutes)` or `cron(…)`.
    pub expression: String,
    /// The time between two runs in minutes, where it is a rate.
    pub minutes: Option<u64>,
}

/// The private network the databases are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The VPC.
    pub vpc: String,
    /// The subnets of the functions.
    pub subnets: Vec<String>,
    /// Security groups of the extract and load functions besides their own.
    pub security_groups: Vec<String>,
    /// Route tables that get a route to S3; none where there is one already.
    pub route_tables: Vec<String>,
    /// The prefix list of S3's addresses in the region.
    pub s3_prefix_list: String,
    /// The databases' addresses, as `10.0.3.0/24`; none where one of `security_groups` leads to them.
    pub databases: Vec<String>,
    /// The databases' port.
    pub database_port: u16,
    /// Whether an address for Secrets Manager is made in the VPC.
    pub secrets_endpoint: bool,
}

/// A checked environment: everything the templates are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name in the settings file.
    pub name: String,
    /// The AWS region.
    pub region: String,
    /// The account, where it is set.
    pub account: Option<String>,
    /// What things are called.
    pub names: Names,
    /// Who is written to.
    pub emails: Vec<String>,
    /// When the pipeline runs.
    pub schedule: Schedule,
    /// The functions' processor.
    pub architecture: Architecture,
    /// An execution's time limit in minutes, below 15.
    pub execution_minutes: u64,
    /// How long logs are kept, in days; one of the periods CloudWatch knows.
    pub log_retention_days: u64,
    /// How long old versions of objects are kept, in days.
    pub old_versions_days: u64,
    /// The authorities' file, packaged with the functions.
    pub sslrootcert: Option<String>,
    /// A table larger than this is read in chunks, in bytes.
    pub chunk_above_bytes: u64,
    /// The functions' sizes: extract, transform, load.
    pub sizes: [StageSize; 3],
    /// The private network, if the databases are in one.
    pub network: Option<Network>,
    /// Settings of the host that are not its defaults, as `TOTESYS_…` variables.
    pub host_settings: BTreeMap<String, String>,
}

impl Environment {
    /// A function's size.
    #[must_use]
    pub fn size(&self, stage: Stage) -> StageSize {
        self.sizes[stage as usize]
    }
}

/// One mistake in an environment's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environments.{environment}.{key}: {problem}")]
pub struct EnvironmentError {
    /// The environment.
    pub environment: String,
    /// The key, such as `network.subnets`.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}
