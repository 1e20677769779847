//! `secret set`: where a database is, from stdin into AWS Secrets Manager. It is shown nowhere, and no template has it.

mod stdin;

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;
use totesys_postgres::ConnectionSettings;
use totesys_secrets::DatabaseUrl;

use crate::arguments::{Database, SetSecret};
use crate::aws::{Cloud, refused};
use crate::hint::advise;
use crate::place::say;

/// Whether an environment's secret is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is no such secret: the data stack makes it.
    Absent,
    /// It has no value yet.
    Empty,
    /// It has one.
    Set,
}

/// Looks whether a secret has a value, without reading it.
pub(crate) async fn standing(cloud: &Cloud, database: Database) -> Result<Standing> {
    let secret = cloud.environment.names.secret(database.name());
    match cloud.secrets().describe_secret().secret_id(secret).send().await {
        Ok(found) => {
            let mut stages = found.version_ids_to_stages().into_iter().flat_map(|versions| versions.values().flatten());
            let set = stages.any(|stage| stage == "AWSCURRENT");
            Ok(if set { Standing::Set } else { Standing::Empty })
        }
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
            Ok(Standing::Absent)
        }
        Err(error) => Err(refused("secretsmanager", error)),
    }
}

/// Reads a database's address, checks it and stores it.
pub(crate) async fn set(cloud: &Cloud, arguments: &SetSecret) -> Result<()> {
    let (name, database) = (&cloud.environment.name, arguments.which.name());
    cloud.account().await?;
    if standing(cloud, arguments.which).await? == Standing::Absent {
        return Err(absent(cloud, arguments.which));
    }
    let question = format!("the {database}'s URL, postgresql://user:password@host:5432/database (not shown):");
    let value = stdin::read(&question).await?;
    let address = Address::of(&value)?;
    for remark in &address.remarks {
        say(&format!("warning: {remark}"));
    }
    let secret = cloud.environment.names.secret(database);
    let put = cloud.secrets().put_secret_value().secret_id(&secret).secret_string(value.trim()).send().await;
    put.map_err(|error| match error.as_service_error() {
        Some(refusal) if refusal.is_resource_not_found_exception() => absent(cloud, arguments.which),
        Some(refusal) if refusal.is_invalid_request_exception() => advise(
            format!("secret `{secret}` takes no value: it is to be deleted, or another service manages it"),
            format!("aws secretsmanager restore-secret --secret-id {secret} takes a deletion back"),
        ),
        _ => refused("secretsmanager", error),
    })?;
    let others = Database::ALL.into_iter().filter(|other| *other != arguments.which);
    let mut next = format!("cargo xtask doctor --env {name}");
    for other in others {
        if standing(cloud, other).await? == Standing::Empty {
            next = format!("cargo xtask secret set {} --env {name}", other.name());
        }
    }
    if arguments.output.json {
        println!("{}", json!({ "secret": secret, "database": database, "place": address.place }));
    } else {
        println!("secret `{secret}` says where the {database} is: {}", address.place);
        say(&format!("next: {next}"));
    }
    Ok(())
}

fn absent(cloud: &Cloud, database: Database) -> anyhow::Error {
    advise(
        format!("there is no secret `{}` yet", cloud.environment.names.secret(database.name())),
        format!("`cargo xtask deploy --env {}` makes it, without a value; then set it", cloud.environment.name),
    )
}

/// What may be said of an address, and what it is warned of.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// `user@host:port/database`.
    place: String,
    remarks: Vec<String>,
}

