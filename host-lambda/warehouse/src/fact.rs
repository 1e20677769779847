//! Facts keep every version: a row is appended when it differs from the current one of its key.

use star_contract::Reference;
use totesys_postgres::{quote_identifier, quote_literal};

use crate::error::while_doing;
use crate::load::Work;
use crate::shape::Shape;
use crate::{TableReport, WarehouseError};

/// Ids beyond this share of a 4-byte integer are worth a warning.
const WARN_FROM_ID: i64 = i32::MAX as i64 / 5 * 4;

/// Appends what is new among the waiting rows and the staged ones, in the order they were observed.
pub(crate) async fn append(
    work: &Work<'_>,
    shape: &Shape,
    index: usize,
    staged: Option<&str>,
    offered: i64,
) -> Result<TableReport, WarehouseError> {
    let mut report =
        TableReport { table: shape.table.clone(), rows_offered: offered.cast_unsigned(), ..TableReport::default() };
    let queued =
        exists(work, shape, &format!("{} WHERE _state = 'waiting'", work.places.side(&shape.waiting()))).await?;
    if staged.is_none() && !queued {
        return Ok(report);
    }
    if let Some(staged) = staged {
        work.analyze(staged, offered).await?;
    }
    let judged = format!("judged_{index}");
    let judge = judge_sql(work, shape, &judged, staged);
    work.run("comparing facts with their current versions", &shape.table, &judge).await?;
    let verdicts = count_verdicts(work, shape, &judged).await?;
    work.analyze(&judged, verdicts.appended() + verdicts.waiting + verdicts.superseded).await?;
    if let Some((first, last)) = verdicts.ids {
        let ids = (id(shape, first)?, id(shape, last)?);
        work.run("appending facts", &shape.table, &append_sql(work, shape, &judged)).await?;
        note_ids(work, shape, ids).await?;
        (report.first_id, report.last_id) = (Some(ids.0), Some(ids.1));
    }
    if queued || verdicts.waiting + verdicts.superseded > 0 {
        work.run("queueing facts that wait", &shape.table, &queue_sql(work, shape, &judged)).await?;
    }
    report.appended = verdicts.appended().cast_unsigned();
    report.released = verdicts.released.cast_unsigned();
    report.waiting = verdicts.waiting.cast_unsigned();
    report.superseded = (verdicts.superseded + verdicts.superseded_queued).cast_unsigned();
    report.unchanged = (offered - verdicts.appended_staged - verdicts.waiting - verdicts.superseded).cast_unsigned();
    Ok(report)
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

/// Judges every candidate, waiting rows first.
///
/// `_ready_before` numbers a key's loadable rows: rows that share it stand between the same two of
/// them, and an unloadable row whose number is below the total has been overtaken. A loadable row is
/// compared with the loadable one before it, the first with the current version; an unloadable row
/// with the one before it in its queue.
fn judge_sql(work: &Work<'_>, shape: &Shape, judged: &str, staged: Option<&str>) -> String {
    let columns = shape.list("");
    let (key, row) = (shape.key_list("c"), shape.row("c"));
    let fact = work.places.table(&shape.table);
    let staged = staged.map_or(String::new(), |staged| {
        format!(
            "UNION ALL SELECT false, {}::bigint, _ord, {}, {} FROM pg_temp.{staged}",
            work.batch.number,
            work.batch.snapshot,
            shape.staged_list()
        )
    });
    let (reason, joins) = missing(work, &shape.references);
    format!(
        "CREATE TEMP TABLE {judged} ON COMMIT DROP AS
         WITH candidate AS (
             SELECT true AS _queued, _batch, _ord, _snapshot_at, {columns}
             FROM {waiting} WHERE _state = 'waiting'
             {staged}
         ), referred AS (
             SELECT c.*, {reason} AS _reason FROM candidate c {joins}
         ), counted AS (
             SELECT c.*,
                 count(*) FILTER (WHERE _reason IS NULL) OVER (PARTITION BY {key} ORDER BY _batch, _ord) AS _ready_before,
                 count(*) FILTER (WHERE _reason IS NULL) OVER (PARTITION BY {key}) AS _ready
             FROM referred c
         ), compared AS (
             SELECT c.*, coalesce(
                 lag({row}) OVER (PARTITION BY {key}, _reason IS NULL,
                                  CASE WHEN _reason IS NOT NULL THEN _ready_before END ORDER BY _batch, _ord),
                 CASE WHEN _reason IS NULL AND h._record_id IS NOT NULL THEN {f_row} END
             ) IS DISTINCT FROM {row} AS _differs
             FROM counted c
             LEFT JOIN {head} h ON {h_same_c} AND h._deleted_at IS NULL
             LEFT JOIN {fact} f ON f.{id} = h._record_id
         ), decided AS (
             SELECT c.*, CASE WHEN NOT _differs THEN 'unchanged'
                              WHEN _reason IS NULL THEN 'appended'
                              WHEN _ready_before < _ready THEN 'superseded'
                              ELSE 'waiting' END AS _verdict
             FROM compared c
         )
         SELECT _queued, _batch, _ord, _snapshot_at, _reason, _verdict, {columns},
             CASE WHEN _verdict = 'appended' THEN
                 (SELECT coalesce(max({id}), 0) FROM {fact})
                 + row_number() OVER (PARTITION BY _verdict ORDER BY _batch, _ord)
             END AS _record_id
         FROM decided WHERE _queued OR _verdict <> 'unchanged'",
        waiting = work.places.side(&shape.waiting()),
        f_row = shape.row("f"),
        head = work.places.side(&shape.head()),
        h_same_c = shape.same_key("h", "c"),
        id = shape.id(),
    )
}

/// The first dimension a row lacks, as text, and the joins that find it out.
fn missing(work: &Work<'_>, references: &[Reference]) -> (String, String) {
    let (mut whens, mut joins) = (String::new(), String::new());
    for (number, reference) in references.iter().enumerate() {
        let (column, target) = (quote_identifier(&reference.column), quote_identifier(&reference.target));
        let reason = quote_literal(&format!("missing {}", reference.table));
        whens.push_str(&format!(" WHEN c.{column} IS NOT NULL AND d{number}.{target} IS NULL THEN {reason}"));
        let dimension = work.places.table(&reference.table);
        joins.push_str(&format!(" LEFT JOIN {dimension} d{number} ON d{number}.{target} = c.{column}"));
    }
    (if whens.is_empty() { "NULL::text".to_owned() } else { format!("CASE{whens} END") }, joins)
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
         INSERT INTO {head} ({key}, _record_id)
         SELECT DISTINCT ON ({key}) {key}, _record_id FROM pg_temp.{judged} WHERE _verdict = 'appended'
         ORDER BY {key}, _record_id DESC
         ON CONFLICT ({key}) DO UPDATE
         SET _record_id = EXCLUDED._record_id, _deleted_at = NULL, _deleted_in = NULL",
        fact = work.places.table(&shape.table),
        head = work.places.side(&shape.head()),
        id = shape.id(),
    )
}

