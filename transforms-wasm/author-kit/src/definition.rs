//! A star made of mappings.

use arrow_array::RecordBatch;

use crate::mapping::{LookupTables, Mapping, evaluate};
use crate::transform::{Sink, Transform};
use crate::{Column, Delivery, Description, Input, KitError, Output, Rows};

/// An output that is gathered from the rows of other outputs, such as a calendar of the dates they name.
pub trait Derived {
    /// What it writes.
    fn output(&self) -> &Output;

    /// Sees the rows given to another output.
    ///
    /// # Errors
    /// When the rows cannot be read.
    fn observe(&mut self, output: &Output, rows: &RecordBatch) -> Result<(), KitError>;

    /// What was gathered.
    ///
    /// # Errors
    /// When the rows cannot be built.
    fn finish(&mut self) -> Result<RecordBatch, KitError>;
}

/// A star made of mappings, and of outputs derived from their rows.
pub struct Definition {
    description: Description,
    mappings: Vec<Mapping>,
    derived: Vec<Box<dyn Derived>>,
    lookups: LookupTables,
}

impl Definition {
    /// An empty star.
    #[must_use]
    pub fn new(star: &str, version: &str) -> Self {
        Self {
            description: Description {
                star: star.to_owned(),
                version: version.to_owned(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                extras: Vec::new(),
            },
            mappings: Vec::new(),
            derived: Vec::new(),
            lookups: LookupTables::default(),
        }
    }

    /// Adds an output; dimensions come before the facts that refer to them.
    ///
    /// # Panics
    /// When two mappings want the same column with different types or the same table with different deliveries:
    /// the star is written wrongly, and its first test says so.
    #[must_use]
    pub fn output(mut self, mapping: Mapping) -> Self {
        for (rule, column) in mapping.rules.iter().zip(&mapping.output.columns) {
            if let Some((lookup, taken)) = rule.looks_up(column) {
                assert_eq!(mapping.source.delivery, Delivery::Snapshot, "only snapshots can be joined");
                self.lookups.want(lookup, &taken);
                self.want(lookup.table, lookup.key, Delivery::Snapshot, taken);
            }
        }
        for (rule, column) in mapping.rules.iter().zip(&mapping.output.columns) {
            self.want(mapping.source.table, mapping.source.key, mapping.source.delivery, rule.reads(column));
        }
        self.description.outputs.push(mapping.output.clone());
        self.mappings.push(mapping);
        self
    }

    /// Adds an output derived from the others.
    #[must_use]
    pub fn derive(mut self, derived: impl Derived + 'static) -> Self {
        self.description.outputs.push(derived.output().clone());
        self.derived.push(Box::new(derived));
        self
    }

    fn want(&mut self, table: &str, key: &str, delivery: Delivery, column: Column) {
        let inputs = &mut self.description.inputs;
        let position = inputs.iter().position(|input| input.table == table).unwrap_or_else(|| {
            let key_column =
                Column { name: key.to_owned(), column_type: crate::ColumnType::Int32, nullable: false, extras: vec![] };
            inputs.push(Input {
                table: table.to_owned(),
                columns: vec![key_column],
                key: vec![key.to_owned()],
                delivery,
                extras: Vec::new(),
            });
            inputs.len() - 1
        });
        let input = &mut inputs[position];
        assert_eq!(input.delivery, delivery, "`{table}` is wanted both as changes and as a snapshot");
        match input.columns.iter_mut().find(|known| known.name == column.name) {
            None => input.columns.push(column),
            Some(known) => {
                assert_eq!(known.column_type, column.column_type, "`{table}.{}` has two types", column.name);
                known.nullable |= column.nullable && !input.key.contains(&column.name);
            }
        }
    }
}

impl Transform for Definition {
    fn description(&self) -> &Description {
        &self.description
    }

    fn push(&mut self, rows: &Rows, out: &mut Sink) -> Result<(), KitError> {
        self.lookups.keep(rows)?;
        for mapping in self.mappings.iter().filter(|mapping| mapping.source.table == rows.table()) {
            let batch = evaluate(mapping, &self.lookups, rows, out)?;
            for derived in &mut self.derived {
                derived.observe(&mapping.output, &batch)?;
            }
            out.emit(&mapping.output.table, batch);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Sink) -> Result<(), KitError> {
        for derived in &mut self.derived {
            out.emit(&derived.output().table.clone(), derived.finish()?);
        }
        Ok(())
    }
}
