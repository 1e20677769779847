//! Notices of deletion: a key the source no longer has keeps its versions and stops being current.

use crate::WarehouseError;
use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;

/// Notes every known key that is not among the living ones. Known are keys with a current version, keys whose rows
/// wait for a dimension row, and keys whose rows a component refuses (observing batch and table). Gives the keys that lost a current version.
pub(crate) async fn notice(
    work: &Work<'_>,
    shape: &Shape,
    living: &str,
    refused: &[(i64, String)],
) -> Result<u64, WarehouseError> {
    let deletions = work.places.side(&shape.deletions());
    let key = shape.key_list("");
    let refused: String =
        refused.iter().map(|(batch, table)| format!("UNION SELECT {key}, {batch} FROM pg_temp.{table} ")).collect();
    let sql = format!(
        "WITH known AS (
             SELECT {key}, _batch FROM {head} WHERE _deleted_at IS NULL
             UNION SELECT {f_key}, NULL FROM {fact} f WHERE NOT EXISTS (SELECT FROM {head} h WHERE {h_same_f})
             UNION SELECT {key}, max(_batch) FROM {waiting} WHERE _state = 'waiting' GROUP BY {key}
             {refused}
         ), gone AS (
             SELECT DISTINCT {k_key} FROM known k
             WHERE NOT EXISTS (SELECT FROM pg_temp.{living} l WHERE {l_same_k})
               AND NOT EXISTS (SELECT FROM {deletions} n WHERE {n_same_k} AND n._batch > k._batch)
         ), noted AS (
             INSERT INTO {deletions} ({key}, _batch, _noticed_at)
             SELECT {key}, {batch}, {snapshot} FROM gone ON CONFLICT DO NOTHING RETURNING {key}
         )
         SELECT count(*) FROM noted k LEFT JOIN {head} h ON {h_same_k}
         WHERE h._deleted_at IS NULL
           AND (h._record_id IS NOT NULL OR EXISTS (SELECT FROM {fact} f WHERE {f_same_k}))",
        head = work.places.side(&shape.head()),
        waiting = work.places.side(&shape.waiting()),
        k_key = shape.key_list("k"),
        l_same_k = shape.same_key("l", "k"),
        n_same_k = shape.same_key("n", "k"),
        h_same_k = shape.same_key("h", "k"),
        f_key = shape.key_list("f"),
        fact = work.places.table(&shape.table),
        h_same_f = shape.same_key("h", "f"),
        f_same_k = shape.same_key("f", "k"),
        batch = work.batch.number,
        snapshot = work.batch.snapshot,
    );
    let row = work.transaction.query_one(&sql, &[]).await.map_err(while_doing("noticing deletions", &shape.table))?;
    let noted = format!("{deletions} WHERE _batch = {}", work.batch.number);
    work.run("noticing deletions", &shape.table, &shape.give_heads(work.places, &noted)).await?;
    Ok(row.get::<_, i64>(0).cast_unsigned())
}

/// Ends the current versions that a notice came after.
pub(crate) async fn close(work: &Work<'_>, shape: &Shape) -> Result<(), WarehouseError> {
    let sql = format!(
        "UPDATE {head} h SET _deleted_at = n._noticed_at, _deleted_in = n._batch
         FROM {deletions} n
         WHERE {same_key} AND n._batch > h._batch AND h._deleted_at IS NULL
           AND NOT EXISTS (SELECT FROM {deletions} e WHERE {e_same_n} AND e._batch > h._batch AND e._batch < n._batch)",
        head = work.places.side(&shape.head()),
        deletions = work.places.side(&shape.deletions()),
        same_key = shape.same_key("h", "n"),
        e_same_n = shape.same_key("e", "n"),
    );
    work.run("closing deleted facts", &shape.table, &sql).await
}
