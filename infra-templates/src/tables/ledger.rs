//! The lake's own records as tables, and what they say as views: which files count.
//!
//! A file under `parquets/` counts when the transformation that lists it counts: attempts that came to nothing, stopped
//! batches and rebuilds leave files that no record, or no record that counts, lists. So the views go by the records, as
//! the load does, and read no meaning out of names.

use crate::Names;

use super::glue::{self, Table};
use super::hive::{GlueColumn, literal};

/// The Glue names of the records and of what they say.
pub(super) const BATCHES: &str = "lake_batches";
pub(super) const FILES: &str = "lake_files";
pub(super) const OWNERS: &str = "lake_owners";
pub(super) const KEY_SETS: &str = "lake_key_sets";
pub(super) const KEY_FILES: &str = "lake_key_files";
const TRANSFORMATIONS: &str = "lake_transformations";
const MANIFESTS: &str = "lake_manifests";
const CATALOG: &str = "lake_catalog";

/// The newest catalog record.
const LIVE: &str = "live AS (
    SELECT owners, generations FROM lake_catalog
    WHERE CAST(number AS bigint) = (SELECT max(CAST(number AS bigint)) FROM lake_catalog)
)";

/// The transformations that count. A batch counts in the newest generation that goes back so far: a generation ends
/// where a later one begins. The first one, number 0, is in no catalog record.
const COUNTED: &str = "generation AS (
    SELECT g.star, CAST(n.number AS bigint) AS number, CAST(n.first_batch AS bigint) AS first_batch
    FROM live CROSS JOIN UNNEST(generations) AS g(star, numbers) CROSS JOIN UNNEST(g.numbers) AS n(number, first_batch)
    UNION ALL
    SELECT g.star, 0, 0 FROM live CROSS JOIN UNNEST(generations) AS g(star, numbers)
), counting AS (
    SELECT star, number, first_batch, min(first_batch) OVER (
        PARTITION BY star ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_batch
    FROM generation
), transformed AS (
    SELECT star, CAST(batch AS bigint) AS batch, coalesce(CAST(generation AS bigint), 0) AS number, outputs, released
    FROM lake_transformations WHERE outputs IS NOT NULL
), counted AS (
    SELECT t.star, t.batch, t.outputs, t.released
    FROM transformed t LEFT JOIN counting c ON c.star = t.star AND c.number = t.number
    WHERE CASE WHEN c.number IS NULL THEN t.number = 0
          ELSE t.batch >= c.first_batch AND (c.next_batch IS NULL OR t.batch < c.next_batch) END
)";

/// The records of an environment's lake.
pub(super) struct Ledger<'a> {
    names: &'a Names,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Self { names }
    }

    /// The records. Numbers are text in them.
    pub(super) fn tables(&self) -> [Table; 3] {
        let place = |bucket: &str, prefix: &str| format!("s3://{}/{prefix}", self.names.bucket(bucket));
        let files = "array<struct<key:string>>";
        let outputs = format!("array<struct<files:{files}>>");
        [
            glue::records(
                TRANSFORMATIONS,
                "what each star made of each batch; other records of the bucket have no outputs",
                place("transformation-times", ""),
                &[
                    ("batch", "string"),
                    ("star", "string"),
                    ("generation", "string"),
                    ("digest", "string"),
                    ("catalog", "string"),
                    ("outputs", &outputs),
                    ("released", &format!("array<struct<observed_batch:string,overtaken:boolean,outputs:{outputs}>>")),
                ],
            ),
            glue::records(
                MANIFESTS,
                "each batch, with the sets of keys that tell deletions",
                place("ingestion", "manifests/"),
                &[
                    ("batch", "string"),
                    ("taken_at", "string"),
                    ("tables", &format!("map<string,struct<changed:boolean,keys:struct<rows:string,files:{files}>>>")),
                ],
            ),
            glue::records(
                CATALOG,
                "the catalog; the record of the greatest number is live",
                place("code", "catalog/"),
                &[
                    ("number", "string"),
                    ("note", "string"),
                    ("owners", "map<string,string>"),
                    ("generations", "map<string,array<struct<number:string,from:string>>>"),
                ],
            ),
        ]
    }

    /// What the records say.
    pub(super) fn views(&self) -> [Table; 5] {
        let transformed = literal(&format!("s3://{}/", self.names.bucket("transformed-data")));
        let ingested = literal(&format!("s3://{}/", self.names.bucket("ingestion")));
        let (star, batch) = (GlueColumn::text("star"), GlueColumn::number("batch"));
        let flag = |name: &str| GlueColumn::new(name, "boolean", "boolean");
        let source_table = GlueColumn::text("source_table");
        let key_sets = format!(
            "SELECT t.source_table, CAST(m.batch AS bigint) AS batch, t.entry.keys AS keys
             FROM {MANIFESTS} m CROSS JOIN UNNEST(m.tables) AS t(source_table, entry)
             WHERE t.entry.changed AND t.entry.keys IS NOT NULL"
        );
        [
            glue::view(
                BATCHES,
                "the batches each star has transformed, in the generation that counts",
                vec![star.clone(), batch.clone()],
                unindented(&format!("WITH {LIVE}, {COUNTED}\nSELECT star, batch FROM counted")),
            ),
            glue::view(
                FILES,
                "the files that count, with the batch that observed their rows",
                vec![
                    GlueColumn::text("path"),
                    star,
                    batch.clone(),
                    GlueColumn::number("observed_batch"),
                    flag("released"),
                    flag("overtaken"),
                ],
                unindented(&format!(
                    "WITH {LIVE}, {COUNTED}
SELECT {transformed} || f.key AS path, c.star, c.batch, c.batch AS observed_batch, false AS released, false AS overtaken
FROM counted c CROSS JOIN UNNEST(c.outputs) AS o(files) CROSS JOIN UNNEST(o.files) AS f(key)
UNION ALL
SELECT {transformed} || f.key, c.star, c.batch, CAST(r.observed_batch AS bigint), true, coalesce(r.overtaken, false)
FROM counted c CROSS JOIN UNNEST(c.released) AS r(observed_batch, overtaken, outputs)
CROSS JOIN UNNEST(r.outputs) AS o(files) CROSS JOIN UNNEST(o.files) AS f(key)"
                )),
            ),
            glue::view(
                OWNERS,
                "the star that may change the rows of a shared dimension",
                vec![GlueColumn::text("dimension"), GlueColumn::text("star")],
                unindented(&format!(
                    "WITH {LIVE}\nSELECT o.dimension, o.star FROM live CROSS JOIN UNNEST(owners) AS o(dimension, star)"
                )),
            ),
            glue::view(
                KEY_SETS,
                "the batches that have every key of a source table, because some may be gone",
                vec![source_table.clone(), batch.clone(), GlueColumn::number("keys")],
                unindented(&format!(
                    "SELECT s.source_table, s.batch, CAST(s.keys.rows AS bigint) AS keys FROM ({key_sets}) s"
                )),
            ),
            glue::view(
                KEY_FILES,
                "the files that hold those keys",
                vec![source_table, batch, GlueColumn::text("path")],
                unindented(&format!(
                    "SELECT s.source_table, s.batch, {ingested} || f.key AS path
FROM ({key_sets}) s CROSS JOIN UNNEST(s.keys.files) AS f(key)"
                )),
            ),
        ]
    }
}

/// The query without the spaces that only this file's layout needs: people read it in Athena.
fn unindented(sql: &str) -> String {
    sql.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}
