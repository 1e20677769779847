//! The tables and views the warehouse has, read from PostgreSQL's catalogue.

use std::collections::BTreeMap;

use tokio_postgres::GenericClient;

use crate::WarehouseError;
use crate::error::while_doing;
use crate::place::Places;

/// A column as it is.
#[derive(Debug)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    pub(crate) sql_type: String,
    pub(crate) not_null: bool,
}

/// A table or view as it is.
#[derive(Debug, Default)]
pub(crate) struct FoundTable {
    pub(crate) columns: Vec<FoundColumn>,
    pub(crate) primary_key: Vec<String>,
    /// The column of each one-column foreign key and the table it points at.
    pub(crate) references: Vec<(String, String)>,
}

/// What the main and side schemas hold, by schema and name.
#[derive(Debug, Default)]
pub(crate) struct Found {
    tables: BTreeMap<(String, String), FoundTable>,
    /// The definitions the views were created from.
    pub(crate) views: BTreeMap<String, String>,
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
                        a.attnotnull
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
            if let Some(name) = row.get(2) {
                table.columns.push(FoundColumn { name, sql_type: row.get(3), not_null: row.get(4) });
            }
        }
        let constraints = client
            .query(
                "SELECT n.nspname::text, c.relname::text, k.contype = 'p', coalesce(t.relname::text, ''),
                        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, position)
                              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
                              ORDER BY u.position)
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
                (false, Ok([column])) => table.references.push((column, row.get(3))),
                (false, Err(_)) => {}
            }
        }
        let views = format!("SELECT view, definition FROM {}", places.side("views"));
        let views = client.query(&views, &[]).await.map_err(doing())?;
        found.views = views.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(found)
    }
}
