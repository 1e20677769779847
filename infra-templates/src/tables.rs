//! The stack of Glue tables and Athena views: what the live components write, as the lake holds it, for whoever reads
//! the lake with SQL. `docs/athena.md` says what each view can know and what it cannot.

mod glue;
mod hive;
mod ledger;
mod logical_id;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use star_contract::{Description, Input, Output, Role};

use crate::{Environment, Resource, Template};

use hive::Columns;
use ledger::Ledger;
use views::Deletions;

/// The most resources CloudFormation takes in a template.
const MOST_RESOURCES: usize = 500;

/// The most bytes CloudFormation takes of a template that lies in a bucket.
const MOST_BYTES: usize = 1024 * 1024;

/// Why no stack of tables can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TablesError {
    /// Two tables or views would have one name.
    #[error("the table or view `{name}` would be there twice in the Glue database")]
    TwoOfOneName {
        /// The name.
        name: String,
    },
    /// A name that Athena cannot read, or that the views need.
    #[error("column `{column}` of `{table}` cannot be a column of a Glue table: {problem}")]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More than a template may hold.
    #[error("the stack would have {resources} tables and views, and CloudFormation takes {MOST_RESOURCES}")]
    TooMany {
        /// How many there would be.
        resources: usize,
    },
    /// More than a template may be.
    #[error("the template would have {bytes} bytes, and CloudFormation takes {MOST_BYTES}")]
    TooLarge {
        /// How many there would be.
        bytes: usize,
    },
}

impl TablesError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TwoOfOneName { .. } => {
                "give the component's output another name: `lake_…` and the names of views are taken"
            }
            Self::Column { .. } => {
                "rename the column in the component; letters, digits and `_` do, without regard to case"
            }
            Self::TooMany { .. } | Self::TooLarge { .. } => {
                "the lake and the warehouse are not concerned; put some stars into an environment of their own"
            }
        }
    }
}

/// The stack of Glue tables and views for the live stars, by name. Stars must agree on the tables they share, as the
/// catalog sees to: a shared dimension becomes one table.
///
/// # Errors
/// When a name cannot be one of Glue's, or the template is larger than CloudFormation takes.
pub fn tables_stack(environment: &Environment, stars: &BTreeMap<String, Description>) -> Result<Template, TablesError> {
    let mut stack = Stack::new(environment);
    let ledger = Ledger::new(&environment.names);
    for table in ledger.tables() {
        stack.add(table)?;
    }
    for view in ledger.views() {
        stack.add(view)?;
    }
    let mut keyed_by = BTreeSet::new();
    let mut tables: BTreeMap<&str, (&Output, Vec<&str>)> = BTreeMap::new();
    for (star, description) in stars {
        for output in &description.outputs {
            tables.entry(&output.table).or_insert((output, Vec::new())).1.push(star);
        }
    }
    for (output, writers) in tables.values() {
        let columns = Columns::of(&output.table, &output.columns)?;
        stack.add(glue::transformed(&environment.names, output, &columns))?;
        let key = columns.named(&output.business_key);
        match output.role {
            Role::Dimension => {
                stack.add(views::dimension(&output.table, &columns, &key, writers))?;
            }
            Role::Fact => {
                let writer = writers.first().copied().unwrap_or_default();
                let input = stars.get(writer).and_then(|star| star.input(output.keyed_by.as_deref()?));
                if let Some(input) = input.filter(|input| keyed_by.insert(input.table.as_str())) {
                    stack.add(keys_table(environment, input)?)?;
                }
                let deletions = input.map(deletions).transpose()?;
                for view in views::fact(&output.table, &columns, &key, writer, deletions.as_ref()) {
                    stack.add(view)?;
                }
            }
        }
    }
    stack.finish()
}

/// The ingested files of a table that a fact is about, of which only the key is read.
fn keys_table(environment: &Environment, input: &Input) -> Result<glue::Table, TablesError> {
    Ok(glue::ingested_keys(&environment.names, &input.table, &key_columns(input)?))
}

fn deletions(input: &Input) -> Result<Deletions, TablesError> {
    let key = key_columns(input)?.named(&input.key);
    Ok(Deletions { source_table: input.table.clone(), keys_table: hive::keys_table(&input.table), key })
}

fn key_columns(input: &Input) -> Result<Columns, TablesError> {
    let key = input.key.iter().filter_map(|name| input.columns.iter().find(|column| column.name == *name));
    Columns::of(&input.table, &key.cloned().collect::<Vec<_>>())
}

struct Stack<'a> {
    environment: &'a Environment,
    template: Template,
    names: BTreeSet<String>,
}

impl<'a> Stack<'a> {
    fn new(environment: &'a Environment) -> Self {
        let description = format!(
            "Totesys ({}): Glue tables and Athena views over the lake, written when components are published",
            environment.names.prefix()
        );
        Self { environment, template: Template::new(description), names: BTreeSet::new() }
    }

    fn add(&mut self, table: glue::Table) -> Result<(), TablesError> {
        if !self.names.insert(table.name.clone()) {
            return Err(TablesError::TwoOfOneName { name: table.name });
        }
        let id = table.logical_id();
        let properties = table.properties(&self.environment.names.glue_database());
        self.template.add(id, Resource::new("AWS::Glue::Table", properties));
        Ok(())
    }

    fn finish(self) -> Result<Template, TablesError> {
        let resources = self.template.resources.len();
        if resources > MOST_RESOURCES {
            return Err(TablesError::TooMany { resources });
        }
        let bytes = self.template.compact().len();
        if bytes > MOST_BYTES {
            return Err(TablesError::TooLarge { bytes });
        }
        Ok(self.template)
    }
}
