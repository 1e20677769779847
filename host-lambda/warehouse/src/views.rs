//! The two views of a fact: its current rows, and every version with the time it was valid.

use totesys_postgres::quote_identifier;

use crate::found::Found;
use crate::place::Places;
use crate::shape::{HISTORY_COLUMNS, Shape, list};

/// Names and definitions of a fact's views.
///
/// A view can only grow at its end while others may depend on it, so the columns it has keep their
/// places and new ones follow.
pub(crate) fn of(shape: &Shape, places: &Places, found: &Found) -> [(String, String); 2] {
    let (current, history) = (format!("{}_current", shape.table), format!("{}_history", shape.table));
    let columns = fact_columns(shape, places, found);
    let of_fact = in_order(columns.iter().map(String::as_str), &current, places, found);
    let of_history = in_order(columns.iter().map(String::as_str).chain(HISTORY_COLUMNS), &history, places, found);
    [(current, current_rows(shape, places, &of_fact)), (history, versions(shape, places, &columns, &of_history))]
}

/// The record id, the described columns, and those of earlier descriptions that the table still has.
fn fact_columns(shape: &Shape, places: &Places, found: &Found) -> Vec<String> {
    let mut columns: Vec<String> = shape.surrogate.iter().cloned().collect();
    columns.extend(shape.columns.iter().map(|column| column.name.clone()));
    let in_waiting = found.side(places, &shape.waiting());
    for left in found.table(places, &shape.table).iter().flat_map(|table| &table.columns) {
        let kept = in_waiting.is_some_and(|table| table.columns.iter().any(|column| column.name == left.name));
        if kept && !columns.contains(&left.name) {
            columns.push(left.name.clone());
        }
    }
    columns
}

fn in_order<'a>(wanted: impl Iterator<Item = &'a str>, view: &str, places: &Places, found: &Found) -> Vec<&'a str> {
    let mut wanted: Vec<&str> = wanted.collect();
    let existing = found.table(places, view);
    let position = |name: &str| {
        existing.and_then(|view| view.columns.iter().position(|column| column.name == name)).unwrap_or(usize::MAX)
    };
    wanted.sort_by_key(|name| position(name));
    wanted
}

fn current_rows(shape: &Shape, places: &Places, columns: &[&str]) -> String {
    format!(
        "SELECT {columns} FROM {fact} f LEFT JOIN {head} h ON {same_key}
         WHERE h._record_id IS NULL OR h._record_id = f.{id} AND h._deleted_at IS NULL",
        columns = list(columns.iter().copied(), "f"),
        fact = places.table(&shape.table),
        head = places.side(&shape.head()),
        same_key = shape.same_key("h", "f"),
        id = shape.id(),
    )
}

/// Loaded versions follow one another without gaps; an overtaken one, which was never loaded, stands
/// beside them without a record id, from its snapshot until the version that overtook it.
fn versions(shape: &Shape, places: &Places, fact_columns: &[String], columns: &[&str]) -> String {
    let id = shape.id();
    let key = shape.key_list("f");
    let created = shape.created.as_deref().unwrap_or("NULL::timestamptz");
    let overtaken: Vec<String> = columns
        .iter()
        .map(|name| match *name {
            name if shape.surrogate.as_deref() == Some(name) => format!("NULL::integer AS {id}"),
            "batch" => "w._batch AS batch".to_owned(),
            "valid_from" => "w._snapshot_at AS valid_from".to_owned(),
            "valid_to" => "LEAST(w._overtaken_at, d._noticed_at) AS valid_to".to_owned(),
            "is_current" => "false AS is_current".to_owned(),
            "deleted_at" => "CASE WHEN d._noticed_at < w._overtaken_at THEN d._noticed_at END AS deleted_at".to_owned(),
            "deleted_in" => "CASE WHEN d._noticed_at < w._overtaken_at THEN d._batch END AS deleted_in".to_owned(),
            name => format!("w.{}", quote_identifier(name)),
        })
        .collect();
    format!(
        "SELECT {columns} FROM (
             SELECT o.*, coalesce(d._noticed_at, o._next_from) AS valid_to, d._noticed_at AS deleted_at,
                 d._batch AS deleted_in
             FROM (
                 SELECT v.*,
                     lead(v.valid_from) OVER (PARTITION BY {v_key} ORDER BY v.{id}) AS _next_from,
                     lead(v.batch) OVER (PARTITION BY {v_key} ORDER BY v.{id}) AS _next_batch
                 FROM (
                     SELECT {fact_columns}, coalesce(w._batch, l.batch) AS batch,
                         CASE WHEN row_number() OVER (PARTITION BY {key} ORDER BY f.{id}) = 1
                              THEN LEAST({created}, w._snapshot_at, l.snapshot_at)
                              ELSE coalesce(w._snapshot_at, l.snapshot_at) END AS valid_from,
                         h._record_id IS NULL OR h._record_id = f.{id} AND h._deleted_at IS NULL AS is_current
                     FROM {fact} f
                     LEFT JOIN {head} h ON {same_key} {observed}
                 ) v
             ) o
             LEFT JOIN LATERAL (
                 SELECT n._batch, n._noticed_at FROM {deletions} n
                 WHERE {n_same_o} AND n._batch > o.batch AND (o._next_batch IS NULL OR n._batch <= o._next_batch)
                 ORDER BY n._batch LIMIT 1
             ) d ON true
         ) versions
         UNION ALL
         SELECT {overtaken} FROM {waiting} w
         LEFT JOIN LATERAL (
             SELECT n._batch, n._noticed_at FROM {deletions} n
             WHERE {n_same_w} AND n._batch > w._batch ORDER BY n._batch LIMIT 1
         ) d ON true
         WHERE w._state = 'superseded'",
        columns = list(columns.iter().copied(), ""),
        v_key = shape.key_list("v"),
        fact_columns = list(fact_columns.iter().map(String::as_str), "f"),
        fact = places.table(&shape.table),
        head = places.side(&shape.head()),
        same_key = shape.same_key("h", "f"),
        observed = shape.observed_by(places, "f"),
        waiting = places.side(&shape.waiting()),
        deletions = places.side(&shape.deletions()),
        n_same_o = shape.same_key("n", "o"),
        n_same_w = shape.same_key("n", "w"),
        overtaken = overtaken.join(", "),
    )
}
