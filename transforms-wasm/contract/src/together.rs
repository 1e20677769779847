//! Whether stars can be live together: they share a source, and some of their tables.

use std::collections::BTreeMap;

use crate::{Description, DescriptionError, Input, Output, Role};

/// Checks what several live stars must agree on: what they read of one table, and what they write to one.
///
/// # Errors
/// The first disagreement.
pub fn check_together<'a>(descriptions: impl IntoIterator<Item = &'a Description>) -> Result<(), DescriptionError> {
    let mut inputs: BTreeMap<&str, Vec<&Input>> = BTreeMap::new();
    let mut outputs: BTreeMap<&str, Vec<&Output>> = BTreeMap::new();
    for description in descriptions {
        description.inputs.iter().for_each(|input| inputs.entry(&input.table).or_default().push(input));
        description.outputs.iter().for_each(|output| outputs.entry(&output.table).or_default().push(output));
    }
    for (table, inputs) in inputs {
        let fail = |problem| Err(DescriptionError { subject: table.to_owned(), problem });
        let Some((first, others)) = inputs.split_first() else { continue };
        if others.iter().any(|other| other.delivery != first.delivery) {
            return fail("one star wants its changes and another a snapshot");
        }
        if others.iter().any(|other| other.key != first.key) {
            return fail("stars describe its key differently");
        }
        let mut types = BTreeMap::new();
        for column in inputs.iter().flat_map(|input| &input.columns) {
            if *types.entry(&column.name).or_insert(column.column_type) != column.column_type {
                return fail("stars describe the type of one of its columns differently");
            }
        }
    }
    for (table, outputs) in outputs {
        let fail = |problem| Err(DescriptionError { subject: table.to_owned(), problem });
        let Some((first, others)) = outputs.split_first() else { continue };
        if !others.is_empty() && outputs.iter().any(|output| output.role == Role::Fact) {
            return fail("several stars write this fact");
        }
        if others.iter().any(|other| other != first) {
            return fail("stars describe this dimension differently");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, ColumnType, Delivery};

    fn star(change: impl Fn(&mut Description)) -> Description {
        let column = |name: &str, column_type| Column {
            name: name.to_owned(),
            column_type,
            nullable: false,
            extras: Vec::new(),
        };
        let columns = vec![column("id", ColumnType::Int32), column("city", ColumnType::Text)];
        let mut description = Description {
            star: "a".to_owned(),
            version: "1".to_owned(),
            inputs: vec![Input {
                table: "place".to_owned(),
                columns: columns.clone(),
                key: vec!["id".to_owned()],
                delivery: Delivery::Snapshot,
                extras: Vec::new(),
            }],
            outputs: vec![Output {
                table: "dim_place".to_owned(),
                role: Role::Dimension,
                columns,
                business_key: vec!["id".to_owned()],
                surrogate_key: None,
                references: Vec::new(),
                keyed_by: None,
                extras: Vec::new(),
            }],
            extras: Vec::new(),
        };
        change(&mut description);
        description
    }

    #[test]
    fn stars_agree_on_what_they_share() {
        type Change = fn(&mut Description);
        let cases: [(&str, Change); 7] = [
            ("", |_| {}),
            ("one star wants its changes", |star| star.inputs[0].delivery = Delivery::Changes),
            ("its key differently", |star| star.inputs[0].key = vec!["city".to_owned()]),
            ("one of its columns differently", |star| star.inputs[0].columns[1].column_type = ColumnType::Int64),
            ("several stars write this fact", |star| star.outputs[0].role = Role::Fact),
            ("this dimension differently", |star| star.outputs[0].columns[1].nullable = true),
            ("", |star| star.inputs[0].columns.truncate(1)),
        ];
        for (expected, change) in cases {
            let said = check_together([&star(|_| {}), &star(change)]).err().map_or("", |error| error.problem);
            assert!(said.ends_with(expected) || said.starts_with(expected) && !expected.is_empty(), "{said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
        }
    }
}
