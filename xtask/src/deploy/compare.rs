//! Where two values differ, down to what cannot be divided.

use serde_json::Value;

/// One place that differs. Nothing is a place that is not there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    /// Names and positions, joined by dots.
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// All places below `path` that differ.
pub(crate) fn leaves(path: &str, before: Option<&Value>, after: Option<&Value>) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(path, before.map(opened), after.map(opened), &mut found);
    found
}

/// A value as AWS writes it in text: documents are JSON in it, everything else is itself.
pub(crate) fn of_text(text: &str) -> Value {
    opened(&Value::String(text.to_owned()))
}

/// JSON inside of text, such as a state machine's definition, is compared as JSON.
fn opened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        _ => value.clone(),
    }
}

fn walk(path: &str, before: Option<Value>, after: Option<Value>, found: &mut Vec<Leaf>) {
    let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                walk(&child(name), before.get(name).map(opened), after.get(name).map(opened), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            // What both have is no difference, wherever it stands; what is left is paired in order.
            let rest = |of: &[Value], other: &[Value]| -> Vec<(usize, Value)> {
                let mut other: Vec<&Value> = other.iter().collect();
                let mut rest = Vec::new();
                for (position, value) in of.iter().enumerate() {
                    match other.iter().position(|candidate| *candidate == value) {
                        Some(taken) => drop(other.swap_remove(taken)),
                        None => rest.push((position, value.clone())),
                    }
                }
                rest
            };
            let (gone, new) = (rest(&before, &after), rest(&after, &before));
            if gone.is_empty() && new.is_empty() {
                let (before, after) = (Some(Value::Array(before)), Some(Value::Array(after)));
                found.push(Leaf { path: path.to_owned(), before, after });
                return;
            }
            for pair in 0..gone.len().max(new.len()) {
                let (gone, new) = (gone.get(pair), new.get(pair));
                let position = new.or(gone).map(|(position, _)| *position).unwrap_or_default();
                let value = |side: Option<&(usize, Value)>| side.map(|(_, value)| opened(value));
                walk(&child(&position.to_string()), value(gone), value(new), found);
            }
        }
        (before, after) => found.push(Leaf { path: path.to_owned(), before, after }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_found_where_they_are() {
        for (before, after, expected) in [
            (json!(1), json!(1), vec![]),
            (json!(1769), json!(2048), vec!["MemorySize: 1769 → 2048"]),
            (
                json!({ "a": 1, "b": 2 }),
                json!({ "b": 3, "c": 4 }),
                vec!["MemorySize.a: 1 → -", "MemorySize.b: 2 → 3", "MemorySize.c: - → 4"],
            ),
            // One statement more at the front is one difference.
            (
                json!(["s3:GetObject"]),
                json!(["s3:DeleteObject", "s3:GetObject"]),
                vec![r#"MemorySize.0: - → "s3:DeleteObject""#],
            ),
            (json!([{ "A": 1 }, { "A": 2 }]), json!([{ "A": 1 }, { "A": 3 }]), vec!["MemorySize.1.A: 2 → 3"]),
            (json!(["a", "b"]), json!(["b", "a"]), vec![r#"MemorySize: ["a","b"] → ["b","a"]"#]),
            // A document in text is a document.
            (
                json!(r#"{"TimeoutSeconds":1}"#),
                json!(r#"{"TimeoutSeconds":2}"#),
                vec!["MemorySize.TimeoutSeconds: 1 → 2"],
            ),
            (json!("{no json"), json!("{neither"), vec![r#"MemorySize: "{no json" → "{neither""#]),
        ] {
            let text = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
            let found: Vec<String> = leaves("MemorySize", Some(&before), Some(&after))
                .into_iter()
                .map(|leaf| format!("{}: {} → {}", leaf.path, text(leaf.before), text(leaf.after)))
                .collect();
            assert_eq!(found, expected);
        }
    }
}
