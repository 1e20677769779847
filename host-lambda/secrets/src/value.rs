//! What a secret's value says.

use std::fmt;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A database's address with its password, as a PostgreSQL URL. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Reads a secret's value: a PostgreSQL URL, or the JSON that Amazon RDS writes, with `host`, `username` and
    /// `password`, and perhaps `engine`, `port` and `dbname`.
    ///
    /// # Errors
    /// What is wrong with it, without the value.
    pub fn from_secret(value: &str) -> Result<Self, &'static str> {
        let value = value.trim();
        if ["postgresql://", "postgres://"].iter().any(|scheme| value.starts_with(scheme)) {
            return Ok(Self(value.to_owned()));
        }
        if !value.starts_with('{') {
            return Err("it is neither a postgresql:// URL nor the JSON of an RDS secret");
        }
        // What the reader of JSON says of a mistake may quote the value.
        let fields: Map<String, Value> =
            serde_json::from_str(value).map_err(|_| "it begins like JSON and is none, or none of an object")?;
        from_fields(&fields).map(Self)
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(hidden)")
    }
}

fn from_fields(fields: &Map<String, Value>) -> Result<String, &'static str> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("engine").is_some_and(|engine| !engine.contains("postgres")) {
        return Err("its `engine` is not PostgreSQL");
    }
    let host = text("host").ok_or("it has no `host`")?;
    let user = text("username").ok_or("it has no `username`")?;
    let password = text("password").ok_or("it has no `password`")?;
    let port = match fields.get("port") {
        None | Some(Value::Null) => None,
        // Some tools write it as text.
        Some(port) => Some(
            port.as_u64()
                .or_else(|| port.as_str()?.parse().ok())
                .filter(|port| (1..=65_535).contains(port))
                .ok_or("its `port` is no number from 1 to 65535")?,
        ),
    };
    let mut url = format!("postgresql://{}:{}@{}", encoded(user), encoded(password), encoded(host));
    if let Some(port) = port {
        // Writing to a String cannot fail.
        let _ = write!(url, ":{port}");
    }
    if let Some(database) = text("dbname") {
        let _ = write!(url, "/{}", encoded(database));
    }
    Ok(url)
}

/// A part of a URL, with everything that could mean something there as `%` and two digits.
fn encoded(part: &str) -> String {
    let mut url = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_the_json_of_rds_are_understood() {
        let rds = r#"{"engine": "postgres", "host": "db.example", "port": 5433, "username": "loader",
                      "password": "p@ss:w/rd%", "dbname": "ware house", "dbInstanceIdentifier": "db-1"}"#;
        for (value, url) in [
            (" postgresql://u:p@h/d?sslmode=require\n", "postgresql://u:p@h/d?sslmode=require"),
            ("postgres://h/d", "postgres://h/d"),
            (rds, "postgresql://loader:p%40ss%3Aw%2Frd%25@db.example:5433/ware%20house"),
            (r#"{"host": "::1", "username": "u", "password": "p"}"#, "postgresql://u:p@%3A%3A1"),
            (r#"{"host": "h", "port": "6000", "username": "u", "password": "p"}"#, "postgresql://u:p@h:6000"),
            (
                r#"{"engine": "aurora-postgresql", "host": "h", "port": null, "username": "u", "password": "p"}"#,
                "postgresql://u:p@h",
            ),
        ] {
            assert_eq!(DatabaseUrl::from_secret(value).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (value, problem) in [
            ("", "neither"),
            ("hunter2", "neither"),
            ("mysql://u:hunter2@h/d", "neither"),
            ("{\"password\": \"hunter2\"", "begins like JSON"),
            (r#"{"username": "u", "password": "hunter2"}"#, "no `host`"),
            (r#"{"host": "h", "password": "hunter2"}"#, "no `username`"),
            (r#"{"host": "h", "username": "hunter2"}"#, "no `password`"),
            (r#"{"host": "h", "username": "hunter2", "password": 7}"#, "no `password`"),
            (r#"{"host": "h", "username": "u", "password": "p", "port": "hunter2"}"#, "`port`"),
            (r#"{"host": "h", "username": "u", "password": "p", "port": 70000}"#, "`port`"),
            (r#"{"engine": "hunter2", "host": "h", "username": "u", "password": "p"}"#, "`engine`"),
        ] {
            let said = DatabaseUrl::from_secret(value).unwrap_err();
            assert!(said.contains(problem) && !said.contains("hunter2"), "{value}: {said}");
        }
        let url = DatabaseUrl::from_secret("postgresql://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{url:?}"), "DatabaseUrl(hidden)");
    }
}
