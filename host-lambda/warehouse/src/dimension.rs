//! Dimensions hold the latest row of a key.

use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;
use crate::{TableReport, WarehouseError, ledger};

/// Brings a dimension up to date with staged rows, of which the last of a key counts.
pub(crate) async fn merge(
    work: &Work<'_>,
    shape: &Shape,
    staged: &str,
    offered: i64,
) -> Result<TableReport, WarehouseError> {
    let may_change = shape.owner.as_ref().is_none_or(|owner| *owner == work.batch.star);
    let row = work
        .transaction
        .query_one(&merge_sql(work, shape, staged, may_change), &[])
        .await
        .map_err(while_doing("merging a dimension", &shape.table))?;
    let (inserted, updated, differing): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    if let Some(owner) = &shape.owner
        && !may_change
        && differing > 0
    {
        // An owner that stands elsewhere saw another state of the source, so a difference means nothing.
        let newest = ledger::newest(&work.transaction, work.places, owner).await?;
        if newest.is_some_and(|newest| newest.batch.cast_signed() == work.batch.number) {
            return Err(WarehouseError::Disagreement {
                star: work.batch.star.clone(),
                owner: owner.clone(),
                dimension: shape.table.clone(),
                key: shape.key.join(", "),
                rows: differing.cast_unsigned(),
                batch: work.batch.number.cast_unsigned(),
            });
        }
        tracing::debug!(table = shape.table, differing, "rows left to their owner");
    }
    Ok(TableReport {
        table: shape.table.clone(),
        rows_offered: offered.cast_unsigned(),
        inserted: inserted.cast_unsigned(),
        updated: updated.cast_unsigned(),
        unchanged: (offered - inserted - updated).cast_unsigned(),
        ..TableReport::default()
    })
}

/// One statement: it looks at every staged row and touches only those that differ. A row with a number below zero only
/// fills a gap.
fn merge_sql(work: &Work<'_>, shape: &Shape, staged: &str, may_change: bool) -> String {
    let dimension = work.places.table(&shape.table);
    let (columns, key) = (shape.list(""), shape.key_list(""));
    let batch = work.batch.number;
    let (origin_join, not_newer, note_origin) = match &shape.owner {
        None => (String::new(), "", String::new()),
        Some(_) => {
            let origin = work.places.side(&shape.origin());
            (
                format!("LEFT JOIN {origin} o ON {}", shape.same_key("o", "d")),
                "AND coalesce(o._batch <= $batch, true)",
                format!(
                    ", noted AS (INSERT INTO {origin} ({key}, _batch)
                         SELECT {key}, {batch} FROM inserted UNION ALL SELECT {key}, {batch} FROM updated
                         ON CONFLICT ({key}) DO UPDATE SET _batch = EXCLUDED._batch)"
                ),
            )
        }
    };
    format!(
        "WITH latest AS (
             SELECT DISTINCT ON ({key}) _ord, {staged_columns} FROM pg_temp.{staged} ORDER BY {key}, _ord DESC
         ), differing AS MATERIALIZED (
             SELECT {l_columns}, {probe} IS NOT NULL AS _exists
             FROM latest l LEFT JOIN {dimension} d ON {l_same_d} {origin_join}
             WHERE {probe} IS NULL OR (l._ord >= 0 AND {l_row} IS DISTINCT FROM {d_row} {not_newer})
         ), inserted AS (
             INSERT INTO {dimension} AS d ({columns})
             SELECT {columns} FROM differing WHERE NOT _exists ORDER BY {key} RETURNING {d_key}
         ), updated AS (
             UPDATE {dimension} d SET {assignments} FROM differing l
             WHERE {may_change} AND l._exists AND {l_same_d} RETURNING {d_key}
         ) {note_origin}
         SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated),
                (SELECT count(*) FROM differing WHERE _exists)",
        staged_columns = shape.staged_list(),
        l_columns = shape.list("l"),
        probe = shape.key_probe("d"),
        l_same_d = shape.same_key("l", "d"),
        l_row = shape.row("l"),
        d_row = shape.row("d"),
        d_key = shape.key_list("d"),
        assignments = shape.assignments("l"),
        not_newer = not_newer.replace("$batch", &batch.to_string()),
    )
}
