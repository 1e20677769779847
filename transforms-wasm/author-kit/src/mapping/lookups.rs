//! The snapshots that mappings join with, kept for the batch.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, StringArray};

use super::Lookup;
use crate::{Column, KitError, Rows};

/// The pushed rows of every table a mapping looks something up in.
#[derive(Default)]
pub(crate) struct LookupTables {
    tables: HashMap<&'static str, LookupTable>,
}

struct LookupTable {
    key: &'static str,
    columns: Vec<String>,
    /// Key → (push, row).
    rows: HashMap<i32, (usize, usize)>,
    /// Per push, the text columns in the order of `columns`.
    pushes: Vec<Vec<StringArray>>,
}

impl LookupTables {
    /// Says that `column` of the lookup's table will be asked for.
    pub(crate) fn want(&mut self, lookup: Lookup, column: &Column) {
        let table = self.tables.entry(lookup.table).or_insert_with(|| LookupTable {
            key: lookup.key,
            columns: Vec::new(),
            rows: HashMap::new(),
            pushes: Vec::new(),
        });
        if !table.columns.contains(&column.name) {
            table.columns.push(column.name.clone());
        }
    }

    /// Keeps what was pushed, if anything looks it up.
    pub(crate) fn keep(&mut self, rows: &Rows) -> Result<(), KitError> {
        let Some(table) = self.tables.get_mut(rows.table()) else { return Ok(()) };
        let push = table.pushes.len();
        let keys = rows
            .column(table.key)?
            .as_primitive_opt::<Int32Type>()
            .ok_or_else(|| KitError::Column { table: rows.table().to_owned(), column: table.key.to_owned() })?;
        table.rows.extend(keys.iter().enumerate().filter_map(|(row, key)| Some((key?, (push, row)))));
        let columns = table.columns.iter().map(|column| rows.text(column).cloned()).collect::<Result<_, _>>()?;
        table.pushes.push(columns);
        Ok(())
    }

    /// The value of `column` in the row with this key: `None` without such a row, `Some(None)` for a NULL.
    pub(crate) fn find(&self, lookup: Lookup, column: &str, key: i32) -> Option<Option<&str>> {
        let table = self.tables.get(lookup.table)?;
        let &(push, row) = table.rows.get(&key)?;
        let values = &table.pushes[push][table.columns.iter().position(|name| name == column)?];
        Some(values.is_valid(row).then(|| values.value(row)))
    }
}
