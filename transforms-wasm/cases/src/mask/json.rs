//! JSON whose strings and numbers are others. It is taken apart no further than that needs: what is no JSON comes out
//! masked all the same.

use super::{Noise, digits, masked_text};

/// The same structure with other strings and numbers, and with other names of members where they are no identifiers:
/// those may be values, such as addresses.
pub(super) fn masked(json: &str) -> String {
    let mut masked = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest),
            '-' | '0'..='9' => rest.find(|char: char| !is_of_number(char)).unwrap_or(rest.len()),
            _ => ["true", "false", "null"].iter().find(|word| rest.starts_with(**word)).map_or(0, |word| word.len()),
        };
        let (token, after) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        let mut noise = Noise::of(token.as_bytes());
        match first {
            '"' if after.trim_start().starts_with(':') && is_identifier(token) => masked.push_str(token),
            '"' => masked.push_str(&masked_string(token)),
            '-' | '0'..='9' => masked.push_str(&digits::spelled(token, &mut noise)),
            _ if length > 0 => masked.push_str(token),
            char => masked.push(noise.mask(char)),
        }
        rest = after;
    }
    masked
}

/// Whether a string, in its quotes, is a name as programs give them.
fn is_identifier(token: &str) -> bool {
    let name = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let begins = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_of_number(char: char) -> bool {
    matches!(char, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')
}

/// The length of the string a text begins with, quotes and all.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A string in its quotes. What is written as a code becomes a letter; other escapes stay.
fn masked_string(token: &str) -> String {
    let content = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
    if !content.contains('\\') {
        return token.replacen(content, &masked_text(content), 1);
    }
    let mut noise = Noise::of(content.as_bytes());
    let mut masked = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            masked.push(noise.mask(char));
            continue;
        }
        match chars.next() {
            Some('u') => {
                masked.push(noise.mask('u'));
                chars.by_ref().take(4).for_each(drop);
            }
            Some(escape) => masked.extend(['\\', escape]),
            None => masked.push('\\'),
        }
    }
    masked
}
