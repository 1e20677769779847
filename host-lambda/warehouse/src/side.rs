//! The side tables every load relies on, checked before it: somebody may have altered or dropped one.

use crate::evolve::changed;
use crate::found::{Found, FoundTable};
use crate::place::Places;
use crate::{WarehouseError, generation};

/// Names and types of columns, as PostgreSQL spells them.
type Columns = &'static [(&'static str, &'static str)];

const TIME: &str = "timestamp with time zone";

/// What all stars share.
const SHARED: &[(&str, Columns)] = &[
    ("stamp", &[("lake_id", "text"), ("system_identifier", "text"), ("database", "text")]),
    (
        "loads",
        &[
            ("star", "text"),
            ("batch", "bigint"),
            ("snapshot_at", TIME),
            ("component_digest", "text"),
            ("loaded_at", TIME),
            ("attempt", "text"),
        ],
    ),
    (
        "fact_loads",
        &[
            ("fact", "text"),
            ("batch", "bigint"),
            ("star", "text"),
            ("first_id", "integer"),
            ("last_id", "integer"),
            ("snapshot_at", TIME),
            ("component_digest", "text"),
        ],
    ),
    (VIEWS, &[("view", "text"), ("definition", "text")]),
];

/// What the table of generations has; a warehouse from before them gets it like a new column.
const GENERATIONS: Columns = &[("star", "text"), ("generation", "bigint")];

/// The names of what all stars share and each warehouse has of its own. The table of views is not among them: it goes
/// with the views, which stay where they are when tables move.
pub(crate) fn shared() -> impl Iterator<Item = &'static str> {
    SHARED.iter().map(|(name, _)| *name).filter(|name| *name != VIEWS).chain([generation::TABLE])
}

/// The table of views.
pub(crate) const VIEWS: &str = "views";

/// What `<fact>_head` has besides the key.
pub(crate) const HEAD: Columns = &[("_record_id", "integer"), ("_deleted_at", TIME), ("_deleted_in", "bigint")];

/// What `<fact>_deletions` has besides the key.
pub(crate) const DELETIONS: Columns = &[("_batch", "bigint"), ("_noticed_at", TIME)];

/// What `<fact>_waiting` has besides the fact's columns.
pub(crate) const WAITING: Columns = &[
    ("_batch", "bigint"),
    ("_ord", "bigint"),
    ("_snapshot_at", TIME),
    ("_reason", "text"),
    ("_state", "text"),
    ("_record_id", "integer"),
    ("_overtaken_at", TIME),
];

/// What `<dimension>_origin` has besides the key.
pub(crate) const ORIGIN: Columns = &[("_batch", "bigint")];

/// Refuses a warehouse that lacks a table all stars share: made anew it would be empty, and forget what is loaded.
pub(crate) fn check(places: &Places, found: &Found) -> Result<(), WarehouseError> {
    for (name, columns) in SHARED {
        let Some(table) = found.side(places, name) else {
            let beside = if *name == "stamp" { "loads" } else { "stamp" };
            return Err(missing(places.side(name), places.side(beside)));
        };
        check_columns(&places.side_name(name), columns, table)?;
    }
    // Without it a batch could be loaded twice.
    let loads = found.side(places, "loads").map(|loads| loads.primary_key.as_slice()).unwrap_or_default();
    check_shared_key(places, "loads", "star, batch", loads)?;
    let Some(generations) = found.side(places, generation::TABLE) else { return Ok(()) };
    check_columns(&places.side_name(generation::TABLE), GENERATIONS, generations)?;
    check_shared_key(places, generation::TABLE, "star", &generations.primary_key)
}

fn check_shared_key(places: &Places, table: &str, expected: &str, key: &[String]) -> Result<(), WarehouseError> {
    let key = key.join(", ");
    if key == expected {
        return Ok(());
    }
    let found = if key.is_empty() { "no primary key".to_owned() } else { key };
    Err(changed(&places.side_name(table), expected, "PRIMARY KEY".to_owned(), found))
}

/// Refuses a side table without one of its columns, or with one of another type.
pub(crate) fn check_columns(table: &str, expected: Columns, found: &FoundTable) -> Result<(), WarehouseError> {
    if found.kind != "table" {
        return Err(WarehouseError::KindChanged { name: table.to_owned(), expected: "table", found: found.kind });
    }
    for (name, sql_type) in expected {
        let existing = found.columns.iter().find(|column| column.name == *name);
        let is = existing.map_or("no such column", |column| column.sql_type.as_str());
        if is != *sql_type {
            return Err(changed(table, name, (*sql_type).to_owned(), is.to_owned()));
        }
    }
    Ok(())
}

pub(crate) fn missing(table: String, beside: String) -> WarehouseError {
    WarehouseError::TableMissing { table, beside }
}
