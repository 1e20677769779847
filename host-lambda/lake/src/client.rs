//! The S3 client and what its failures mean.

use std::error::Error;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::{LakeError, LakeSettings, Request};

/// What a server of one's own is told when the settings name no region; it does not care.
const LOCAL_REGION: &str = "us-east-1";

/// A client as the settings want it.
pub(crate) async fn connect(settings: &LakeSettings) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .operation_attempt_timeout(Duration::from_secs(120))
        .operation_timeout(Duration::from_secs(300))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client(settings.endpoint.as_deref()))
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4));
    let local_region = settings.endpoint.as_ref().map(|_| LOCAL_REGION.to_owned());
    if let Some(region) = settings.region.clone().or(local_region) {
        loader = loader.region(Region::new(region));
    }
    if let Some((access_key, secret_key)) = &settings.credentials {
        loader = loader.credentials_provider(
            Credentials::builder()
                .access_key_id(access_key)
                .secret_access_key(secret_key)
                .provider_name("settings")
                .build(),
        );
    }
    let mut config = aws_sdk_s3::config::Builder::from(&loader.load().await);
    if let Some(endpoint) = &settings.endpoint {
        // Servers other than AWS's know neither bucket host names nor all checksums.
        config = config
            .endpoint_url(endpoint)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    Client::from_conf(config.build())
}

fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    let tls = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    // A machine without root certificates can still speak to a server that uses none.
    match TlsContext::builder().with_trust_store(TrustStore::empty()).build() {
        Ok(no_roots) if plain => tls.tls_context(no_roots).build_https(),
        _ => tls.build_https(),
    }
}

/// What a failed call means, the SDK's error kept as its cause.
pub(crate) fn failure<E>(request: Request, endpoint: Option<&str>, error: SdkError<E, HttpResponse>) -> LakeError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    let unsent = matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_));
    // The cause, not the error itself: that one would print the whole response.
    let source = error.into_source().unwrap_or_else(Into::into);
    match (code.as_deref(), status) {
        _ if unsent && mentions_credentials(source.as_ref()) => LakeError::NoCredentials { request, source },
        _ if unsent => LakeError::Unreachable { request, endpoint: endpoint.map(str::to_owned), source },
        (Some("NoSuchBucket"), _) => LakeError::NoSuchBucket { request, source },
        (Some("NoSuchKey"), _) => LakeError::NotFound { request },
        (
            Some(
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "InvalidToken"
                | "RequestTimeTooSkewed"
                | "NotSignedUp",
            ),
            _,
        ) => LakeError::WrongCredentials { request, source },
        (Some("PermanentRedirect" | "AuthorizationHeaderMalformed"), _) | (_, Some(301)) => {
            LakeError::WrongRegion { request, source }
        }
        (Some("AccessDenied"), _) | (None, Some(403)) => LakeError::AccessDenied { request, source },
        (Some("ConditionalRequestConflict" | "OperationAborted"), _) => LakeError::Contended { request, source },
        _ => LakeError::Failed { request, code, source },
    }
}

/// The SDK reports missing credentials as a request that could not be sent.
fn mentions_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.to_string().to_lowercase().contains("credential") {
            return true;
        }
        cause = error.source();
    }
    false
}
