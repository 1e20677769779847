//! Where rows of the warehouse come from: which batch, and which component.

use star_contract::Role;

use crate::history::{of_key, unfit_or};
use crate::{Warehouse, WarehouseError};

/// Where one version of a fact comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExplainedVersion {
    /// Its record id; a version that was overtaken before it could be loaded has none.
    pub record_id: Option<i32>,
    /// The batch that observed it.
    pub observed_in: u64,
    /// The batch whose load gave it its record id.
    pub loaded_in: Option<u64>,
    /// The component whose output that load took.
    pub component_digest: Option<String>,
    /// When the snapshot of the batch that observed it was taken, as text in UTC.
    pub snapshot_at: Option<String>,
    /// Whether it is its key's current version.
    pub is_current: bool,
    /// The batch that noticed the key's deletion while this was its version.
    pub deleted_in: Option<u64>,
}

/// Where a row of a dimension comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct DimensionOrigin {
    /// Whether there is such a row.
    pub exists: bool,
    /// The batch it has its values from; noted for dimensions that have an owner.
    pub batch: Option<u64>,
}

impl Warehouse {
    /// Where each version of a key of a fact comes from, in the order observed.
    ///
    /// # Errors
    /// No such fact, a key of another shape, or a failing database.
    pub async fn explain_fact(&self, fact: &str, key: &[String]) -> Result<Vec<ExplainedVersion>, WarehouseError> {
        let shape = self.fact(fact)?;
        let record_id = format!("h.{}", shape.id());
        let query = format!(
            "SELECT {record_id}, h.batch, l.batch, l.component_digest,
                    CASE WHEN {record_id} IS NULL THEN h.valid_from ELSE coalesce(w._snapshot_at, l.snapshot_at) END::text,
                    h.is_current, h.deleted_in
             FROM {history} h
             LEFT JOIN LATERAL ({load}) l ON true
             LEFT JOIN {waiting} w ON w._record_id = {record_id}
             WHERE {of_key} ORDER BY h.batch, {record_id}",
            history = self.places().table(&format!("{fact}_history")),
            load = shape.load_that_gave(self.places(), &record_id, "o.batch, o.component_digest, o.snapshot_at"),
            waiting = self.places().side(&shape.waiting()),
            of_key = of_key(shape, key, "h")?,
        );
        let rows = self.connection().query(&query, &[]).await;
        let rows = rows.map_err(|error| unfit_or(shape, error, "explaining a fact"))?;
        let batch = |number: Option<i64>| number.map(i64::cast_unsigned);
        Ok(rows
            .iter()
            .map(|row| ExplainedVersion {
                record_id: row.get(0),
                observed_in: row.get::<_, i64>(1).cast_unsigned(),
                loaded_in: batch(row.get(2)),
                component_digest: row.get(3),
                snapshot_at: row.get(4),
                is_current: row.get(5),
                deleted_in: batch(row.get(6)),
            })
            .collect())
    }

    /// Whether a dimension has a row of this key, and which batch its values come from, if that is noted.
    ///
    /// # Errors
    /// No such dimension, a key of another shape, or a failing database.
    pub async fn dimension_row_origin(
        &self,
        dimension: &str,
        key: &[String],
    ) -> Result<DimensionOrigin, WarehouseError> {
        let dimensions = || self.stars().iter().flat_map(|star| star.tables_of(Role::Dimension));
        let Some((_, shape)) = dimensions().find(|(_, shape)| shape.table == dimension) else {
            let mut known: Vec<String> = dimensions().map(|(_, shape)| shape.table.clone()).collect();
            known.sort();
            known.dedup();
            return Err(WarehouseError::NoSuchDimension { dimension: dimension.to_owned(), known });
        };
        let of_key = of_key(shape, key, "d")?;
        let origin = match &shape.owner {
            Some(_) => format!("(SELECT d._batch FROM {} d WHERE {of_key})", self.places().side(&shape.origin())),
            None => "NULL::bigint".to_owned(),
        };
        let query =
            format!("SELECT EXISTS (SELECT FROM {} d WHERE {of_key}), {origin}", self.places().table(&shape.table));
        let row = self.connection().query_one(&query, &[]).await;
        let row = row.map_err(|error| unfit_or(shape, error, "explaining a dimension row"))?;
        Ok(DimensionOrigin { exists: row.get(0), batch: row.get::<_, Option<i64>>(1).map(i64::cast_unsigned) })
    }
}
