//! A state machine's definition as a state diagram.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use serde_json::Value;

use super::quoted;

/// The diagram of a definition in the Amazon States Language: a state at its first mention from the start, what a Map
/// does with each item inside it.
#[must_use]
pub fn state_machine(definition: &Value) -> String {
    let mut text = "stateDiagram-v2\n".to_owned();
    machine(definition, 1, &mut text);
    text
}

fn machine(definition: &Value, depth: usize, text: &mut String) {
    let Some(start) = definition["StartAt"].as_str() else { return };
    line(text, depth, &format!("[*] --> {start}"));
    let mut seen = BTreeSet::from([start]);
    let mut waiting = VecDeque::from([start]);
    while let Some(name) = waiting.pop_front() {
        let state = &definition["States"][name];
        if state["ItemProcessor"].is_object() {
            let at_once = state["MaxConcurrency"].as_u64().map_or(String::new(), |most| format!(", {most} at once"));
            let label = quoted(&format!("{name}: for each{at_once}"));
            line(text, depth, &format!("state {label} as {name} {{"));
            machine(&state["ItemProcessor"], depth + 1, text);
            line(text, depth, "}");
        }
        for (next, label) in ways(state) {
            line(text, depth, &format!("{name} --> {next}{label}"));
            if next != END && seen.insert(next) {
                waiting.push_back(next);
            }
        }
    }
}

/// Where a machine ends, as Mermaid writes it.
const END: &str = "[*]";

/// Where a state leads, and with which label.
fn ways(state: &Value) -> Vec<(&str, String)> {
    let mut ways = Vec::new();
    for choice in state["Choices"].as_array().into_iter().flatten() {
        let label = choice["Comment"].as_str().map_or(String::new(), |comment| format!(": {comment}"));
        ways.extend(choice["Next"].as_str().map(|next| (next, label)));
    }
    ways.extend(state["Default"].as_str().map(|next| (next, ": otherwise".to_owned())));
    ways.extend(state["Next"].as_str().map(|next| (next, String::new())));
    if state["End"] == true || matches!(state["Type"].as_str(), Some("Succeed" | "Fail")) {
        ways.push((END, String::new()));
    }
    for catch in state["Catch"].as_array().into_iter().flatten() {
        let next = catch["Next"].as_str().unwrap_or(END);
        // Where a state goes on in any case, that it may fail changes nothing.
        if !ways.iter().any(|(known, _)| *known == next) {
            ways.push((next, format!(": {}", errors(catch))));
        }
    }
    ways
}

fn errors(catch: &Value) -> String {
    let names = catch["ErrorEquals"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<&str> = names.map(|name| if name == "States.ALL" { "fails" } else { name }).collect();
    names.join(", ")
}

fn line(text: &mut String, depth: usize, content: &str) {
    let _ = writeln!(text, "{:indent$}{content}", "", indent = depth * 4);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_stand_in_the_order_in_which_they_are_reached() {
        let definition = json!({
            "StartAt": "Read",
            "States": {
                "Alert": {
                    "Type": "Task",
                    "Next": "Over",
                    "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Over" }],
                },
                "Each": {
                    "Type": "Map",
                    "MaxConcurrency": 3,
                    "ItemProcessor": { "StartAt": "One", "States": { "One": { "Type": "Task", "End": true } } },
                    "Next": "Over",
                },
                "Over": { "Type": "Succeed" },
                "Read": {
                    "Type": "Task",
                    "Next": "Which",
                    "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Alert" }],
                },
                "Which": {
                    "Type": "Choice",
                    "Choices": [{ "Comment": "nothing", "Condition": "{% true %}", "Next": "Over" }],
                    "Default": "Each",
                },
            },
        });
        let expected = "\
stateDiagram-v2
    [*] --> Read
    Read --> Which
    Read --> Alert: fails
    Which --> Over: nothing
    Which --> Each: otherwise
    Alert --> Over
    Over --> [*]
    state \"Each: for each, 3 at once\" as Each {
        [*] --> One
        One --> [*]
    }
    Each --> Over
";
        assert_eq!(state_machine(&definition), expected);
    }
}
