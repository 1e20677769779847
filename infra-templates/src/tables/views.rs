//! Views of current rows. They keep to the warehouse's rules as far as the lake knows; docs/athena.md says how far.

use super::glue::{self, Table};
use super::hive::{Columns, GlueColumn, literal, own, quote};
use super::ledger::{BATCHES, FILES, KEY_FILES, KEY_SETS, OWNERS};

/// How the deletions of a fact's rows are known.
pub(super) struct Deletions {
    /// The source table the fact is about.
    pub(super) source_table: String,
    /// The Glue table of its keys.
    pub(super) keys_table: String,
    /// The key there, quoted, in the order of the fact's business key.
    pub(super) key: Vec<String>,
}

/// A dimension's rows: `<dimension>_current` has the one of each key that counts.
///
/// Whoever may change rows (the owner of a shared dimension, otherwise whoever writes it) is right with its newest row.
/// Another star's row stands where the owner has none, the first of them, since it was inserted and never changed. A row
/// that was released and had been overtaken only fills a gap.
pub(super) fn dimension(table: &str, columns: &Columns, key: &[String], writers: &[&str]) -> Table {
    let owner = match writers {
        [alone] => format!("SELECT {} AS star", literal(alone)),
        _ => format!("SELECT star FROM {OWNERS} WHERE dimension = {}", literal(table)),
    };
    let (batch, rank) = (own::BATCH, own::RANK);
    let sql = format!(
        "WITH owner AS (
{owner}
), ranked AS (
SELECT {stored}, f.batch AS {batch}, row_number() OVER (
PARTITION BY {t_key}
ORDER BY CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN 0 ELSE 1 END,
CASE WHEN o.star IS NOT NULL AND NOT f.overtaken THEN -f.batch ELSE f.batch END,
f.released, f.path DESC) AS {rank}
FROM {name} t JOIN {FILES} f ON f.path = t.\"$path\" LEFT JOIN owner o ON o.star = f.star
)
SELECT {shown}, r.{batch} FROM ranked r WHERE r.{rank} = 1",
        stored = stored(columns),
        t_key = of("t", key),
        name = quote(table),
        shown = columns.expressions("r").join(", "),
    );
    let mut shown = columns.shown();
    shown.push(GlueColumn::number(batch));
    glue::view(
        &format!("{table}_current"),
        "the latest row of each key; lake_batch: the batch that wrote it",
        shown,
        sql,
    )
}

/// A fact's rows: `<fact>_current` has the newest version of each key that the source still has, and `<fact>_deleted`
/// the last version of each key it has no more. Without a table that the fact is keyed by nothing is known of deletions,
/// and there is no second view.
pub(super) fn fact(
    table: &str,
    columns: &Columns,
    key: &[String],
    star: &str,
    deletions: Option<&Deletions>,
) -> Vec<Table> {
    let (batch, rank, deleted_in) = (own::BATCH, own::RANK, own::DELETED_IN);
    let latest = format!(
        "WITH ranked AS (
SELECT {stored}, f.observed_batch AS {batch}, row_number() OVER (
PARTITION BY {t_key} ORDER BY f.observed_batch DESC, f.batch DESC, f.path DESC) AS {rank}
FROM {name} t JOIN {FILES} f ON f.path = t.\"$path\"
), latest AS (
SELECT * FROM ranked WHERE {rank} = 1
)",
        stored = stored(columns),
        t_key = of("t", key),
        name = quote(table),
    );
    let expressions = columns.expressions("l").join(", ");
    let mut shown = columns.shown();
    shown.push(GlueColumn::number(batch));
    let current = format!("{table}_current");
    let Some(deletions) = deletions else {
        let sql = format!("{latest}\nSELECT {expressions}, l.{batch} FROM latest l");
        let description = "the newest version of each key; of deletions nothing is known";
        return vec![glue::view(&current, description, shown, sql)];
    };
    let source_table = literal(&deletions.source_table);
    let same = |one: &str, its_key: &[String], other: &str| -> String {
        let pairs = its_key.iter().zip(key).map(|(its, ours)| format!("{one}.{its} = {other}.{ours}"));
        pairs.collect::<Vec<_>>().join(" AND ")
    };
    let first_of_key = deletions.key.first().map(String::as_str).unwrap_or_default();
    let gone = format!(
        "{latest}, sets AS (
SELECT batch FROM {KEY_SETS} WHERE source_table = {source_table}
AND batch <= (SELECT max(batch) FROM {BATCHES} WHERE star = {star})
), living AS (
SELECT f.batch, {k_key} FROM {keys_table} k JOIN {KEY_FILES} f ON f.path = k.\"$path\"
WHERE f.source_table = {source_table}
), gone AS (
SELECT {l_key}, min(s.batch) AS {deleted_in}
FROM latest l JOIN sets s ON s.batch > l.{batch} LEFT JOIN living k ON k.batch = s.batch AND {living_is_latest}
WHERE k.{first_of_key} IS NULL GROUP BY {l_key}
)",
        star = literal(star),
        k_key = of("k", &deletions.key),
        keys_table = quote(&deletions.keys_table),
        l_key = of("l", key),
        living_is_latest = same("k", &deletions.key, "l"),
    );
    let gone_is_latest = same("g", key, "l");
    let living = format!(
        "{gone}
SELECT {expressions}, l.{batch} FROM latest l LEFT JOIN gone g ON {gone_is_latest} WHERE g.{deleted_in} IS NULL"
    );
    let deleted = format!(
        "{gone}\nSELECT {expressions}, l.{batch}, g.{deleted_in} FROM latest l JOIN gone g ON {gone_is_latest}"
    );
    let mut deleted_columns = shown.clone();
    deleted_columns.push(GlueColumn::number(deleted_in));
    vec![
        glue::view(
            &current,
            "the newest version of each key that is not gone; lake_batch: the batch that observed it",
            shown,
            living,
        ),
        glue::view(
            &format!("{table}_deleted"),
            "the last version of each key that is gone; lake_deleted_in: the batch that noticed",
            deleted_columns,
            deleted,
        ),
    ]
}

fn stored(columns: &Columns) -> String {
    let stored = columns.stored();
    stored.iter().map(|column| format!("t.{}", quote(&column.name))).collect::<Vec<_>>().join(", ")
}

fn of(alias: &str, key: &[String]) -> String {
    key.iter().map(|column| format!("{alias}.{column}")).collect::<Vec<_>>().join(", ")
}
