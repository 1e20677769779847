//! All versions of one key of a fact, as text.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use totesys_postgres::{quote_identifier, quote_literal};

use crate::error::while_doing;
use crate::shape::sql_type;
use crate::{Warehouse, WarehouseError};

/// Columns, and rows in which NULL is `None`.
pub type TextRows = (Vec<String>, Vec<Vec<Option<String>>>);

impl Warehouse {
    /// The rows of `<fact>_history` for one key, in the order observed.
    ///
    /// # Errors
    /// No such fact, a key of another shape, or a failing database.
    pub async fn history(&self, fact: &str, key: &[String]) -> Result<TextRows, WarehouseError> {
        let Some((_, shape)) = self.facts().find(|(_, shape)| shape.table == fact) else {
            let known = self.facts().map(|(_, shape)| shape.table.clone()).collect();
            return Err(WarehouseError::NoSuchFact { fact: fact.to_owned(), known });
        };
        let columns = shape.key_columns();
        let unfit = || WarehouseError::UnfitKey {
            fact: fact.to_owned(),
            key: columns.iter().map(|column| format!("{} {}", column.name, sql_type(column))).collect(),
        };
        if columns.len() != key.len() {
            return Err(unfit());
        }
        let same = columns.iter().zip(key).map(|(column, value)| {
            format!("{} = {}::{}", quote_identifier(&column.name), quote_literal(value), sql_type(column))
        });
        let query = format!(
            "SELECT * FROM {} WHERE {} ORDER BY batch, {}",
            self.places().table(&format!("{fact}_history")),
            same.collect::<Vec<_>>().join(" AND "),
            shape.id(),
        );
        let messages = match self.connection().simple_query(&query).await {
            Ok(messages) => messages,
            Err(error) if error.code().is_some_and(names_a_bad_value) => return Err(unfit()),
            Err(error) => return Err(while_doing("reading the history", fact)(error)),
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
}

fn names_a_bad_value(code: &SqlState) -> bool {
    // Class 22: a number out of range, a date that is none.
    code.code().starts_with("22")
}
