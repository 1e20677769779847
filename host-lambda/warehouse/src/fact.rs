//! Facts keep every version: a row is appended when it differs from the current one of its key.

use totesys_postgres::quote_literal;

use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;
use crate::{TableReport, WarehouseError, judge};

/// Ids beyond this share of a 4-byte integer are worth a warning.
const WARN_FROM_ID: i64 = i32::MAX as i64 / 5 * 4;

/// Rows of a fact in a temporary table, and the batch that observed them.
pub(crate) struct Arrived {
    pub(crate) batch: i64,
    /// When its snapshot was taken, as a timestamptz literal.
    pub(crate) snapshot: String,
    pub(crate) table: String,
    pub(crate) rows: i64,
}

/// Appends what is new among the waiting rows and the arrived ones, in the order they were observed.
pub(crate) async fn append(
    work: &Work<'_>,
    shape: &Shape,
    index: usize,
    arrived: &[Arrived],
) -> Result<TableReport, WarehouseError> {
    let offered = arrived.iter().map(|arrived| arrived.rows).sum::<i64>();
    let mut report =
        TableReport { table: shape.table.clone(), rows_offered: offered.cast_unsigned(), ..TableReport::default() };
    let queued =
        exists(work, shape, &format!("{} WHERE _state = 'waiting'", work.places.side(&shape.waiting()))).await?;
    if arrived.is_empty() && !queued {
        return Ok(report);
    }
    for arrived in arrived {
        work.analyze(&arrived.table, &shape.key_list(""), arrived.rows).await?;
    }
    let notices = exists(work, shape, &work.places.side(&shape.deletions())).await?;
    let judged = format!("judged_{index}");
    let judge = judge::sql(work, shape, &judged, arrived, notices);
    work.run("comparing facts with their current versions", &shape.table, &judge).await?;
    let verdicts = count_verdicts(work, shape, &judged).await?;
    if let Some((first, last)) = verdicts.ids {
        let ids = (id(shape, first)?, id(shape, last)?);
        work.run("appending facts", &shape.table, &append_sql(work, shape, &judged)).await?;
        note_ids(work, shape, ids).await?;
        (report.first_id, report.last_id) = (Some(ids.0), Some(ids.1));
    }
    let late = arrived.iter().any(|arrived| arrived.batch < work.batch.number);
    if queued || late || verdicts.waiting + verdicts.superseded > 0 {
        let judged_rows = verdicts.appended() + verdicts.waiting + verdicts.superseded;
        work.analyze(&judged, "_batch, _ord", judged_rows).await?;
        work.run("queueing facts that wait", &shape.table, &queue_sql(work, shape, &judged)).await?;
    }
    report.appended = verdicts.appended().cast_unsigned();
    report.released = verdicts.released.cast_unsigned();
    report.waiting = verdicts.waiting.cast_unsigned();
    report.superseded = (verdicts.superseded + verdicts.superseded_queued).cast_unsigned();
    report.unchanged = (offered - verdicts.appended_staged - verdicts.waiting - verdicts.superseded).cast_unsigned();
    Ok(report)
}

/// Notes that the current versions of refused keys were observed again: what is refused was observed before.
pub(crate) async fn overtake(
    work: &Work<'_>,
    shape: &Shape,
    staged: &str,
    refused: &[(i64, String)],
) -> Result<(), WarehouseError> {
    for (_, refused) in refused {
        let heads = shape.give_heads(work.places, &format!("pg_temp.{refused}"));
        let sql = format!(
            "{heads};
             UPDATE {head} h SET _batch = {batch}
             FROM pg_temp.{refused} r
             WHERE {r_same_h} AND h._deleted_at IS NULL AND h._batch < {batch}
               AND EXISTS (SELECT FROM pg_temp.{staged} s WHERE {s_same_r})
               AND NOT EXISTS (SELECT FROM {waiting} w WHERE {w_same_r} AND w._batch = {batch})",
            head = work.places.side(&shape.head()),
            waiting = work.places.side(&shape.waiting()),
            batch = work.batch.number,
            r_same_h = shape.same_key("r", "h"),
            s_same_r = shape.same_key("s", "r"),
            w_same_r = shape.same_key("w", "r"),
        );
        work.run("noting what was observed again", &shape.table, &sql).await?;
    }
    Ok(())
}

/// Whether a relation, or part of one, has a row.
pub(crate) async fn exists(work: &Work<'_>, shape: &Shape, from: &str) -> Result<bool, WarehouseError> {
    let row = work
        .transaction
        .query_one(&format!("SELECT EXISTS (SELECT FROM {from})"), &[])
        .await
        .map_err(while_doing("looking for rows", &shape.table))?;
    Ok(row.get(0))
}

/// A record id as its column holds it.
pub(crate) fn id(shape: &Shape, id: i64) -> Result<i32, WarehouseError> {
    i32::try_from(id).map_err(|_| WarehouseError::IdsExhausted { table: shape.table.clone() })
}

