//! The history rule: what becomes of every version of a fact that waits or arrives.

use star_contract::Reference;
use totesys_postgres::{quote_identifier, quote_literal};

use crate::fact::Arrived;
use crate::load::Work;
use crate::shape::Shape;

/// Judges every candidate, in the order observed, into a temporary table.
///
/// `_life` counts the notices of deletion of a key up to a candidate's batch: versions of different lives are never
/// compared, so a key that comes back as it was is new. `_ready_before` numbers a key's loadable rows: rows that
/// share it stand between the same two of them, and an unloadable row whose number is below the total has been
/// overtaken. A loadable row is compared with the loadable one before it, the first with the current version; an
/// unloadable row with the one before it in its queue. Whatever was observed before the current version is overtaken.
/// A key without a head has at most one version, which is its current one.
pub(crate) fn sql(work: &Work<'_>, shape: &Shape, judged: &str, arrived: &[Arrived], notices: bool) -> String {
    let columns = shape.list("");
    let (key, row) = (shape.key_list("c"), shape.row("c"));
    let (reason, joins) = missing(work, &shape.references);
    let (life, same_life) = lives(work, shape, notices);
    format!(
        "CREATE TEMP TABLE {judged} ON COMMIT DROP AS
         WITH candidate AS (
             SELECT true AS _queued, _batch, _ord, _snapshot_at, {columns}
             FROM {waiting} WHERE _state = 'waiting'
             {arrived}
         ), referred AS (
             SELECT c.*, {reason} AS _reason, {life} AS _life FROM candidate c {joins}
         ), counted AS (
             SELECT c.*,
                 count(*) FILTER (WHERE _reason IS NULL) OVER (PARTITION BY {key} ORDER BY _batch, _ord) AS _ready_before,
                 count(*) FILTER (WHERE _reason IS NULL) OVER (PARTITION BY {key}) AS _ready
             FROM referred c
         ), compared AS (
             SELECT c.*, {late} AS _late, coalesce(
                 lag({row}) OVER (PARTITION BY {key}, _life, _reason IS NULL,
                                  CASE WHEN _reason IS NOT NULL THEN _ready_before END ORDER BY c._batch, _ord),
                 CASE WHEN _reason IS NULL AND f.{id} IS NOT NULL AND {same_life} THEN {f_row} END
             ) IS DISTINCT FROM {row} AS _differs
             FROM counted c
             LEFT JOIN {head} h ON {h_same_c}
             LEFT JOIN {fact} f ON {f_same_c} AND f.{id} = coalesce(h._record_id, f.{id})
         ), decided AS (
             SELECT c.*, CASE WHEN _late THEN 'superseded'
                              WHEN NOT _differs THEN 'unchanged'
                              WHEN _reason IS NULL THEN 'appended'
                              WHEN _ready_before < _ready THEN 'superseded'
                              ELSE 'waiting' END AS _verdict
             FROM compared c
         )
         SELECT _queued, _batch, _ord, _snapshot_at, _reason, _verdict, {columns},
             CASE WHEN _verdict = 'appended' THEN
                 (SELECT coalesce(max({id}), 0) FROM {fact})
                 + row_number() OVER (PARTITION BY _verdict ORDER BY _batch, _ord)
             END AS _record_id,
             CASE WHEN _verdict = 'superseded' THEN CASE WHEN _late THEN {overtaken} ELSE {snapshot} END END
                 AS _overtaken_at
         FROM decided c WHERE _queued OR _verdict <> 'unchanged'",
        waiting = work.places.side(&shape.waiting()),
        arrived = arrived.iter().map(|arrived| candidates(work, shape, arrived)).collect::<String>(),
        f_row = shape.row("f"),
        head = work.places.side(&shape.head()),
        h_same_c = shape.same_key("h", "c"),
        f_same_c = shape.same_key("f", "c"),
        late = late(work, shape),
        fact = work.places.table(&shape.table),
        id = shape.id(),
        overtaken = overtaken(work, shape),
        snapshot = work.batch.snapshot,
    )
}

fn candidates(work: &Work<'_>, shape: &Shape, arrived: &Arrived) -> String {
    // Numbers of a batch's own rows are below 2^32; what it observed and another batch brings stands behind them.
    let behind = if arrived.batch < work.batch.number { work.batch.number << 32 } else { 0 };
    format!(
        " UNION ALL SELECT false, {}::bigint, _ord + {behind}, {}, {} FROM pg_temp.{}",
        arrived.batch,
        arrived.snapshot,
        shape.staged_list(),
        arrived.table
    )
}

/// Whether a candidate was observed before the current version, as SQL. What this batch observed never was.
fn late(work: &Work<'_>, shape: &Shape) -> String {
    format!(
        "CASE WHEN c._batch < {batch} THEN coalesce(h._batch, {loaded_in}) > c._batch ELSE false END",
        batch = work.batch.number,
        loaded_in = shape.loaded_in(work.places, &format!("f.{}", shape.id())),
    )
}

/// A candidate's life, and whether the current version is of the same one, as SQL.
fn lives(work: &Work<'_>, shape: &Shape, notices: bool) -> (String, String) {
    if !notices {
        return ("0".to_owned(), "true".to_owned());
    }
    let deletions = work.places.side(&shape.deletions());
    let same_key = shape.same_key("n", "c");
    (
        format!("(SELECT count(*) FROM {deletions} n WHERE {same_key} AND n._batch <= c._batch)"),
        format!(
            "NOT EXISTS (SELECT FROM {deletions} n
                         WHERE {same_key} AND n._batch > h._batch AND n._batch <= c._batch)"
        ),
    )
}

/// When the first version after a late one began, as SQL.
fn overtaken(work: &Work<'_>, shape: &Shape) -> String {
    format!(
        "(SELECT coalesce(w._snapshot_at, l.snapshot_at)
          FROM {fact} n {observed}
          WHERE {same_key} AND coalesce(w._batch, l.batch) > c._batch
          ORDER BY n.{id} LIMIT 1)",
        fact = work.places.table(&shape.table),
        observed = shape.observed_by(work.places, "n"),
        id = shape.id(),
        same_key = shape.same_key("n", "c"),
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
