//! The tables and views the warehouse has, read from PostgreSQL's catalogue.

use std::collections::BTreeMap;

use tokio_postgres::GenericClient;
use totesys_postgres::quote_literal;

use crate::WarehouseError;
use crate::error::while_doing;
use crate::place::Places;
use crate::side;

/// A column as it is.
#[derive(Debug)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    pub(crate) sql_type: String,
    pub(crate) not_null: bool,
    /// Whether it fills itself when a row does not name it.
    pub(crate) has_default: bool,
}

/// A table or view as it is.
#[derive(Debug, Default)]
pub(crate) struct FoundTable {
    /// `table`, `view` or what else it is.
    pub(crate) kind: &'static str,
    pub(crate) columns: Vec<FoundColumn>,
    pub(crate) primary_key: Vec<String>,
    /// Its foreign keys of one column.
    pub(crate) references: Vec<FoundReference>,
    /// What a view was given besides its definition, such as `security_invoker=true`.
    pub(crate) options: Vec<String>,
}

/// A foreign key as it is.
#[derive(Debug)]
pub(crate) struct FoundReference {
    pub(crate) name: String,
    pub(crate) column: String,
    /// The table it points at.
    pub(crate) target: String,
    /// Whether PostgreSQL has looked at the rows that were there before it.
    pub(crate) validated: bool,
}

impl FoundTable {
    /// Whether it has a column of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }
}

/// What the main and side schemas hold, by schema and name.
#[derive(Debug, Default)]
pub(crate) struct Found {
    tables: BTreeMap<(String, String), FoundTable>,
    /// The definitions the views were created from and what they are now.
    pub(crate) views: BTreeMap<String, FoundView>,
}

/// A view of ours.
#[derive(Debug)]
pub(crate) struct FoundView {
    /// What was noted when it was made; see [`noted_view`].
    pub(crate) noted: String,
    /// The digest of what PostgreSQL says it is now; empty when it is gone.
    pub(crate) digest: String,
}

impl FoundView {
    /// Whether it was made from this definition and is what it was then.
    pub(crate) fn is(&self, select: &str) -> bool {
        self.noted.strip_prefix(select) == Some(&format!("{DIGEST_MARK}{}", self.digest))
    }

    /// Whether it is what it was when it was made, from whatever definition. One made before digests were noted passes.
    pub(crate) fn is_as_made(&self) -> bool {
        self.noted.rsplit_once(DIGEST_MARK).is_none_or(|(_, digest)| digest == self.digest)
    }
}

/// Stands between a view's definition and the digest of what PostgreSQL made of it.
const DIGEST_MARK: &str = "\n-- made as ";

/// The digest of what PostgreSQL says a view is, as SQL over its oid: it changes when somebody replaces the view.
fn digest(oid: &str) -> String {
    format!("hashtextextended(pg_get_viewdef({oid}), 0)::text")
}

/// What is noted of a view that was just made, as SQL.
pub(crate) fn noted_view(view: &str, select: &str) -> String {
    let definition = quote_literal(&format!("{select}{DIGEST_MARK}"));
    format!("{definition} || {}", digest(&format!("{}::regclass", quote_literal(view))))
}

impl Found {
    pub(crate) fn table(&self, places: &Places, name: &str) -> Option<&FoundTable> {
        self.tables.get(&(places.schema.clone(), name.to_owned()))
    }

    pub(crate) fn side(&self, places: &Places, name: &str) -> Option<&FoundTable> {
        self.tables.get(&(places.side_schema().to_owned(), places.side_name(name)))
    }

    /// Reads the catalogue: three queries, no locks on the tables.
    pub(crate) async fn read(client: &impl GenericClient, places: &Places) -> Result<Self, WarehouseError> {
        let doing = || while_doing("reading the catalogue", &places.schema);
        let mut found = Self::default();
        let columns = client
            .query(
                "SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
                        a.attnotnull, a.atthasdef OR a.attidentity <> '', c.relkind::text,
                        CASE c.relkind WHEN 'v' THEN c.reloptions END
                 FROM pg_class c
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 WHERE n.nspname::text IN ($1, $2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                 ORDER BY c.oid, a.attnum",
                &[&places.schema, &places.side_schema()],
            )
            .await
            .map_err(doing())?;
        for row in &columns {
            let table = found.tables.entry((row.get(0), row.get(1))).or_default();
            table.kind = match row.get(6) {
                "r" | "p" => "table",
                "v" => "view",
                "m" => "materialized view",
                _ => "foreign table",
            };
            table.options = row.get::<_, Option<Vec<String>>>(7).unwrap_or_default();
            if let Some(name) = row.get(2) {
                let (sql_type, not_null, has_default) = (row.get(3), row.get(4), row.get(5));
                table.columns.push(FoundColumn { name, sql_type, not_null, has_default });
            }
        }
        let constraints = client
            .query(
                "SELECT n.nspname::text, c.relname::text, k.contype = 'p', coalesce(t.relname::text, ''),
                        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, position)
                              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
                              ORDER BY u.position),
                        k.conname::text, k.convalidated
                 FROM pg_constraint k
                 JOIN pg_class c ON c.oid = k.conrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 LEFT JOIN pg_class t ON t.oid = k.confrelid AND t.relnamespace = c.relnamespace
                 WHERE n.nspname::text IN ($1, $2) AND k.contype IN ('p', 'f')",
                &[&places.schema, &places.side_schema()],
            )
            .await
            .map_err(doing())?;
        for row in &constraints {
            let table = found.tables.entry((row.get(0), row.get(1))).or_default();
            let columns: Vec<String> = row.get(4);
            match (row.get(2), <[String; 1]>::try_from(columns)) {
                (true, Ok(key)) => table.primary_key = key.into(),
                (true, Err(key)) => table.primary_key = key,
                (false, Ok([column])) => {
                    let (target, name, validated) = (row.get(3), row.get(5), row.get(6));
                    table.references.push(FoundReference { name, column, target, validated });
                }
                (false, Err(_)) => {}
            }
        }
        // Before the table of views is read: it may be one of those that are gone.
        side::check(places, &found)?;
        let views = format!(
            "SELECT v.view, v.definition, coalesce({}, '') FROM {} v
             LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname::text = $1)
               ON c.relname::text = v.view AND c.relkind = 'v'",
            digest("c.oid"),
            places.side("views"),
        );
        let views = client.query(&views, &[&places.schema]).await.map_err(doing())?;
        found.views =
            views.iter().map(|row| (row.get(0), FoundView { noted: row.get(1), digest: row.get(2) })).collect();
        Ok(found)
    }
}
