//! Where Totesys runs on AWS, as values: checked settings go in, CloudFormation templates come out. Nothing here needs
//! an account, a clock or a network, and the same settings give the same bytes.

pub mod cost;
pub mod deployer;
pub mod diagram;
pub mod machine;
pub mod metrics;
pub mod permissions;
pub mod policy;
pub mod resources;

mod data;
mod environment;
mod exceptions;
mod names;
mod pipeline;
mod tables;
mod template;

pub use data::{data_stack, without_retention};
pub use environment::{
    Architecture, Environment, EnvironmentError, Network, RawEnvironment, RawNetwork, RawStage, Schedule, Stage,
    StageSize,
};
pub use names::{BUCKETS, Names};
pub use pipeline::pipeline_stack;
pub use tables::{TablesError, tables_stack};
pub use template::{Expression, Output, Parameter, Resource, Template, attribute, join, reference, sub};
