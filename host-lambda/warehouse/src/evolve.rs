//! From what the warehouse has to what the descriptions want: a list of statements, often empty.

use star_contract::{Column, Role};
use totesys_postgres::{quote_identifier, quote_literal};

use crate::WarehouseError;
use crate::found::{Found, FoundTable};
use crate::place::Places;
use crate::shape::{Shape, definition, list, sql_type};
use crate::star::Star;
use crate::views;

/// What the waiting table adds to the fact's columns.
const WAITING_COLUMNS: &str = "_batch bigint, _ord bigint, _snapshot_at timestamptz NOT NULL, _reason text NOT NULL,
    _state text NOT NULL CHECK (_state IN ('waiting', 'released', 'superseded')),
    _record_id integer, _overtaken_at timestamptz";

/// One statement, and what to say when it fails.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) sql: String,
    pub(crate) table: String,
    /// The NOT NULL column this adds, which only an empty table can take.
    pub(crate) required: Option<Column>,
}

/// The statements that bring the warehouse in line with the stars: none when it is.
pub(crate) fn steps(stars: &[Star], places: &Places, found: &Found) -> Result<Vec<Step>, WarehouseError> {
    let mut plan = Plan { places, found, steps: Vec::new() };
    let mut shapes: Vec<&Shape> = Vec::new();
    for shape in stars.iter().flat_map(|star| &star.tables) {
        if !shapes.iter().any(|known| known.table == shape.table) {
            shapes.push(shape);
        }
    }
    // Dimensions first: a foreign key needs its target.
    shapes.sort_by_key(|shape| shape.role == Role::Fact);
    for shape in &shapes {
        plan.main_table(shape)?;
        match shape.role {
            Role::Dimension => plan.dimension_side(shape)?,
            Role::Fact => plan.fact_side(shape)?,
        }
    }
    for shape in &shapes {
        plan.foreign_keys(shape, &shapes);
    }
    let loads = found.side(places, "loads");
    if loads.is_some_and(|loads| !loads.columns.iter().any(|column| column.name == "report")) {
        let loads = places.side("loads");
        plan.step("loads", format!("ALTER TABLE {loads} ADD COLUMN report text NOT NULL DEFAULT ''"));
    }
    for shape in shapes.iter().filter(|shape| shape.role == Role::Fact) {
        for (name, select) in views::of(shape, places, found) {
            plan.view(&name, &select);
        }
    }
    Ok(plan.steps)
}

struct Plan<'a> {
    places: &'a Places,
    found: &'a Found,
    steps: Vec<Step>,
}

