//! A table of columns with the rule that fills each: description and code in one.

mod evaluate;
mod lookups;
mod rule;

use crate::{Column, ColumnType, Delivery, Output, Reference, Role};

pub(crate) use evaluate::evaluate;
pub(crate) use lookups::LookupTables;
pub use rule::{Lookup, Rule, computed, copy, date_of, looked_up, parsed_date, time_of, via};

/// How one output table is filled from one input table, column by column.
#[derive(Clone)]
pub struct Mapping {
    pub(crate) output: Output,
    pub(crate) source: Source,
    pub(crate) rules: Vec<Rule>,
}

/// The input table a mapping reads.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
    pub(crate) delivery: Delivery,
}

impl Mapping {
    /// A fact: every distinct version of `business_key` is kept under a record id, `surrogate_key`.
    #[must_use]
    pub fn fact(table: &str, surrogate_key: &str, business_key: &str) -> Self {
        Self::new(table, Role::Fact, business_key, Some(surrogate_key.to_owned()))
    }

    /// A dimension: the latest row of `business_key` is kept.
    #[must_use]
    pub fn dimension(table: &str, business_key: &str) -> Self {
        Self::new(table, Role::Dimension, business_key, None)
    }

    fn new(table: &str, role: Role, business_key: &str, surrogate_key: Option<String>) -> Self {
        let output = Output {
            table: table.to_owned(),
            role,
            columns: Vec::new(),
            business_key: vec![business_key.to_owned()],
            surrogate_key,
            references: Vec::new(),
            keyed_by: None,
            extras: Vec::new(),
        };
        Self { output, source: Source { table: "", key: "", delivery: Delivery::Snapshot }, rules: Vec::new() }
    }

    /// Reads the rows of `table` that may have changed; `key` identifies them and is an `Int32` column.
    #[must_use]
    pub fn from_changes(mut self, table: &'static str, key: &'static str) -> Self {
        self.source = Source { table, key, delivery: Delivery::Changes };
        if self.output.role == Role::Fact {
            self.output.keyed_by = Some(table.to_owned());
        }
        self
    }

    /// Reads all of `table`, whenever anything the star reads has changed.
    #[must_use]
    pub fn from_snapshot(mut self, table: &'static str, key: &'static str) -> Self {
        self.source = Source { table, key, delivery: Delivery::Snapshot };
        self
    }

    /// Says which two columns hold the date and the time a fact's first version began.
    #[must_use]
    pub fn created(mut self, date: &str, time: &str) -> Self {
        self.output.set_created(&[date.to_owned(), time.to_owned()]);
        self
    }

    /// The next column of the table, its type and the rule that fills it.
    #[must_use]
    pub fn column(mut self, name: &str, column_type: ColumnType, rule: Rule) -> Self {
        self.output.columns.push(Column { name: name.to_owned(), column_type, nullable: false, extras: Vec::new() });
        self.rules.push(rule);
        self
    }

    /// The last column may be NULL.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.last().nullable = true;
        self
    }

    /// The last column is a `numeric` without precision in the warehouse.
    #[must_use]
    pub fn unconstrained(mut self) -> Self {
        self.last().unconstrain();
        self
    }

    /// The last column refers to a dimension's key.
    #[must_use]
    pub fn refers(mut self, table: &str, target: &str) -> Self {
        let column = self.last().name.clone();
        self.output.references.push(Reference { column, table: table.to_owned(), target: target.to_owned() });
        self
    }

    /// The last column.
    ///
    /// # Panics
    /// When there is none yet: the mapping is written wrongly.
    fn last(&mut self) -> &mut Column {
        self.output.columns.last_mut().expect("`nullable`, `unconstrained` and `refers` follow a `column`")
    }
}
