//! How AWS is called, and what its refusals mean to a person.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::http::HttpResponse;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::hint::advise;

/// Credentials as AWS's own tools find them, one region, ring for TLS.
pub(super) async fn config(region: &str) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .region(Region::new(region.to_owned()))
        .load()
        .await
}

/// A refused call as one sentence with what to do about it. Headers and bodies are not printed.
pub(crate) fn refused<E>(service: &str, error: SdkError<E, HttpResponse>) -> anyhow::Error
where
    E: ProvideErrorMetadata + Error + Debug + Send + Sync + 'static,
{
    let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
    let code = metadata.and_then(|metadata| metadata.code()).unwrap_or_default().to_owned();
    let message = metadata.and_then(|metadata| metadata.message()).unwrap_or_default().to_owned();
    if !code.is_empty() {
        return advise(format!("{service} refused: {code}: {message}"), hint_for(&code));
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    let hint = if words.to_lowercase().contains("credential") {
        "log in (`aws sso login`, or AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    } else {
        "check the network and the environment's `region`"
    };
    advise(format!("{service} could not be asked: {words}"), hint)
}

fn hint_for(code: &str) -> &'static str {
    match code {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch" => "the credentials are not valid any more: log in again",
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" => {
            "`cargo xtask doctor --policy` prints the rights a deployer needs"
        }
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" => "too many requests: try again in a minute",
        _ => "`cargo xtask doctor` checks credentials, rights and settings",
    }
}
