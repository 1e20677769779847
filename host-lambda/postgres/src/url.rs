//! The parts of a `postgresql://` URL.

use crate::ConnectionError;

/// The parts a URL names; an empty part counts as not named.
#[derive(Default)]
pub(crate) struct DatabaseUrl {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

pub(crate) fn bad(problem: &'static str) -> ConnectionError {
    ConnectionError::BadSettings { problem }
}

impl DatabaseUrl {
    /// Takes a URL apart; the empty URL names nothing.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectionError> {
        let url = url.trim();
        if url.is_empty() {
            return Ok(Self::default());
        }
        let rest = url
            .strip_prefix("postgresql://")
            .or_else(|| url.strip_prefix("postgres://"))
            .ok_or_else(|| bad("the URL does not start with postgresql://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match user_info.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user_info, None),
        };
        let (host, port) = split_address(address)?;
        let mut parsed = Self {
            user: part(user)?,
            password: password.map(part).transpose()?.flatten(),
            host: part(host)?,
            port: part(port)?,
            database: part(database)?,
            parameters: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| bad("a parameter of the URL has no value"))?;
            let value = part(value)?;
            match decode(name)?.as_str() {
                "user" => parsed.user = value,
                "password" => parsed.password = value,
                "host" => parsed.host = value,
                "port" => parsed.port = value,
                "dbname" => parsed.database = value,
                name => parsed.parameters.extend(value.map(|value| (name.to_owned(), value))),
            }
        }
        Ok(parsed)
    }
}

fn split_address(address: &str) -> Result<(&str, &str), ConnectionError> {
    if address.contains(',') {
        return Err(bad("the URL names several hosts; name one"));
    }
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| bad("the URL has a [ without its ]"))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if after.is_empty() => Ok((host, "")),
            None => Err(bad("the URL has something between ] and the port")),
        };
    }
    match address.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(bad("an IPv6 address in the URL needs [ and ] around it")),
        Some((host, port)) => Ok((host, port)),
        None => Ok((address, "")),
    }
}

fn part(text: &str) -> Result<Option<String>, ConnectionError> {
    Ok(Some(decode(text)?).filter(|text| !text.is_empty()))
}

fn decode(text: &str) -> Result<String, ConnectionError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) if (high, low) != (0, 0) => bytes.push((high * 16 + low).to_le_bytes()[0]),
            _ => return Err(bad("the URL has a % that two hexadecimal digits do not follow (a literal % is %25)")),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("the URL is not UTF-8"))
}
