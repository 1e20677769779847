//! What `prepare` would do, found out without doing it.

use std::collections::BTreeMap;

use star_contract::Description;

use crate::error::while_doing;
use crate::evolve::steps;
use crate::found::Found;
use crate::star::stars;
use crate::{Warehouse, WarehouseError, apply};

/// One thing that [`prepare`](Warehouse::prepare) would do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ForeseenStep {
    /// The table or view it would be done to.
    pub table: String,
    /// The beginning of the statement.
    pub what: String,
}

impl Warehouse {
    /// What [`prepare`](Self::prepare) would do with these descriptions, in its order: nothing when all is in line.
    /// Reads only, and takes no lock that anybody would wait for.
    ///
    /// # Errors
    /// What `prepare` would refuse, as far as reading tells: not that rows break a foreign key somebody dropped, nor
    /// that others' views depend on a view somebody replaced.
    pub async fn foresee(
        &self,
        descriptions: &[Description],
        owners: &BTreeMap<String, String>,
    ) -> Result<Vec<ForeseenStep>, WarehouseError> {
        let places = self.places();
        let stars = stars(descriptions, owners, places)?;
        let found = Found::read(&**self.connection(), places).await?;
        let mut foreseen = Vec::new();
        for step in steps(&stars, places, &found)? {
            if let Some(column) = &step.required {
                let rows = format!("SELECT EXISTS (SELECT FROM {})", places.table(&step.table));
                let rows = self.connection().query_one(&rows, &[]).await;
                if rows.map_err(while_doing("looking for rows", &step.table))?.get(0) {
                    return Err(apply::required(&step.table, column));
                }
            }
            foreseen.push(ForeseenStep { what: step.said(), table: step.table });
        }
        Ok(foreseen)
    }
}
