//! Carrying out what brings the warehouse in line, and saying what stands in the way.

use star_contract::Column;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::WarehouseError;
use crate::error::while_doing;
use crate::evolve::{Step, changed, steps};
use crate::found::Found;
use crate::place::Places;
use crate::shape::sql_type;
use crate::star::Star;

/// How much is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    All,
    /// What nobody should wait for stays undone: foreign keys that hold are not validated.
    Needed,
}

/// Brings the warehouse in line with the stars, and reads what it is then.
pub(crate) async fn bring_in_line(
    transaction: &Transaction<'_>,
    places: &Places,
    stars: &[Star],
    extent: Extent,
) -> Result<Found, WarehouseError> {
    let found = Found::read(transaction, places).await?;
    for step in steps(stars, places, &found)? {
        if extent == Extent::All || !step.can_wait {
            transaction.batch_execute(&step.sql).await.map_err(|error| explain(step, error))?;
        }
    }
    Found::read(transaction, places).await
}

/// Drops references to tables nobody has described yet: they have no foreign key, and hold nothing back.
pub(crate) fn keep_known_references(stars: &mut [Star], places: &Places, found: &Found) {
    for shape in stars.iter_mut().flat_map(|star| &mut star.tables) {
        shape.references.retain(|reference| found.table(places, &reference.table).is_some());
    }
}

/// A column that rows cannot be without, for a table that has rows.
pub(crate) fn required(table: &str, column: &Column) -> WarehouseError {
    let found = "no such column, and the table has rows".to_owned();
    changed(table, &column.name, format!("{} NOT NULL", sql_type(column)), found)
}

fn explain(step: Step, error: tokio_postgres::Error) -> WarehouseError {
    let code = error.code();
    match (step.required, step.reference) {
        (Some(column), _) if code == Some(&SqlState::NOT_NULL_VIOLATION) => required(&step.table, &column),
        (_, Some(reference)) if code == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
            WarehouseError::ForeignKeyBroken { table: step.table, column: reference.column, target: reference.table }
        }
        _ if code == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
            WarehouseError::ViewReplaced { view: step.table }
        }
        _ => while_doing("bringing a table in line with its description", &step.table)(error),
    }
}
