//! The facts that wait for a dimension row, for those who ask.

use tokio_postgres::Row;
use totesys_postgres::quote_identifier;

use crate::error::while_doing;
use crate::shape::Shape;
use crate::{Warehouse, WarehouseError};

/// A fact row that waits for a dimension row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingFact {
    /// The star.
    pub star: String,
    /// The fact.
    pub fact: String,
    /// The batch that observed it.
    pub batch: u64,
    /// Its number among that batch's rows.
    pub number: i64,
    /// When the batch's snapshot was taken, in microseconds since 1970 UTC.
    pub snapshot_micros: i64,
    /// What it waits for.
    pub reason: String,
}

impl Warehouse {
    /// The waiting facts of the prepared stars, or of one of them, in the order observed; without their values.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn waiting_facts(&self, star: Option<&str>) -> Result<Vec<WaitingFact>, WarehouseError> {
        let mut waiting = Vec::new();
        for (name, shape) in self.facts().filter(|(name, _)| star.is_none_or(|star| star == *name)) {
            let query = format!("{} ORDER BY _batch, _ord", self.waiting_sql(shape, ""));
            let rows = self
                .connection()
                .query(&query, &[])
                .await
                .map_err(while_doing("listing waiting facts", &shape.table))?;
            waiting.extend(rows.iter().map(|row| waiting_fact(name, shape, row)));
        }
        Ok(waiting)
    }

    /// One waiting fact with its values, as PostgreSQL prints them.
    ///
    /// # Errors
    /// When it cannot be read.
    #[allow(clippy::type_complexity, reason = "a row and its named values")]
    pub async fn waiting_fact(
        &self,
        fact: &str,
        batch: u64,
        number: i64,
    ) -> Result<Option<(WaitingFact, Vec<(String, Option<String>)>)>, WarehouseError> {
        let Some((name, shape)) = self.facts().find(|(_, shape)| shape.table == fact) else { return Ok(None) };
        let values: String =
            shape.columns.iter().map(|column| format!(", {}::text", quote_identifier(&column.name))).collect();
        let query = format!("{} AND _batch = $1 AND _ord = $2", self.waiting_sql(shape, &values));
        let row = self
            .connection()
            .query_opt(&query, &[&batch.cast_signed(), &number])
            .await
            .map_err(while_doing("reading a waiting fact", fact))?;
        Ok(row.map(|row| {
            let values = (4..).zip(&shape.columns).map(|(position, column)| (column.name.clone(), row.get(position)));
            (waiting_fact(name, shape, &row), values.collect())
        }))
    }

    fn waiting_sql(&self, shape: &Shape, values: &str) -> String {
        let waiting = self.places().side(&shape.waiting());
        format!(
            "SELECT _batch, _ord, round(extract(epoch FROM _snapshot_at) * 1000000)::bigint, _reason{values}
             FROM {waiting} WHERE _state = 'waiting'"
        )
    }
}

fn waiting_fact(star: &str, shape: &Shape, row: &Row) -> WaitingFact {
    WaitingFact {
        star: star.to_owned(),
        fact: shape.table.clone(),
        batch: row.get::<_, i64>(0).cast_unsigned(),
        number: row.get(1),
        snapshot_micros: row.get(2),
        reason: row.get::<_, Option<String>>(3).unwrap_or_default(),
    }
}
