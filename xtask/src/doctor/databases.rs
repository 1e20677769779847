//! The databases' secrets, and whether what they name can be reached from here.

use anyhow::Result;
use host_lambda::HostError;
use totesys_postgres::{ConnectionError, ConnectionSettings};
use totesys_secrets::Secrets;

use super::finding::{Finding, Verdict};
use crate::arguments::Database;
use crate::aws::Cloud;
use crate::secret::{self, Standing};

const AREA: &str = "databases";

/// Looks at both, one after the other.
pub(super) async fn look(cloud: &Cloud) -> Vec<Finding> {
    let mut findings = Vec::new();
    for database in Database::ALL {
        let (name, environment) = (database.name(), &cloud.environment.name);
        match secret::standing(cloud, database).await {
            Ok(Standing::Set) => findings.push(reach(cloud, database).await),
            Ok(Standing::Empty) => findings.push(Finding::error(
                AREA,
                format!("nobody has said where the {name} is"),
                format!("cargo xtask secret set {name} --env {environment}"),
            )),
            Ok(Standing::Absent) => findings.push(Finding::ok(
                AREA,
                format!("the {name}'s secret is made with the data stack; then `secret set {name}` gives it a value"),
            )),
            Err(error) => {
                let words = format!("the {name}'s secret cannot be looked at");
                findings.push(Finding::of_error(AREA, Verdict::Warning, &words, &error));
            }
        }
    }
    findings
}

async fn reach(cloud: &Cloud, database: Database) -> Finding {
    let name = database.name();
    let settings = match address(cloud, database).await {
        Ok(settings) => settings,
        Err(error) => {
            return Finding::of_error(AREA, Verdict::Error, &format!("the {name}'s address cannot be used"), &error);
        }
    };
    match settings.connect("totesys-doctor").await {
        Ok(_) => Finding::ok(AREA, format!("the {name} answers: {settings}")),
        Err(error) => unreached(name, cloud.environment.network.is_some(), error),
    }
}

async fn address(cloud: &Cloud, database: Database) -> Result<ConnectionSettings> {
    let secrets = Secrets::connect(Some(&cloud.environment.region)).await;
    let read = secrets.read(&cloud.environment.names.secret(database.name())).await;
    let url = read.map_err(HostError::from)?;
    let certificates = cloud.environment.sslrootcert.clone();
    // As a function has it: of all variables only the deployed authorities'.
    Ok(ConnectionSettings::parse(url.as_str(), &|name| {
        (name == "PGSSLROOTCERT").then(|| certificates.clone()).flatten()
    })?)
}

/// A database of a private network is not to be reached from here, which says nothing of the functions.
fn unreached(name: &str, private: bool, error: ConnectionError) -> Finding {
    let far = matches!(error, ConnectionError::Unreachable { .. } | ConnectionError::TimedOut { .. });
    let error = anyhow::Error::new(error);
    if !far {
        return Finding::of_error(AREA, Verdict::Error, &format!("the {name} refuses"), &error);
    }
    let mut finding =
        Finding::of_error(AREA, Verdict::Warning, &format!("the {name} is not reached from here"), &error);
    finding.remedy = Some(if private {
        "the functions are in the environment's `network` and may reach it all the same: `cargo xtask run --aws` tries"
            .to_owned()
    } else {
        "the functions ask from the open internet, as this machine does: let it in there, or put them into the \
         database's private network with [environments.NAME.network]"
            .to_owned()
    });
    finding
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_private_network_is_explained_and_no_error() {
        let timed_out =
            || ConnectionError::TimedOut { place: "u@10.0.0.7:5432/d".into(), waited: Duration::from_secs(15) };
        let private = unreached("source", true, timed_out());
        let public = unreached("source", false, timed_out());
        assert_eq!((private.verdict, public.verdict), (Verdict::Warning, Verdict::Warning));
        assert!(private.what.contains("no answer from u@10.0.0.7:5432/d within 15 seconds"));
        assert!(private.remedy.is_some_and(|remedy| remedy.contains("`network`")));
        assert!(public.remedy.is_some_and(|remedy| remedy.contains("private network")));
        let refused = unreached("source", true, ConnectionError::PasswordMissing { place: "u@h:1/d".into() });
        assert_eq!(refused.verdict, Verdict::Error);
    }
}
