//! How what a component describes differs from what the live one does.

use std::fmt;

use serde::Serialize;
use star_contract::{Column, Delivery, Description, Input, Output, Role};

/// One difference of two descriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: an input or an output.
    pub side: Side,
    /// The table.
    pub table: String,
    /// The column, if it is about one.
    pub column: Option<String>,
    /// What is another.
    pub what: String,
    /// What it means.
    pub effect: Effect,
}

/// Which side of a component a change is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// What it reads.
    Input,
    /// What it writes.
    Output,
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Less is read or written.
    Narrowing,
    /// Something is added.
    Additive,
    /// Source data is read that was not read before.
    Widening,
    /// The warehouse keeps what it has and cannot become what is described.
    Refused,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Narrowing => "narrowing",
            Self::Additive => "additive",
            Self::Widening => "widening",
            Self::Refused => "refused",
        })
    }
}

/// Every difference between the live description, if there is one, and a candidate's.
#[must_use]
pub fn changes(old: Option<&Description>, new: &Description) -> Vec<Change> {
    let mut found = Vec::new();
    for input in &new.inputs {
        inputs(old.and_then(|old| old.input(&input.table)), input, &mut found);
    }
    for output in &new.outputs {
        outputs(old.and_then(|old| old.output(&output.table)), output, &mut found);
    }
    let Some(old) = old else { return found };
    for input in old.inputs.iter().filter(|input| new.input(&input.table).is_none()) {
        found.push(change(Side::Input, &input.table, None, "is read no more", Effect::Narrowing));
    }
    for output in old.outputs.iter().filter(|output| new.output(&output.table).is_none()) {
        let what = "is written no more; its rows stay as they are";
        found.push(change(Side::Output, &output.table, None, what, Effect::Narrowing));
    }
    found
}

fn change(side: Side, table: &str, column: Option<&str>, what: impl Into<String>, effect: Effect) -> Change {
    Change { side, table: table.to_owned(), column: column.map(str::to_owned), what: what.into(), effect }
}

fn inputs(old: Option<&Input>, new: &Input, found: &mut Vec<Change>) {
    let mut add = |column: Option<&str>, what: String, effect| {
        found.push(change(Side::Input, &new.table, column, what, effect));
    };
    let Some(old) = old else {
        let names: Vec<&str> = new.columns.iter().map(|column| column.name.as_str()).collect();
        return add(None, format!("is newly read: {}", names.join(", ")), Effect::Widening);
    };
    let delivered = |delivery| if delivery == Delivery::Changes { "changes" } else { "a snapshot" };
    if old.delivery != new.delivery {
        let what = format!("is wanted as {} instead of {}", delivered(new.delivery), delivered(old.delivery));
        add(None, what, Effect::Widening);
    }
    if old.key != new.key {
        add(None, format!("has the key {} instead of {}", new.key.join(", "), old.key.join(", ")), Effect::Widening);
    }
    for column in &new.columns {
        match old.columns.iter().find(|known| known.name == column.name) {
            None => add(Some(&column.name), format!("is newly read as {}", column.column_type), Effect::Widening),
            Some(known) if known.column_type != column.column_type => {
                let what = format!("is read as {} instead of {}", column.column_type, known.column_type);
                add(Some(&column.name), what, Effect::Widening);
            }
            Some(known) if known.nullable != column.nullable => {
                let what = if column.nullable { "may be NULL now" } else { "may not be NULL any more" };
                add(Some(&column.name), what.to_owned(), Effect::Additive);
            }
            Some(_) => {}
        }
    }
    for column in old.columns.iter().filter(|column| !new.columns.iter().any(|known| known.name == column.name)) {
        add(Some(&column.name), "is read no more".to_owned(), Effect::Narrowing);
    }
}

fn outputs(old: Option<&Output>, new: &Output, found: &mut Vec<Change>) {
    let mut add = |column: Option<&str>, what: String, effect| {
        found.push(change(Side::Output, &new.table, column, what, effect));
    };
    let role = |role| if role == Role::Fact { "fact" } else { "dimension" };
    let Some(old) = old else {
        return add(None, format!("is a new {} of {} columns", role(new.role), new.columns.len()), Effect::Additive);
    };
    if old.role != new.role {
        add(None, format!("is a {} instead of a {}", role(new.role), role(old.role)), Effect::Refused);
    }
    if old.business_key != new.business_key {
        let what = format!("has the key {} instead of {}", new.business_key.join(", "), old.business_key.join(", "));
        add(None, what, Effect::Refused);
    }
    if old.surrogate_key != new.surrogate_key {
        add(None, "has another record id column".to_owned(), Effect::Refused);
    }
    if old.keyed_by != new.keyed_by {
        add(None, "is keyed by another input".to_owned(), Effect::Additive);
    }
    if old.created() != new.created() {
        add(None, "says otherwise when its first versions began".to_owned(), Effect::Additive);
    }
    for column in &new.columns {
        match old.columns.iter().find(|known| known.name == column.name) {
            None if column.nullable => {
                add(
                    Some(&column.name),
                    format!("is new, {}, filled from now on", column.column_type),
                    Effect::Additive,
                );
            }
            None => {
                let what = format!("is new, {} NOT NULL: rows there are have no value for it", column.column_type);
                add(Some(&column.name), what, Effect::Refused);
            }
            Some(known) => retyped(known, column, &mut add),
        }
    }
    for column in old.columns.iter().filter(|column| !new.columns.iter().any(|known| known.name == column.name)) {
        let (what, effect) = if column.nullable {
            ("is written no more: NULL from now on", Effect::Narrowing)
        } else {
            ("is written no more, and is NOT NULL in the warehouse", Effect::Refused)
        };
        add(Some(&column.name), what.to_owned(), effect);
    }
    let named = |output: &Output| -> Vec<String> {
        output.references.iter().map(|r| format!("{} to {}.{}", r.column, r.table, r.target)).collect()
    };
    let (before, after) = (named(old), named(new));
    for reference in after.iter().filter(|reference| !before.contains(reference)) {
        add(None, format!("refers newly by {reference}"), Effect::Additive);
    }
    for reference in before.iter().filter(|reference| !after.contains(reference)) {
        add(None, format!("refers no more by {reference}; the foreign key stays"), Effect::Narrowing);
    }
}

fn retyped(old: &Column, new: &Column, add: &mut impl FnMut(Option<&str>, String, Effect)) {
    let text = |column: &Column| {
        let unconstrained = if column.is_unconstrained() { " in a numeric without precision" } else { "" };
        format!("{}{unconstrained}", column.column_type)
    };
    if text(old) != text(new) {
        add(Some(&new.name), format!("is {} instead of {}", text(new), text(old)), Effect::Refused);
    } else if old.nullable && !new.nullable {
        add(Some(&new.name), "may not be NULL any more; the warehouse has NULLs".to_owned(), Effect::Refused);
    } else if !old.nullable && new.nullable {
        add(Some(&new.name), "may be NULL now".to_owned(), Effect::Additive);
    }
}

#[cfg(test)]
mod tests;
