//! Loads a snapshot of Totesys, eleven CSV files, into a source database.

mod csv_file;
mod refusal;
mod verb;

pub(crate) use verb::verb;

use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, pin_mut};
use serde::Serialize;
use tokio_postgres::Transaction;
use totesys_postgres::{ConnectionSettings, PostgresError, qualified, quote_identifier};
use totesys_simulate::{SCHEMA, TABLES};

use crate::hint::advise;
use crate::progress::Progress;
use csv_file::CsvFile;

/// What an import brought in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ImportReport {
    /// The tables in the order they were written.
    pub tables: Vec<ImportedTable>,
}

/// One table of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ImportedTable {
    /// Its name.
    pub table: String,
    /// How many rows it got.
    pub rows: u64,
}

/// Makes the source's tables in a schema that does not have them yet, and fills them from the CSV
/// files of a folder: all of them or none.
///
/// # Errors
/// When a file is missing or malformed, or the schema already holds one of the tables.
pub(crate) async fn import(
    directory: &Path,
    settings: &ConnectionSettings,
    schema: &str,
    progress: &Progress,
) -> Result<ImportReport> {
    let files = csv_file::open_all(directory, &TABLES)?;
    let mut connection = settings.connect("totesys import").await?;
    let transaction = connection.transaction().await.map_err(PostgresError::from)?;
    refuse_existing(&transaction, schema).await?;
    let preparation = format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path = {schema}; SET LOCAL datestyle = 'ISO, YMD';",
        schema = quote_identifier(schema),
    );
    for statements in [preparation.as_str(), SCHEMA] {
        let made = transaction.batch_execute(statements).await.map_err(PostgresError::from);
        made.with_context(|| format!("the tables of Totesys cannot be made in schema `{schema}`"))?;
    }
    let mut tables = Vec::new();
    for file in files {
        let rows = load(&transaction, schema, &file, progress).await?;
        tables.push(ImportedTable { table: file.table, rows });
    }
    transaction.commit().await.map_err(PostgresError::from).context("the import could not be committed")?;
    Ok(ImportReport { tables })
}

async fn refuse_existing(transaction: &Transaction<'_>, schema: &str) -> Result<()> {
    let existing = transaction
        .query_opt(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND (c.relname = ANY ($2) OR c.relname = '_prisma_migrations') ORDER BY 1 LIMIT 1",
            &[&schema, &TABLES.as_slice()],
        )
        .await
        .map_err(PostgresError::from)?;
    let Some(row) = existing else { return Ok(()) };
    let table: String = row.get(0);
    Err(advise(
        format!("schema `{schema}` already has a table `{table}`; an import never adds to what is there"),
        "import into an empty database, or drop the tables first",
    ))
}

async fn load(transaction: &Transaction<'_>, schema: &str, file: &CsvFile, progress: &Progress) -> Result<u64> {
    check_columns(transaction, schema, file).await?;
    let table = qualified(schema, &file.table);
    let columns = file.columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ");
    let copy = format!("COPY {table} ({columns}) FROM STDIN (FORMAT csv, HEADER true, ENCODING 'UTF8')");
    let shown = progress.table(&file.table, Some(file.estimate_rows()?));
    let refused = |error| refusal::explain(file, &error);
    let sink = transaction.copy_in::<_, Bytes>(&copy).await.map_err(refused)?;
    pin_mut!(sink);
    let mut header = 1;
    for chunk in file.chunks()? {
        let chunk = chunk.with_context(|| format!("{} cannot be read", file.path.display()))?;
        let rows = chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        let bytes = chunk.len();
        sink.send(chunk).await.map_err(refused)?;
        shown.advance(rows.saturating_sub(header), bytes as u64);
        header = 0;
    }
    let rows = sink.finish().await.map_err(refused)?;
    shown.finish();
    let key = format!("{}_id", file.table);
    let sequence = format!(
        "SELECT setval(pg_get_serial_sequence($1, $2), max({column})) FROM {table} HAVING max({column}) IS NOT NULL",
        column = quote_identifier(&key),
    );
    transaction.execute(&sequence, &[&table, &key]).await.map_err(PostgresError::from)?;
    Ok(rows)
}

/// Compares a file's header with its table; the order may differ.
async fn check_columns(transaction: &Transaction<'_>, schema: &str, file: &CsvFile) -> Result<()> {
    let columns = transaction
        .query(
            "SELECT attname::text, attnotnull AND NOT atthasdef FROM pg_attribute \
             WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            &[&qualified(schema, &file.table)],
        )
        .await
        .map_err(PostgresError::from)?;
    let columns: Vec<(String, bool)> = columns.iter().map(|row| (row.get(0), row.get(1))).collect();
    let named = file.path.display();
    let expected =
        || format!("its columns are {}", columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>().join(", "));
    if let Some(unknown) = file.columns.iter().find(|column| columns.iter().all(|(known, _)| known != *column)) {
        return Err(advise(
            format!("{named} line 1: table `{}` has no column `{}`", file.table, unknown.escape_debug()),
            expected(),
        ));
    }
    if let Some(twice) = file.columns.iter().enumerate().find(|(at, column)| file.columns[..*at].contains(column)) {
        return Err(advise(format!("{named} line 1: column `{}` is named twice", twice.1), expected()));
    }
    if let Some((missing, _)) = columns.iter().find(|(column, needed)| *needed && !file.columns.contains(column)) {
        return Err(advise(format!("{named} line 1: column `{missing}` is missing"), expected()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