/// Records which ids a batch was given, and moves the sequence on.
pub(crate) async fn note_ids(work: &Work<'_>, shape: &Shape, (first, last): (i32, i32)) -> Result<(), WarehouseError> {
    let fact_loads = format!(
        "INSERT INTO {} (fact, batch, star, first_id, last_id, snapshot_at, component_digest)
         VALUES ($1, $2, $3, $4, $5, {}, $6)",
        work.places.side("fact_loads"),
        work.batch.snapshot,
    );
    let batch = &work.batch;
    work.transaction
        .execute(&fact_loads, &[&shape.table, &batch.number, &batch.star, &first, &last, &batch.component_digest])
        .await
        .map_err(while_doing("recording the ids of a batch", &shape.table))?;
    // Ids come from the table, so a sequence that a rollback leaves ahead does no harm.
    let sequence = format!(
        "SELECT setval(pg_get_serial_sequence({}, {}), {last})",
        quote_literal(&work.places.table(&shape.table)),
        quote_literal(shape.surrogate.as_deref().unwrap_or_default()),
    );
    work.run("moving the sequence on", &shape.table, &sequence).await?;
    if i64::from(last) >= WARN_FROM_ID {
        tracing::warn!(table = shape.table, last_id = last, "record ids have passed 80 % of a 4-byte integer");
    }
    Ok(())
}

#[derive(Default)]
struct Verdicts {
    appended_staged: i64,
    released: i64,
    waiting: i64,
    superseded: i64,
    superseded_queued: i64,
    ids: Option<(i64, i64)>,
}

impl Verdicts {
    fn appended(&self) -> i64 {
        self.appended_staged + self.released
    }
}

async fn count_verdicts(work: &Work<'_>, shape: &Shape, judged: &str) -> Result<Verdicts, WarehouseError> {
    let rows = work
        .transaction
        .query(
            &format!(
                "SELECT _verdict, _queued, count(*), min(_record_id), max(_record_id)
                 FROM pg_temp.{judged} GROUP BY _verdict, _queued"
            ),
            &[],
        )
        .await
        .map_err(while_doing("counting facts", &shape.table))?;
    let mut verdicts = Verdicts::default();
    for row in rows {
        let count = row.get(2);
        match (row.get(0), row.get(1)) {
            ("appended", true) => verdicts.released = count,
            ("appended", false) => verdicts.appended_staged = count,
            ("superseded", true) => verdicts.superseded_queued = count,
            ("superseded", false) => verdicts.superseded = count,
            ("waiting", false) => verdicts.waiting = count,
            _ => {}
        }
        if let (Some(first), Some(last)) = (row.get::<_, Option<i64>>(3), row.get::<_, Option<i64>>(4)) {
            let (least, most) = verdicts.ids.unwrap_or((first, last));
            verdicts.ids = Some((least.min(first), most.max(last)));
        }
    }
    Ok(verdicts)
}

fn append_sql(work: &Work<'_>, shape: &Shape, judged: &str) -> String {
    let (columns, key) = (shape.list(""), shape.key_list(""));
    format!(
        "INSERT INTO {fact} ({id}, {columns})
         SELECT _record_id, {columns} FROM pg_temp.{judged} WHERE _verdict = 'appended' ORDER BY _record_id;
         INSERT INTO {head} ({key}, _record_id, _batch)
         SELECT DISTINCT ON ({key}) {key}, _record_id, _batch FROM pg_temp.{judged} WHERE _verdict = 'appended'
         ORDER BY {key}, _record_id DESC
         ON CONFLICT ({key}) DO UPDATE
         SET _record_id = EXCLUDED._record_id, _batch = EXCLUDED._batch, _deleted_at = NULL, _deleted_in = NULL",
        fact = work.places.table(&shape.table),
        head = work.places.side(&shape.head()),
        id = shape.id(),
    )
}

/// Moves queued rows on, drops those that turned out to change nothing, and queues new ones. A version that was
/// observed by an earlier batch and never queued is noted as released, so that its history begins when it was
/// observed; its number lies beyond those of the batch that observed it.
fn queue_sql(work: &Work<'_>, shape: &Shape, judged: &str) -> String {
    let columns = shape.list("");
    format!(
        "DELETE FROM {waiting} w USING pg_temp.{judged} j
         WHERE j._queued AND j._verdict = 'unchanged' AND w._batch = j._batch AND w._ord = j._ord;
         UPDATE {waiting} w
         SET _state = CASE j._verdict WHEN 'appended' THEN 'released' ELSE j._verdict END,
             _reason = coalesce(j._reason, w._reason), _record_id = j._record_id, _overtaken_at = j._overtaken_at
         FROM pg_temp.{judged} j
         WHERE j._queued AND w._batch = j._batch AND w._ord = j._ord
           AND (j._verdict <> 'waiting' OR j._reason <> w._reason);
         INSERT INTO {waiting} (_batch, _ord, _snapshot_at, _reason, _state, _record_id, _overtaken_at, {columns})
         SELECT j._batch, j._ord, j._snapshot_at, coalesce(j._reason, 'observed earlier'),
             CASE j._verdict WHEN 'appended' THEN 'released' ELSE j._verdict END, j._record_id, j._overtaken_at,
             {columns}
         FROM pg_temp.{judged} j
         WHERE NOT j._queued
           AND (j._verdict IN ('waiting', 'superseded') OR j._verdict = 'appended' AND j._batch < {batch})",
        waiting = work.places.side(&shape.waiting()),
        batch = work.batch.number,
    )
}
