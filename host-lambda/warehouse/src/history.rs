//! All versions of one key of a fact, as text.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use totesys_postgres::{quote_identifier, quote_literal};

use crate::error::while_doing;
use crate::shape::{Shape, sql_type};
use crate::{Warehouse, WarehouseError};

/// Columns, and rows in which NULL is `None`.
pub type TextRows = (Vec<String>, Vec<Vec<Option<String>>>);

impl Warehouse {
    /// The rows of `<fact>_history` for one key, in the order observed.
    ///
    /// # Errors
    /// No such fact, a key of another shape, or a failing database.
    pub async fn history(&self, fact: &str, key: &[String]) -> Result<TextRows, WarehouseError> {
        let shape = self.fact(fact)?;
        let query = format!(
            "SELECT * FROM {} h WHERE {} ORDER BY batch, {}",
            self.places().table(&format!("{fact}_history")),
            of_key(shape, key, "h")?,
            shape.id(),
        );
        let messages = match self.connection().simple_query(&query).await {
            Ok(messages) => messages,
            Err(error) => return Err(unfit_or(shape, error, "reading the history")),
        };
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        for message in &messages {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    names = columns.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|position| row.get(position).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        Ok((names, rows))
    }

    /// The shape of a fact.
    pub(crate) fn fact(&self, fact: &str) -> Result<&Shape, WarehouseError> {
        self.facts().map(|(_, shape)| shape).find(|shape| shape.table == fact).ok_or_else(|| {
            let known = self.facts().map(|(_, shape)| shape.table.clone()).collect();
            WarehouseError::NoSuchFact { fact: fact.to_owned(), known }
        })
    }
}

/// What holds for the rows of one key, as SQL over an alias.
pub(crate) fn of_key(shape: &Shape, key: &[String], alias: &str) -> Result<String, WarehouseError> {
    let columns = shape.key_columns();
    if columns.len() != key.len() {
        return Err(unfit(shape));
    }
    let same = columns.iter().zip(key).map(|(column, value)| {
        format!("{alias}.{} = {}::{}", quote_identifier(&column.name), quote_literal(value), sql_type(column))
    });
    Ok(same.collect::<Vec<_>>().join(" AND "))
}

/// Says that a key does not fit when its values were what a query failed on.
pub(crate) fn unfit_or(shape: &Shape, error: tokio_postgres::Error, doing: &'static str) -> WarehouseError {
    if error.code().is_some_and(names_a_bad_value) { unfit(shape) } else { while_doing(doing, &shape.table)(error) }
}

fn unfit(shape: &Shape) -> WarehouseError {
    let key = shape.key_columns().iter().map(|column| format!("{} {}", column.name, sql_type(column))).collect();
    WarehouseError::UnfitKey { fact: shape.table.clone(), key }
}

fn names_a_bad_value(code: &SqlState) -> bool {
    // Class 22: a number out of range, a date that is none.
    code.code().starts_with("22")
}
