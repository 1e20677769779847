//! State transitions of an execution, counted in the machine's own definition. A transition is each state that is
//! entered, and one more for the start, on the safe side.

use serde_json::Value;

/// Of an execution that finds nothing to do: every choice goes to where the execution ends well, if it can.
pub(super) fn nothing_new(machine: &Value) -> usize {
    1 + entered(machine, 0, |machine, choice| {
        let ways = choice["Choices"].as_array().into_iter().flatten().map(|way| &way["Next"]);
        let mut ways = ways.chain([&choice["Default"]]).filter_map(Value::as_str);
        ways.find(|way| machine["States"][way]["Type"] == "Succeed")
    })
}

/// Of an execution in which every star is transformed and loaded, and nothing fails.
pub(super) fn something_new(machine: &Value, stars: usize) -> usize {
    1 + entered(machine, stars, |_, choice| choice["Default"].as_str())
}

/// The states that are entered from the first to the last.
fn entered<'a>(machine: &'a Value, stars: usize, choose: fn(&'a Value, &'a Value) -> Option<&'a str>) -> usize {
    let states = machine["States"].as_object();
    let most = states.map_or(0, serde_json::Map::len);
    let (mut next, mut count) = (machine["StartAt"].as_str(), 0);
    for _ in 0..most {
        let Some(state) = next.and_then(|name| states?.get(name)) else { break };
        count += 1;
        if state["Type"] == "Map" {
            count += stars * entered(&state["ItemProcessor"], 0, choose);
        }
        next = if state["Type"] == "Choice" { choose(machine, state) } else { state["Next"].as_str() };
    }
    count
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{RawEnvironment, machine};

    #[test]
    fn the_pipeline_machine_makes_so_many() {
        let raw = RawEnvironment {
            region: Some("eu-west-2".to_owned()),
            prefix: Some("acme-totesys".to_owned()),
            ..RawEnvironment::default()
        };
        let machine = machine::pipeline(&raw.check("test", BTreeMap::new()).unwrap());
        // Start, Extract, WhatIsDue, Done.
        assert_eq!(nothing_new(&machine), 4);
        // Start, Extract, WhatIsDue, TransformStars, a Transform for each star, Load, DidAnyFail, Done.
        assert_eq!([1, 3, 5].map(|stars| something_new(&machine, stars)), [8, 10, 12]);
    }
}
