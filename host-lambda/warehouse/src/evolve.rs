//! From what the warehouse has to what the descriptions want: a list of statements, often empty.

use star_contract::{Column, Reference, Role};
use totesys_postgres::{quote_identifier, quote_literal};

use crate::WarehouseError;
use crate::found::{Found, FoundTable, noted_view};
use crate::place::Places;
use crate::shape::{Shape, definition, list, sql_type};
use crate::star::Star;
use crate::{generation, side, views};

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
    /// The foreign key this adds, which rows may break.
    pub(crate) reference: Option<Reference>,
    /// Whether this only has PostgreSQL look at rows that are known to be right.
    pub(crate) can_wait: bool,
}

impl Step {
    /// The statement in one line, without what it says of columns or rows.
    pub(crate) fn said(&self) -> String {
        let first = self.sql.lines().next().unwrap_or_default().trim();
        // A view is made by a block where somebody replaced it.
        let told = match first.split_once(" AS SELECT ") {
            Some(_) => format!("CREATE OR REPLACE VIEW {}", quote_identifier(&self.table)),
            None if first.starts_with("CREATE TABLE") => first.split(" (").next().unwrap_or(first).to_owned(),
            None => first.to_owned(),
        };
        told.trim_end_matches(';').to_owned()
    }
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
    if found.side(places, generation::TABLE).is_none() {
        plan.step(generation::TABLE, generation::create(places));
    }
    for shape in shapes.iter().filter(|shape| shape.role == Role::Fact) {
        for (name, select) in views::of(shape, places, found) {
            plan.view(&name, &select)?;
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
        self.steps.push(Step { sql, table: table.to_owned(), required: None, reference: None, can_wait: false });
    }

    fn main_table(&mut self, shape: &Shape) -> Result<(), WarehouseError> {
        let name = self.places.table(&shape.table);
        let Some(found) = self.found.table(self.places, &shape.table) else {
            if shape.role == Role::Fact && self.found.side(self.places, &shape.head()).is_some() {
                return Err(side::missing(name, self.places.side(&shape.head())));
            }
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
        if found.kind != "table" {
            let name = shape.table.clone();
            return Err(WarehouseError::KindChanged { name, expected: "table", found: found.kind });
        }
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
        match found.columns.iter().find(|column| column.not_null && !column.has_default && !described(&column.name)) {
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
                reference: None,
                can_wait: false,
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
            Some(found) => {
                side::check_columns(&shape.origin(), side::ORIGIN, found)?;
                check_key(&shape.origin(), &shape.key, found)
            }
            // A dimension that became shared has none yet; and one that was dropped only forgets from which batch rows
            // came, which matters to nobody but the owner's own older batches.
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
        let stands = self.found.table(self.places, &shape.table).is_some();
        let dropped = |side: &str| side::missing(self.places.side(side), self.places.table(&shape.table));
        match self.found.side(self.places, &shape.head()) {
            Some(found) => {
                side::check_columns(&shape.head(), side::HEAD, found)?;
                let table = if found.primary_key.is_empty() { shape.head() } else { shape.table.clone() };
                check_key(&table, &shape.key, found)?;
                if !found.has("_batch") {
                    self.step(&shape.table, observing_batches(shape, self.places));
                }
            }
            // Made anew it would be empty, and every version would come again.
            None if stands => return Err(dropped(&shape.head())),
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
        // A warehouse from before deletions were kept has neither this table nor the heads' batches.
        let kept = self.found.side(self.places, &shape.head()).is_some_and(|head| head.has("_batch"));
        match self.found.side(self.places, &shape.deletions()) {
            None if stands && kept => return Err(dropped(&shape.deletions())),
            Some(found) => {
                side::check_columns(&shape.deletions(), side::DELETIONS, found)?;
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
                side::check_columns(&shape.waiting(), side::WAITING, found)?;
                check_key(&shape.waiting(), &["_batch".to_owned(), "_ord".to_owned()], found)?;
                for column in &shape.columns {
                    let expected = sql_type(column);
                    match found.columns.iter().find(|existing| existing.name == column.name) {
                        None => {
                            self.step(&shape.table, format!("ALTER TABLE {waiting} ADD COLUMN {}", nullable(column)));
                        }
                        Some(existing) if existing.sql_type != expected => {
                            return Err(changed(&shape.waiting(), &column.name, expected, existing.sql_type.clone()));
                        }
                        Some(_) => {}
                    }
                }
            }
            None if stands => return Err(dropped(&shape.waiting())),
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

    /// Adds the keys whose target exists, or is about to, and has PostgreSQL look at what it was not asked to yet.
    fn foreign_keys(&mut self, shape: &Shape, shapes: &[&Shape]) {
        let found = self.found.table(self.places, &shape.table);
        let table = self.places.table(&shape.table);
        for reference in &shape.references {
            let mut references = found.iter().flat_map(|table| &table.references);
            let stands = references.find(|found| found.column == reference.column && found.target == reference.table);
            let has_target = shapes.iter().any(|other| other.table == reference.table)
                || self.found.table(self.places, &reference.table).is_some();
            let can_wait = stands.is_some();
            let sql = match stands {
                Some(found) if found.validated => continue,
                Some(found) => format!("ALTER TABLE {table} VALIDATE CONSTRAINT {}", quote_identifier(&found.name)),
                None if !has_target => continue,
                None => format!(
                    "ALTER TABLE {table} ADD FOREIGN KEY ({}) REFERENCES {} ({})",
                    quote_identifier(&reference.column),
                    self.places.table(&reference.table),
                    quote_identifier(&reference.target),
                ),
            };
            let (reference, table) = (Some(reference.clone()), shape.table.clone());
            self.steps.push(Step { sql, table, required: None, reference, can_wait });
        }
    }

    fn view(&mut self, name: &str, select: &str) -> Result<(), WarehouseError> {
        let existing = self.found.table(self.places, name);
        let noted = self.found.views.get(name);
        if let Some(existing) = existing {
            if existing.kind != "view" {
                let name = name.to_owned();
                return Err(WarehouseError::KindChanged { name, expected: "view", found: existing.kind });
            }
            if noted.is_some_and(|view| view.is(select)) {
                return Ok(());
            }
        }
        let view = self.places.table(name);
        let options = view_options(existing.map_or(&[][..], |view| &view.options));
        let create = format!("CREATE OR REPLACE VIEW {view}{options} AS {select}");
        let replaced = existing.is_some() && noted.is_none_or(|view| !view.is_as_made());
        // One that somebody replaced may have columns that ours cannot grow from. Otherwise it is not dropped: grants
        // on it would go with it.
        let create = if replaced {
            let create = quote_literal(&create);
            let block = format!(
                "BEGIN EXECUTE {create}; EXCEPTION WHEN invalid_table_definition THEN DROP VIEW {view}; \
                 EXECUTE {create}; END"
            );
            format!("DO {}", quote_literal(&block))
        } else {
            create
        };
        let sql = format!(
            "{create};
             INSERT INTO {} (view, definition) VALUES ({}, {})
             ON CONFLICT (view) DO UPDATE SET definition = EXCLUDED.definition",
            self.places.side("views"),
            quote_literal(name),
            noted_view(&view, select),
        );
        self.step(name, sql);
        Ok(())
    }
}

/// The options a view keeps when it is replaced, which without them would reset all: `security_invoker`, for one,
/// decides whose rights count. Nobody writes through a view of ours, so nothing is checked on the way.
fn view_options(options: &[String]) -> String {
    let kept = options.iter().filter_map(|option| option.split_once('=')).filter(|(name, _)| *name != "check_option");
    let kept: Vec<String> =
        kept.map(|(name, value)| format!("{} = {}", quote_identifier(name), quote_literal(value))).collect();
    if kept.is_empty() { String::new() } else { format!(" WITH ({})", kept.join(", ")) }
}

/// Gives the heads of a warehouse from before deletions the batch that observed each version.
fn observing_batches(shape: &Shape, places: &Places) -> String {
    format!(
        "ALTER TABLE {head} ADD COLUMN _batch bigint;
         UPDATE {head} h SET _batch = coalesce(
             (SELECT w._batch FROM {waiting} w WHERE w._record_id = h._record_id), {loaded_in});
         ALTER TABLE {head} ALTER COLUMN _batch SET NOT NULL",
        head = places.side(&shape.head()),
        waiting = places.side(&shape.waiting()),
        loaded_in = shape.loaded_in(places, "h._record_id"),
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

pub(crate) fn changed(table: &str, column: &str, expected: String, found: String) -> WarehouseError {
    WarehouseError::ShapeChanged { table: table.to_owned(), column: column.to_owned(), expected, found }
}