impl Plan<'_> {
    fn step(&mut self, table: &str, sql: String) {
        self.steps.push(Step { sql, table: table.to_owned(), required: None });
    }

    fn main_table(&mut self, shape: &Shape) -> Result<(), WarehouseError> {
        let name = self.places.table(&shape.table);
        let Some(found) = self.found.table(self.places, &shape.table) else {
            let mut parts: Vec<String> = shape.columns.iter().map(definition).collect();
            match shape.role {
                Role::Fact => parts.insert(0, format!("{} SERIAL PRIMARY KEY", shape.id())),
                Role::Dimension => parts.push(format!("PRIMARY KEY ({})", shape.key_list(""))),
            }
            self.step(&shape.table, format!("CREATE TABLE {name} ({})", parts.join(", ")));
            if shape.role == Role::Fact {
                // Finds the versions of one key; not unique, because a fact keeps them all.
                self.step(&shape.table, format!("CREATE INDEX ON {name} ({}, {})", shape.key_list(""), shape.id()));
            }
            return Ok(());
        };
        let key = match &shape.surrogate {
            Some(surrogate) => std::slice::from_ref(surrogate),
            None => &shape.key,
        };
        check_key(&shape.table, key, found)?;
        if let Some(surrogate) = found.columns.iter().find(|column| shape.surrogate.as_ref() == Some(&column.name))
            && surrogate.sql_type != "integer"
        {
            return Err(changed(&shape.table, &surrogate.name, "integer".to_owned(), surrogate.sql_type.clone()));
        }
        for column in &shape.columns {
            self.column(shape, column, found)?;
        }
        let described =
            |name: &String| shape.columns.iter().any(|c| c.name == *name) || shape.surrogate.as_ref() == Some(name);
        match found.columns.iter().find(|column| column.not_null && !described(&column.name)) {
            Some(left) => Err(changed(
                &shape.table,
                &left.name,
                "no such column".to_owned(),
                format!("{} NOT NULL", left.sql_type),
            )),
            None => Ok(()),
        }
    }

    fn column(&mut self, shape: &Shape, column: &Column, found: &FoundTable) -> Result<(), WarehouseError> {
        let name = self.places.table(&shape.table);
        let quoted = quote_identifier(&column.name);
        let Some(existing) = found.columns.iter().find(|existing| existing.name == column.name) else {
            self.steps.push(Step {
                sql: format!("ALTER TABLE {name} ADD COLUMN {}", definition(column)),
                table: shape.table.clone(),
                required: (!column.nullable).then(|| column.clone()),
            });
            return Ok(());
        };
        let nullness = |not_null: bool| if not_null { " NOT NULL" } else { "" };
        let expected = sql_type(column);
        if existing.sql_type != expected || (!existing.not_null && !column.nullable) {
            let found = format!("{}{}", existing.sql_type, nullness(existing.not_null));
            return Err(changed(
                &shape.table,
                &column.name,
                format!("{expected}{}", nullness(!column.nullable)),
                found,
            ));
        }
        if existing.not_null && column.nullable {
            self.step(&shape.table, format!("ALTER TABLE {name} ALTER COLUMN {quoted} DROP NOT NULL"));
        }
        Ok(())
    }

    fn dimension_side(&mut self, shape: &Shape) -> Result<(), WarehouseError> {
        if shape.owner.is_none() {
            return Ok(());
        }
        match self.found.side(self.places, &shape.origin()) {
            Some(found) => check_key(&shape.origin(), &shape.key, found),
            None => {
                let (name, keys) = (self.places.side(&shape.origin()), shape.key_definitions());
                let key = shape.key_list("");
                self.step(
                    &shape.table,
                    format!("CREATE TABLE {name} ({keys}_batch bigint NOT NULL, PRIMARY KEY ({key}))"),
                );
                Ok(())
            }
        }
    }

    fn fact_side(&mut self, shape: &Shape) -> Result<(), WarehouseError> {
        match self.found.side(self.places, &shape.head()) {
            Some(found) => {
                check_key(&shape.table, &shape.key, found)?;
                if !found.columns.iter().any(|column| column.name == "_batch") {
                    self.step(&shape.table, observing_batches(shape, self.places));
                }
            }
            None => {
                let (name, keys) = (self.places.side(&shape.head()), shape.key_definitions());
                let key = shape.key_list("");
                self.step(
                    &shape.table,
                    format!(
                        "CREATE TABLE {name} ({keys}_record_id integer NOT NULL, _batch bigint NOT NULL,
                         _deleted_at timestamptz, _deleted_in bigint, PRIMARY KEY ({key}))"
                    ),
                );
            }
        }
        match self.found.side(self.places, &shape.deletions()) {
            Some(found) => {
                let key: Vec<String> = shape.key.iter().cloned().chain(["_batch".to_owned()]).collect();
                check_key(&shape.deletions(), &key, found)?;
            }
            None => {
                let (name, keys) = (self.places.side(&shape.deletions()), shape.key_definitions());
                let key = shape.key_list("");
                self.step(
                    &shape.table,
                    format!(
                        "CREATE TABLE {name} ({keys}_batch bigint, _noticed_at timestamptz NOT NULL,
                         PRIMARY KEY ({key}, _batch))"
                    ),
                );
            }
        }
        let waiting = self.places.side(&shape.waiting());
        let nullable = |column: &Column| format!("{} {}", quote_identifier(&column.name), sql_type(column));
        match self.found.side(self.places, &shape.waiting()) {
            Some(found) => {
                let missing = |column: &&Column| !found.columns.iter().any(|existing| existing.name == column.name);
                for column in shape.columns.iter().filter(missing) {
                    self.step(&shape.table, format!("ALTER TABLE {waiting} ADD COLUMN {}", nullable(column)));
                }
            }
            None => {
                let columns: Vec<String> = shape.columns.iter().map(nullable).collect();
                self.step(
                    &shape.table,
                    format!(
                        "CREATE TABLE {waiting} ({WAITING_COLUMNS}, {}, PRIMARY KEY (_batch, _ord));
                         CREATE INDEX ON {waiting} (_batch, _ord) WHERE _state = 'waiting';
                         CREATE UNIQUE INDEX ON {waiting} (_record_id)",
                        columns.join(", ")
                    ),
                );
            }
        }
        Ok(())
    }

    /// Adds the keys whose target exists, or is about to.
    fn foreign_keys(&mut self, shape: &Shape, shapes: &[&Shape]) {
        let found = self.found.table(self.places, &shape.table);
        for reference in &shape.references {
            let stands = found.is_some_and(|table| {
                table
                    .references
                    .iter()
                    .any(|(column, target)| (column, target) == (&reference.column, &reference.table))
            });
            let has_target = shapes.iter().any(|other| other.table == reference.table)
                || self.found.table(self.places, &reference.table).is_some();
            if has_target && !stands {
                let sql = format!(
                    "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({})",
                    self.places.table(&shape.table),
                    quote_identifier(&reference.column),
                    self.places.table(&reference.table),
                    quote_identifier(&reference.target),
                );
                self.step(&shape.table, sql);
            }
        }
    }

    fn view(&mut self, name: &str, select: &str) {
        let stands = self.found.table(self.places, name).is_some();
        if stands && self.found.views.get(name).is_some_and(|definition| definition == select) {
            return;
        }
        let sql = format!(
            "CREATE OR REPLACE VIEW {} AS {select};
             INSERT INTO {} (view, definition) VALUES ({}, {})
             ON CONFLICT (view) DO UPDATE SET definition = EXCLUDED.definition",
            self.places.table(name),
            self.places.side("views"),
            quote_literal(name),
            quote_literal(select),
        );
        self.step(name, sql);
    }
}