impl Address {
    /// Checks a secret's value as the functions will read it. Nothing of it is in an error.
    fn of(value: &str) -> Result<Self> {
        let wrong = |problem: &str| {
            advise(
                format!("this is no address of a database: {problem}"),
                "postgresql://user:password@host:5432/database?sslmode=verify-full, or the JSON of an RDS secret with \
                 host, username, password and dbname; %XX for characters that mean something in a URL",
            )
        };
        let url = DatabaseUrl::from_secret(value).map_err(wrong)?;
        // What is asked for is what the URL leaves out; a function has none of these variables.
        let left_out = RefCell::new(BTreeSet::new());
        let parsed = ConnectionSettings::parse(url.as_str(), &|name| {
            left_out.borrow_mut().insert(name.to_owned());
            None
        });
        let place = parsed?.to_string();
        let left_out = left_out.into_inner();
        for (variable, what) in [("PGHOST", "host"), ("PGUSER", "user"), ("PGDATABASE", "database")] {
            if left_out.contains(variable) {
                return Err(wrong(&format!("it names no {what}")));
            }
        }
        let mut remarks = Vec::new();
        if is_local(&place) {
            remarks.push("the host is the machine itself: from AWS nothing can be reached there".to_owned());
        }
        if left_out.contains("PGPASSWORD") {
            remarks.push("there is no password in it: the server must let this user in without one".to_owned());
        }
        match parameter(url.as_str(), "sslmode") {
            Some("disable" | "allow" | "prefer") => {
                remarks.push("sslmode lets the connection go unencrypted: rows and password with it".to_owned());
            }
            Some("require") => remarks.push(
                "sslmode=require encrypts and checks no certificate: verify-full, with `sslrootcert` in the \
                 environment's settings, does"
                    .to_owned(),
            ),
            _ => {}
        }
        if parameter(url.as_str(), "sslrootcert").is_some_and(|file| file != "system") {
            remarks.push(
                "sslrootcert names a file that the functions do not have: set `sslrootcert` in the environment's \
                 settings, which is deployed with them, and leave it out here"
                    .to_owned(),
            );
        }
        Ok(Self { place, remarks })
    }
}

fn is_local(place: &str) -> bool {
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
    ["localhost:", "127.", "[::1]", "/"].iter().any(|local| host.to_ascii_lowercase().starts_with(local))
}

fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &str) -> String {
        match Address::of(value) {
            Ok(Address { place, remarks }) if remarks.is_empty() => place,
            Ok(Address { place, remarks }) => format!("{place}\n  {}", remarks.join("\n  ")),
            Err(error) => format!("refused: {error}"),
        }
    }

    #[test]
    fn addresses_are_checked_as_a_function_would_read_them() {
        let rds =
            r#"{"engine":"postgres","host":"db.acme.example","username":"loader","password":"p@ss","dbname":"w"}"#;
        let no_database = r#"{"host":"db.acme.example","username":"loader","password":"p@ss"}"#;
        let shown: Vec<String> = [
            "postgresql://reader:p@db.acme.example/totesys\n",
            "postgresql://reader:p@db.acme.example:5433/totesys?sslmode=verify-full",
            rds,
            "postgresql://reader:p@db.acme.example/totesys?sslmode=require",
            "postgresql://reader:p@10.0.0.7/totesys?sslmode=disable",
            "postgresql://reader:p@db.acme.example/totesys?sslrootcert=/etc/ssl/rds.pem",
            "postgresql://reader@localhost/totesys",
            "postgresql://reader:p@127.0.0.1:5432/totesys?sslmode=disable",
            "postgresql://reader:p@%2Ftmp/totesys",
            "postgresql:///totesys",
            "postgresql://db.acme.example/totesys",
            "postgresql://reader:p@db.acme.example",
            no_database,
            "postgresql://reader:p@db.acme.example/totesys?color=red",
            "mysql://reader:p@db.acme.example/totesys",
            "",
        ]
        .iter()
        .map(|value| said(value))
        .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn nothing_of_a_value_is_said_that_is_secret() {
        for value in [
            "postgresql://u:hunter2@h/d",
            "postgresql://u:hunter2@h:port/d",
            "postgresql://u:hunter2@h/",
            "hunter2",
            "{hunter2",
            r#"{"host":"h","username":"u","password":"hunter2"}"#,
            r#"{"password":"hunter2"}"#,
        ] {
            let hint = Address::of(value).err().and_then(|error| crate::hint::of(&error)).unwrap_or_default();
            assert!(!format!("{} {hint}", said(value)).contains("hunter2"), "{value}");
        }
    }
}
