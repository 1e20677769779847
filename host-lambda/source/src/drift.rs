//! What changed in the source's schema without being in a batch's way: worth saying once.

use std::collections::BTreeMap;

use crate::baseline::Baseline;

/// A change of the source's schema that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// A table that was not there before and that no component reads.
    TableAdded {
        /// The table.
        table: String,
    },
    /// A column that is ingested from now on.
    ColumnAdded {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type as PostgreSQL writes it.
        found: String,
    },
    /// A column that no component describes is gone.
    ColumnDropped {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column has another type, which still suits what is described.
    ColumnRetyped {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The type before.
        before: String,
        /// The type now.
        found: String,
    },
}

impl Drift {
    /// One line that tells this change from every other, such as `column-added design.colour text`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::TableAdded { table } => format!("table-added {table}"),
            Self::ColumnAdded { table, column, found } => format!("column-added {table}.{column} {found}"),
            Self::ColumnDropped { table, column } => format!("column-dropped {table}.{column}"),
            Self::ColumnRetyped { table, column, before, found } => {
                format!("column-retyped {table}.{column} {before} {found}")
            }
        }
    }
}

/// What of the schema `current` has otherwise than `previous`, table by table.
#[must_use]
pub fn drift(current: &Baseline, previous: &Baseline) -> Vec<Drift> {
    let mut found = Vec::new();
    if let (Some(now), Some(before)) = (&current.all_tables, &previous.all_tables) {
        let unread = now.difference(before).filter(|table| !current.tables.contains_key(*table));
        found.extend(unread.map(|table| Drift::TableAdded { table: table.clone() }));
    }
    for (table, shape) in &current.tables {
        let Some(before) = previous.tables.get(table) else { continue };
        let before: BTreeMap<_, _> = before.columns.iter().map(|(name, of)| (name, of)).collect();
        for (column, now) in &shape.columns {
            match before.get(column) {
                None => {
                    found.push(Drift::ColumnAdded { table: table.clone(), column: column.clone(), found: now.clone() })
                }
                Some(before) if *before != now => found.push(Drift::ColumnRetyped {
                    table: table.clone(),
                    column: column.clone(),
                    before: (*before).clone(),
                    found: now.clone(),
                }),
                Some(_) => {}
            }
        }
        let left = |column: &&&String| !shape.columns.iter().any(|(name, _)| name == **column);
        let dropped = before.keys().filter(left);
        found.extend(dropped.map(|column| Drift::ColumnDropped { table: table.clone(), column: (*column).clone() }));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::baseline::tests::baseline;

    /// A baseline whose one table has these columns, in a schema with these tables.
    fn schema(columns: &[(&str, &str)], tables: Option<&[&str]>) -> Baseline {
        let mut baseline = baseline(1, 2);
        let columns = columns.iter().map(|(name, of)| ((*name).to_owned(), (*of).to_owned())).collect();
        baseline.tables.values_mut().for_each(|shape| shape.columns = Vec::clone(&columns));
        baseline.all_tables = tables.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
        baseline
    }

    #[test]
    fn each_change_is_found_by_name() {
        let before = schema(&[("a", "integer"), ("b", "text")], Some(&["design"]));
        for (now, expected) in [
            (schema(&[("b", "text"), ("a", "integer")], Some(&["design"])), vec![]),
            (schema(&[("a", "bigint"), ("b", "text")], Some(&[])), vec!["column-retyped design.a integer bigint"]),
            (
                schema(&[("a", "integer"), ("c", "text")], Some(&["design", "new"])),
                vec!["table-added new", "column-added design.c text", "column-dropped design.b"],
            ),
            (schema(&[("a", "integer"), ("b", "text")], None), vec![]),
        ] {
            let keys: Vec<_> = drift(&now, &before).iter().map(Drift::key).collect();
            assert_eq!(keys, expected);
        }
        // Nothing is known of the tables of a baseline from before their names were kept.
        assert!(drift(&before, &schema(&[("a", "integer"), ("b", "text")], None)).is_empty());
    }
}