/// Moves queued rows on, drops those that turned out to change nothing, and queues new ones.
fn queue_sql(work: &Work<'_>, shape: &Shape, judged: &str) -> String {
    let columns = shape.list("");
    let overtaken = format!("CASE j._verdict WHEN 'superseded' THEN {} END", work.batch.snapshot);
    format!(
        "DELETE FROM {waiting} w USING pg_temp.{judged} j
         WHERE j._queued AND j._verdict = 'unchanged' AND w._batch = j._batch AND w._ord = j._ord;
         UPDATE {waiting} w
         SET _state = CASE j._verdict WHEN 'appended' THEN 'released' ELSE j._verdict END,
             _reason = coalesce(j._reason, w._reason), _record_id = j._record_id, _overtaken_at = {overtaken}
         FROM pg_temp.{judged} j
         WHERE j._queued AND w._batch = j._batch AND w._ord = j._ord
           AND (j._verdict <> 'waiting' OR j._reason <> w._reason);
         INSERT INTO {waiting} (_batch, _ord, _snapshot_at, _reason, _state, _overtaken_at, {columns})
         SELECT j._batch, j._ord, j._snapshot_at, j._reason, j._verdict, {overtaken}, {columns}
         FROM pg_temp.{judged} j WHERE NOT j._queued AND j._verdict IN ('waiting', 'superseded')",
        waiting = work.places.side(&shape.waiting()),
    )
}
