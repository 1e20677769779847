//! Texts as they are, or in quotes where they would be taken for something else.

use std::str::Chars;

/// The text a cell stands for; `None` for an empty cell and for broken quotes.
pub(crate) fn read(cell: &str) -> Option<String> {
    match cell.strip_prefix('"') {
        None => (!cell.is_empty()).then(|| cell.to_owned()),
        Some(quoted) => unquote(quoted),
    }
}

pub(crate) fn write(text: &str) -> String {
    let ambiguous = text.is_empty()
        || text == super::NULL
        || text.starts_with('"')
        || text.trim() != text
        || text.contains(char::is_control);
    if ambiguous { quote(text) } else { text.to_owned() }
}

fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// What follows the first quote.
fn unquote(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        text.push(match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(text),
            '\\' => match chars.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => code_point(&mut chars)?,
                char @ ('"' | '\\' | '/') => char,
                _ => return None,
            },
            char => char,
        });
    }
}

/// What follows `\u`: four hex digits, and a second escape if they are half of a pair.
fn code_point(chars: &mut Chars<'_>) -> Option<char> {
    let first = code_unit(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if (chars.next()?, chars.next()?) != ('\\', 'u') {
        return None;
    }
    let second = code_unit(chars).filter(|unit| (0xdc00..0xe000).contains(unit))?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn code_unit(chars: &mut Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | chars.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn texts_and_their_cells() {
        for (text, cell) in [
            ("Anaïs", "Anaïs"),
            ("a | b", "a | b"),
            ("null", "null"),
            ("say \"hi\"", "say \"hi\""),
            ("C:\\temp\\", "C:\\temp\\"),
            ("NULL", "\"NULL\""),
            ("", "\"\""),
            (" a", "\" a\""),
            ("a\u{a0}", "\"a\u{a0}\""),
            ("\"", "\"\\\"\""),
            ("two\nlines\\", "\"two\\nlines\\\\\""),
            ("\u{7f}", "\"\\u007f\""),
        ] {
            assert_eq!(write(text), cell);
            assert_eq!(read(cell).as_deref(), Some(text), "{cell}");
        }
        assert_eq!(read("\"\\ud83d\\ude00\\/\"").as_deref(), Some("😀/"));
    }

    #[test]
    fn cells_that_are_no_text() {
        for cell in ["", "\"", "\"a", "\"a\"b", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"", "\"\\ud83d\\n\"", "\"a\\\""] {
            assert_eq!(read(cell), None, "{cell}");
        }
    }
}
