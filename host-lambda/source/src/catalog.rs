//! What the database's catalogue says of the requested tables.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use totesys_postgres::PostgresError;

use crate::error::SourceError;
use crate::snapshot::TableRequest;

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct CatalogColumn {
    pub(crate) name: String,
    /// As PostgreSQL writes it; an enum with its labels, because renaming one changes rows unseen.
    pub(crate) type_text: String,
    /// The type's oid; for a domain that of the type below it.
    pub(crate) base_type: u32,
    pub(crate) type_modifier: i32,
    pub(crate) not_null: bool,
}

/// A table that can be read.
#[derive(Debug)]
pub(crate) struct CatalogTable {
    pub(crate) oid: u32,
    /// Partitions or inheriting tables, at any depth.
    pub(crate) children: Vec<u32>,
    pub(crate) columns: Vec<CatalogColumn>,
}

const TABLES: &str = "\
    WITH RECURSIVE wanted AS (
      SELECT c.oid, c.relname::text AS name, c.relkind::text AS kind,
        has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname::text = ANY ($2)
    ), child AS (
      SELECT w.oid AS root, i.inhrelid AS oid FROM wanted w JOIN pg_inherits i ON i.inhparent = w.oid
      UNION
      SELECT child.root, i.inhrelid FROM child JOIN pg_inherits i ON i.inhparent = child.oid
    )
    SELECT w.oid, w.name, w.kind, w.readable, current_user::text,
      ARRAY(SELECT child.oid FROM child WHERE child.root = w.oid ORDER BY 1),
      EXISTS (SELECT FROM child JOIN pg_class c ON c.oid = child.oid
              WHERE child.root = w.oid AND c.relkind NOT IN ('r', 'p'))
    FROM wanted w";

const COLUMNS: &str = "\
    SELECT a.attrelid, a.attname::text,
      format_type(a.atttypid, a.atttypmod)
        || coalesce((SELECT ' {' || string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) || '}'
                     FROM pg_enum e WHERE e.enumtypid = t.oid), ''),
      CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END,
      CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END,
      a.attnotnull
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum";

/// Looks the requested tables up and refuses those that cannot be read.
pub(crate) async fn inspect(
    client: &Client,
    schema: &str,
    requests: &[TableRequest],
) -> Result<BTreeMap<String, CatalogTable>, SourceError> {
    let refused =
        |source| SourceError::Server { doing: "say which tables it has", source: PostgresError::from(source) };
    let names: Vec<&str> = requests.iter().map(|request| request.table.as_str()).collect();
    let mut tables = BTreeMap::new();
    for row in client.query(TABLES, &[&schema, &names]).await.map_err(refused)? {
        let (table, kind): (String, String) = (row.get(1), row.get(2));
        let kind = match kind.as_str() {
            "r" | "p" if row.get::<_, bool>(6) => Some("table with foreign tables below it"),
            "r" | "p" => None,
            "v" => Some("view"),
            "m" => Some("materialized view"),
            "f" => Some("foreign table"),
            _ => Some("relation of another kind"),
        };
        if let Some(kind) = kind {
            return Err(SourceError::NotATable { table, kind });
        }
        if !row.get::<_, bool>(3) {
            return Err(SourceError::MissingRight { role: row.get(4), schema: schema.to_owned(), table });
        }
        tables.insert(table, CatalogTable { oid: row.get(0), children: row.get(5), columns: Vec::new() });
    }
    if let Some(missing) = names.iter().find(|name| !tables.contains_key(**name)) {
        return Err(SourceError::TableMissing { schema: schema.to_owned(), table: (*missing).to_owned() });
    }
    let oids: Vec<u32> = tables.values().map(|table| table.oid).collect();
    for row in client.query(COLUMNS, &[&oids]).await.map_err(refused)? {
        let oid: u32 = row.get(0);
        let column = CatalogColumn {
            name: row.get(1),
            type_text: row.get(2),
            base_type: row.get(3),
            type_modifier: row.get(4),
            not_null: row.get(5),
        };
        if let Some(table) = tables.values_mut().find(|table| table.oid == oid) {
            table.columns.push(column);
        }
    }
    Ok(tables)
}

/// How many names of tables a baseline keeps: more are no schema anybody looks at.
const MOST_NAMES: i64 = 10_000;

/// The names of all tables of the schema, partitions and what inherits left out.
pub(crate) async fn names(client: &Client, schema: &str) -> Result<BTreeSet<String>, SourceError> {
    let names = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f')
                   AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
                 ORDER BY 1 LIMIT $2";
    let rows = client.query(names, &[&schema, &MOST_NAMES]).await;
    let rows = rows.map_err(|source| SourceError::Server { doing: "list its tables", source: source.into() })?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
