//! Properties of the resources that are used, as CloudFormation names them: what AWS requires is no `Option`, so that a
//! template without it does not compile.
//!
//! ```
//! use infra_templates::resources::{Properties, Subscription};
//! use infra_templates::reference;
//!
//! let endpoint = "ops@acme.example".into();
//! let resource = Subscription { topic_arn: reference("Topic"), protocol: "email", endpoint }.resource();
//! assert_eq!(resource.properties["TopicArn"]["Ref"], "Topic");
//! ```
//!
//! ```compile_fail,E0063
//! use infra_templates::resources::{Properties, Subscription};
//!
//! let endpoint = "ops@acme.example".into();
//! let resource = Subscription { protocol: "email", endpoint }.resource();
//! ```

mod cloudwatch;
mod ec2;
mod events;
mod glue;
mod iam;
mod lambda;
mod logs;
mod s3;
mod scheduler;
mod secrets;
mod sns;
mod sqs;
mod stepfunctions;

pub use cloudwatch::*;
pub use ec2::*;
pub use events::*;
pub use glue::*;
pub use iam::*;
pub use lambda::*;
pub use logs::*;
pub use s3::*;
pub use scheduler::*;
pub use secrets::*;
pub use sns::*;
pub use sqs::*;
pub use stepfunctions::*;

use serde::Serialize;

use crate::Resource;

/// The properties of one type of resource.
pub trait Properties: Serialize + Sized {
    /// The type, such as `AWS::S3::Bucket`.
    const KIND: &'static str;

    /// A resource that has them.
    fn resource(self) -> Resource {
        Resource::new(Self::KIND, self)
    }
}

/// A tag of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}
