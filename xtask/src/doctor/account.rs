//! Whose credentials these are.

use super::finding::{Finding, Verdict};
use crate::aws::{Cloud, refused};

const AREA: &str = "credentials";

/// What AWS calls whoever asks.
pub(super) struct Identity {
    pub(super) account: String,
    pub(super) arn: String,
}

/// Asks AWS who asks; none if that is nobody, or somebody of another account than the environment's.
pub(super) async fn look(cloud: &Cloud) -> (Vec<Finding>, Option<Identity>) {
    let found = match cloud.sts().get_caller_identity().send().await {
        Ok(found) => found,
        Err(error) => {
            let error = refused("sts", error);
            let mut finding = Finding::of_error(AREA, Verdict::Error, "AWS does not know who asks", &error);
            if finding.what.to_lowercase().contains("credential") {
                finding.remedy = Some(format!(
                    "`aws configure sso` once, `aws sso login` each day, and AWS_PROFILE; or a role of CI (OpenID \
                     Connect);\nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of an IAM user with the policy that \
                     `cargo xtask doctor --policy --env {}` prints",
                    cloud.environment.name
                ));
                // After the first line comes every place that was looked into.
                let first = finding.what.lines().next().unwrap_or_default();
                finding.what = first.trim_end_matches(" Attempted:").trim_end_matches('.').to_owned();
            }
            return (vec![finding], None);
        }
    };
    let identity = Identity {
        account: found.account().unwrap_or_default().to_owned(),
        arn: found.arn().unwrap_or_default().to_owned(),
    };
    let Identity { account, arn } = &identity;
    match &cloud.environment.account {
        Some(expected) if expected != account => {
            let finding = Finding::error(
                AREA,
                format!("these credentials ({arn}) are for account {account}; the environment is in {expected}"),
                "choose another profile (AWS_PROFILE), or correct `account` in the settings file",
            );
            (vec![finding], None)
        }
        _ => (vec![Finding::ok(AREA, format!("account {account}, as {arn}"))], Some(identity)),
    }
}
