//! `~/.pgpass`: passwords by host, port, database and user.

use std::path::Path;

/// One line of a password file.
#[derive(Clone)]
pub(crate) struct PassLine {
    /// Host, port, database, user; `*` matches anything.
    patterns: [String; 4],
    password: String,
}

/// Reads a password file; as with libpq one that others may read is ignored.
pub(crate) fn read(path: &Path) -> Vec<PassLine> {
    let Ok(metadata) = std::fs::metadata(path) else { return Vec::new() };
    if !metadata.is_file() || !is_private(&metadata) {
        tracing::warn!("the password file is ignored: it is no plain file or others may read it");
        return Vec::new();
    }
    std::fs::read_to_string(path).map(|text| parse(&text)).unwrap_or_default()
}

#[cfg(unix)]
fn is_private(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_: &std::fs::Metadata) -> bool {
    true
}

fn parse(text: &str) -> Vec<PassLine> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

fn line(line: &str) -> Option<PassLine> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => fields.last_mut()?.extend(characters.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields.last_mut()?.push(other),
        }
    }
    let [host, port, database, user, password]: [String; 5] = fields.try_into().ok()?;
    Some(PassLine { patterns: [host, port, database, user], password })
}

/// The first password that fits.
pub(crate) fn find<'a>(lines: &'a [PassLine], wanted: [&str; 4]) -> Option<&'a str> {
    lines
        .iter()
        .find(|line| line.patterns.iter().zip(wanted).all(|(pattern, value)| pattern == "*" || pattern == value))
        .map(|line| line.password.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_wins() {
        let lines = parse("# comment\ndb:5432:totesys:reader:a\\:b\\\\c\nbroken line\n*:*:*:reader:any\n");
        for (wanted, password) in [
            (["db", "5432", "totesys", "reader"], Some("a:b\\c")),
            (["db", "5433", "totesys", "reader"], Some("any")),
            (["db", "5432", "totesys", "writer"], None),
        ] {
            assert_eq!(find(&lines, wanted), password);
        }
    }
}