/// Gives the heads of a warehouse from before deletions the batch that observed each version.
fn observing_batches(shape: &Shape, places: &Places) -> String {
    format!(
        "ALTER TABLE {head} ADD COLUMN _batch bigint;
         UPDATE {head} h SET _batch = coalesce(
             (SELECT w._batch FROM {waiting} w WHERE w._record_id = h._record_id),
             (SELECT l.batch FROM {fact_loads} l WHERE l.fact = {name} AND l.first_id <= h._record_id
              ORDER BY l.first_id DESC LIMIT 1));
         ALTER TABLE {head} ALTER COLUMN _batch SET NOT NULL",
        head = places.side(&shape.head()),
        waiting = places.side(&shape.waiting()),
        fact_loads = places.side("fact_loads"),
        name = quote_literal(&shape.table),
    )
}

fn check_key(table: &str, expected: &[String], found: &FoundTable) -> Result<(), WarehouseError> {
    if found.primary_key == expected {
        return Ok(());
    }
    let key = |names: &[String]| match names {
        [] => "no primary key".to_owned(),
        names => format!("PRIMARY KEY ({})", list(names.iter().map(String::as_str), "")),
    };
    let column = list(expected.iter().map(String::as_str), "");
    Err(changed(table, &column, key(expected), key(&found.primary_key)))
}

fn changed(table: &str, column: &str, expected: String, found: String) -> WarehouseError {
    WarehouseError::ShapeChanged { table: table.to_owned(), column: column.to_owned(), expected, found }
}
