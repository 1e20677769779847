//! Reading a secret, and what a refusal means.

use std::error::Error;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::{DatabaseUrl, SecretError};

/// The secrets of an account and region.
#[derive(Debug)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// A client by AWS's own conventions, in a region or in the one they say. Nothing is asked of AWS yet.
    pub async fn connect(region: Option<&str>) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(Duration::from_secs(10))
            .operation_timeout(Duration::from_secs(30))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3));
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        Self { client: Client::new(&loader.load().await) }
    }

    /// The current value of a secret, by its name or ARN.
    ///
    /// # Errors
    /// When it cannot be read, or its value is no database's address.
    pub async fn read(&self, secret: &str) -> Result<DatabaseUrl, SecretError> {
        let read = self.client.get_secret_value().secret_id(secret).send().await;
        let value = read.map_err(|error| refused(secret, error))?;
        let unusable = |problem| SecretError::Unusable { secret: secret.to_owned(), problem };
        let text = value.secret_string().ok_or_else(|| unusable("it holds bytes and no text"))?;
        DatabaseUrl::from_secret(text).map_err(unusable)
    }
}

fn refused<E>(secret: &str, error: SdkError<E, HttpResponse>) -> SecretError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let secret = secret.to_owned();
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    let unsent = matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_));
    // The cause, not the error itself: that one would print the whole response.
    let source = error.into_source().unwrap_or_else(Into::into);
    match code.as_deref() {
        // The SDK reports missing credentials as a request that could not be sent.
        _ if unsent && DisplayErrorContext(&*source).to_string().to_lowercase().contains("credential") => {
            SecretError::NoCredentials { secret, source }
        }
        _ if unsent => SecretError::Unreachable { secret, source },
        Some("ResourceNotFoundException") => SecretError::NotFound { secret, source },
        Some("AccessDeniedException") => SecretError::AccessDenied { secret, source },
        _ => SecretError::Failed { secret, code, source },
    }
}
