//! Why a secret cannot be read, or says nothing usable.

/// A cause of another library, kept for the chain.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Secrets Manager's codes for what passes by itself.
const PASSING: &[&str] =
    &["InternalServiceError", "InternalServiceErrorException", "ServiceUnavailable", "ThrottlingException"];

/// Why a secret gives no address. None shows the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody answered, or not in time.
    #[error("Secrets Manager cannot be reached for secret `{secret}`")]
    Unreachable {
        /// The secret's name or ARN.
        secret: String,
        /// The cause.
        source: Source,
    },
    /// No credentials were found.
    #[error("no credentials to read secret `{secret}` with")]
    NoCredentials {
        /// The secret's name or ARN.
        secret: String,
        /// The cause.
        source: Source,
    },
    /// The credentials do not permit it.
    #[error("secret `{secret}` may not be read")]
    AccessDenied {
        /// The secret's name or ARN.
        secret: String,
        /// The cause.
        source: Source,
    },
    /// There is no such secret, or it has no value yet.
    #[error("there is no secret `{secret}`, or it has no value yet")]
    NotFound {
        /// The secret's name or ARN.
        secret: String,
        /// The cause.
        source: Source,
    },
    /// Secrets Manager answered with something else.
    #[error("Secrets Manager failed with {} for secret `{secret}`", code.as_deref().unwrap_or("no error code"))]
    Failed {
        /// The secret's name or ARN.
        secret: String,
        /// Its error code, if it gave one.
        code: Option<String>,
        /// The cause.
        source: Source,
    },
    /// The value is no database's address.
    #[error("the value of secret `{secret}` cannot be used: {problem}")]
    Unusable {
        /// The secret's name or ARN.
        secret: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl SecretError {
    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Failed { code, .. } => code.as_deref().is_none_or(|code| PASSING.contains(&code)),
            _ => false,
        }
    }

    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "check the network and the region; from a VPC it takes an interface endpoint or a NAT gateway"
            }
            Self::NoCredentials { .. } => {
                "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the function a role"
            }
            Self::AccessDenied { .. } => {
                "let the role secretsmanager:GetSecretValue on it, and kms:Decrypt where a key of your own encrypts it"
            }
            Self::NotFound { .. } | Self::Unusable { .. } => {
                "`cargo xtask secret set source|warehouse --env NAME` stores a URL such as \
                 postgresql://user:password@host/database, read from stdin"
            }
            Self::Failed { code, .. } if code.as_deref() == Some("DecryptionFailure") => {
                "the key that encrypts it is disabled or gone: enable it, or store the value again"
            }
            Self::Failed { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
