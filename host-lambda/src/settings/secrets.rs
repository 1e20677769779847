//! Addresses that are secrets.

use totesys_secrets::Secrets;

use super::Settings;
use crate::HostError;

impl Settings {
    /// The same with what the secrets hold in the place of `source.url` and `warehouse.url`. Nothing is asked of AWS
    /// where no secret is named.
    ///
    /// # Errors
    /// When a secret cannot be read or holds no database's address.
    pub async fn with_secrets(&self) -> Result<Self, HostError> {
        let mut read = self.clone();
        if self.source.secret.is_none() && self.warehouse.secret.is_none() {
            return Ok(read);
        }
        let secrets = Secrets::connect(self.lake.region.as_deref()).await;
        for (secret, url) in
            [(&self.source.secret, &mut read.source.url), (&self.warehouse.secret, &mut read.warehouse.url)]
        {
            if let Some(secret) = secret {
                *url = Some(secrets.read(secret).await?.as_str().to_owned());
            }
        }
        Ok(read)
    }
}
