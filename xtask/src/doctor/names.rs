//! The buckets' names, which nobody else in the world may have.

use totesys_lake::{Bucket, BucketNames, LakeError};

use super::finding::{Finding, Verdict};
use crate::aws::Cloud;

const AREA: &str = "buckets";

/// Whether each bucket is ours or can be made.
pub(super) async fn look(cloud: &Cloud) -> Vec<Finding> {
    let lake = match cloud.lake().await {
        Ok(lake) => lake,
        Err(error) => return vec![Finding::of_error(AREA, Verdict::Error, "the lake cannot be opened", &error)],
    };
    let names = BucketNames::with_prefix(cloud.environment.names.prefix());
    let (mut ours, mut free, mut findings) = (0, 0, Vec::new());
    for bucket in Bucket::ALL {
        let name = names.name(bucket);
        match lake.list(bucket, "", Some(1)).await {
            Ok(_) => ours += 1,
            Err(LakeError::NoSuchBucket { .. }) => free += 1,
            Err(error) => findings.push(taken(name, error)),
        }
    }
    let counted = match (ours, free) {
        (0, 0) => None,
        (0, free) => Some(format!("{free} names are free")),
        (ours, 0) => Some(format!("{ours} buckets are there")),
        (ours, free) => Some(format!("{ours} buckets are there, {free} names are free")),
    };
    findings.extend(counted.map(|counted| Finding::ok(AREA, counted)));
    findings
}

fn taken(name: &str, error: LakeError) -> Finding {
    match error {
        LakeError::AccessDenied { .. } => Finding::error(
            AREA,
            format!("bucket `{name}` is somebody else's, or these credentials may not list it"),
            "choose another `prefix`; if the bucket is yours, `cargo xtask doctor --policy` prints the rights to it",
        ),
        LakeError::WrongRegion { .. } => Finding::error(
            AREA,
            format!("bucket `{name}` is in another region"),
            "set the `region` it is in, or choose another `prefix`",
        ),
        error => Finding::of_error(AREA, Verdict::Error, &format!("bucket `{name}`"), &anyhow::Error::new(error)),
    }
}
