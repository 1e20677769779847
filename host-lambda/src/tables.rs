//! Which source tables the live components read, taken together.

use std::collections::BTreeMap;

use star_contract::{Column, Description};
use totesys_source::TableRequest;

use crate::HostError;

/// One request per table, with every column any component wants.
pub(crate) fn requested<'a>(
    descriptions: impl Iterator<Item = &'a Description>,
) -> Result<Vec<TableRequest>, HostError> {
    let mut tables: BTreeMap<&str, TableRequest> = BTreeMap::new();
    for input in descriptions.flat_map(|description| &description.inputs) {
        let request = tables.entry(&input.table).or_insert_with(|| TableRequest {
            table: input.table.clone(),
            columns: Vec::new(),
            key: input.key.clone(),
            delivery: input.delivery,
        });
        let disagree = |what: &str| HostError::Disagreement { table: input.table.clone(), what: what.to_owned() };
        if request.delivery != input.delivery {
            return Err(disagree("whether they want its changes or a snapshot"));
        }
        if request.key != input.key {
            return Err(disagree("its key"));
        }
        for column in &input.columns {
            merge(&mut request.columns, column)
                .map_err(|()| disagree(&format!("the type of column `{}`", column.name)))?;
        }
    }
    Ok(tables.into_values().collect())
}

/// A column two components read is ingested once; it may be NULL only if both can take that.
fn merge(columns: &mut Vec<Column>, column: &Column) -> Result<(), ()> {
    match columns.iter_mut().find(|known| known.name == column.name) {
        None => columns.push(column.clone()),
        Some(known) if known.column_type == column.column_type => known.nullable &= column.nullable,
        Some(_) => return Err(()),
    }
    Ok(())
}
