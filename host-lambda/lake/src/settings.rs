//! Where the lake is and who asks.

use std::fmt;

use crate::BucketNames;

/// How to reach the lake.
#[derive(Clone)]
pub struct LakeSettings {
    /// The buckets' names.
    pub buckets: BucketNames,
    /// The region; unset means AWS's own conventions.
    pub region: Option<String>,
    /// The address of an S3 server that is not AWS's.
    pub endpoint: Option<String>,
    /// Access key and secret key; unset means AWS's own conventions.
    pub credentials: Option<(String, String)>,
    /// The lake's identity, where it is known beforehand: another lake's records are then refused.
    pub lake_id: Option<String>,
}

impl LakeSettings {
    /// A lake on a server that is not AWS's, whose region is of no matter.
    #[must_use]
    pub fn on_server(prefix: &str, endpoint: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            buckets: BucketNames::with_prefix(prefix),
            region: None,
            endpoint: Some(endpoint.to_owned()),
            credentials: Some((access_key.to_owned(), secret_key.to_owned())),
            lake_id: None,
        }
    }
}

impl fmt::Debug for LakeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeSettings")
            .field("buckets", &self.buckets)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("credentials", &self.credentials.as_ref().map(|_| "hidden"))
            .field("lake_id", &self.lake_id)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_printed() {
        let settings = LakeSettings {
            buckets: BucketNames::with_prefix("totesys"),
            region: None,
            endpoint: None,
            credentials: Some(("the-access-key".to_owned(), "the-secret".to_owned())),
            lake_id: None,
        };
        let printed = format!("{settings:?}");
        assert!(!printed.contains("the-access-key") && !printed.contains("the-secret"), "{printed}");
    }
}
