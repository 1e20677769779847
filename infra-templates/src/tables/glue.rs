//! Tables and views of the Glue catalog.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use star_contract::Output;

use crate::{Expression, Names, reference};

use super::hive::{self, Columns, GlueColumn, own};
use super::logical_id;

/// No lake has a day before this one. Each day since is looked for by a query that names none, so it is not earlier.
const FIRST_DAY: &str = "2025-01-01";

/// A table or view of the Glue database.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: String,
    description: String,
    columns: Vec<GlueColumn>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Parquet or JSON in a bucket, with parameters of the table.
    Files { format: Format, location: String, parameters: BTreeMap<String, String>, daily: bool },
    /// A view, as its query.
    View { sql: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Parquet,
    /// One JSON object a line.
    Json,
}

/// What a star writes into one warehouse table, day by day. The partition is not called `day` as in the key of a file,
/// because a column may be, as one of `dim_date` is; what it is called the template of locations decides.
pub(super) fn transformed(names: &Names, output: &Output, columns: &Columns) -> Table {
    let location = format!("s3://{}/parquets/{}/", names.bucket("transformed-data"), hive::segment(&output.table));
    let projection = |what: &str| format!("projection.{}{what}", own::DAY);
    let parameters = BTreeMap::from([
        ("classification".to_owned(), "parquet".to_owned()),
        ("projection.enabled".to_owned(), "true".to_owned()),
        (projection(".type"), "date".to_owned()),
        (projection(".format"), "yyyy-MM-dd".to_owned()),
        // The day is the source's; its clock may be ahead of Athena's.
        (projection(".range"), format!("{FIRST_DAY},NOW+1DAYS")),
        (projection(".interval"), "1".to_owned()),
        (projection(".interval.unit"), "DAYS".to_owned()),
        ("storage.location.template".to_owned(), format!("{location}day=${{{}}}/", own::DAY)),
    ]);
    let description = format!("every file of {}, whether it counts or not: see the views", output.table);
    let kind = Kind::Files { format: Format::Parquet, location, parameters, daily: true };
    Table { name: output.table.clone(), description, columns: columns.stored(), kind }
}

/// The keys in the ingested files of a source table.
pub(super) fn ingested_keys(names: &Names, source_table: &str, key: &Columns) -> Table {
    let location = format!("s3://{}/data/{}/", names.bucket("ingestion"), hive::segment(source_table));
    let parameters = BTreeMap::from([("classification".to_owned(), "parquet".to_owned())]);
    let kind = Kind::Files { format: Format::Parquet, location, parameters, daily: false };
    let description = "the keys in all ingested files of a table; lake_key_files says which files are sets of keys";
    Table { name: hive::keys_table(source_table), description: description.to_owned(), columns: key.stored(), kind }
}

/// Records of the lake, each one line of JSON.
pub(super) fn records(name: &str, description: &str, location: String, columns: &[(&str, &str)]) -> Table {
    let columns = columns.iter().map(|(name, hive)| GlueColumn::new(name, hive, "")).collect();
    let parameters = BTreeMap::from([("classification".to_owned(), "json".to_owned())]);
    let kind = Kind::Files { format: Format::Json, location, parameters, daily: false };
    Table { name: name.to_owned(), description: description.to_owned(), columns, kind }
}

/// A view of Athena's.
pub(super) fn view(name: &str, description: &str, columns: Vec<GlueColumn>, sql: String) -> Table {
    Table { name: name.to_owned(), description: description.to_owned(), columns, kind: Kind::View { sql } }
}

impl Table {
    /// Its logical id in the stack.
    pub(super) fn logical_id(&self) -> String {
        let kind = match self.kind {
            Kind::Files { .. } => "Table",
            Kind::View { .. } => "View",
        };
        logical_id::of(&self.name) + kind
    }

    /// Its properties in a database.
    pub(super) fn properties(&self, database: &str) -> TableProperties {
        let column = |column: &GlueColumn| Column { name: column.name.clone(), kind: column.hive.clone() };
        let columns: Vec<Column> = self.columns.iter().map(column).collect();
        let input = match &self.kind {
            Kind::Files { format, location, parameters, daily } => TableInput {
                name: self.name.clone(),
                description: self.description.clone(),
                table_type: "EXTERNAL_TABLE",
                parameters: parameters.clone(),
                // Text: Athena makes its days from text, and compares them as text.
                partition_keys: daily
                    .then(|| Column { name: own::DAY.to_owned(), kind: "string".to_owned() })
                    .into_iter()
                    .collect(),
                storage_descriptor: format.storage(columns, location.clone()),
                view_original_text: None,
                view_expanded_text: None,
            },
            Kind::View { sql } => TableInput {
                name: self.name.clone(),
                description: self.description.clone(),
                table_type: "VIRTUAL_VIEW",
                parameters: [("comment", "Presto View"), ("presto_view", "true")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                partition_keys: Vec::new(),
                storage_descriptor: StorageDescriptor {
                    columns,
                    // Athena reads no view whose descriptor has none, whatever it says.
                    serde_info: SerdeInfo { serialization_library: "-", parameters: BTreeMap::new() },
                    location: None,
                    input_format: None,
                    output_format: None,
                },
                view_original_text: Some(format!(
                    "/* Presto View: {} */",
                    base64(self.definition(database, sql).as_bytes())
                )),
                view_expanded_text: Some("/* Presto View */"),
            },
        };
        TableProperties {
            catalog_id: reference("AWS::AccountId"),
            database_name: database.to_owned(),
            table_input: input,
        }
    }

    /// A view as Athena keeps it.
    fn definition(&self, database: &str, sql: &str) -> String {
        let columns: Vec<_> =
            self.columns.iter().map(|column| json!({ "name": column.name, "type": column.sql })).collect();
        json!({ "originalSql": sql, "catalog": "awsdatacatalog", "schema": database, "columns": columns }).to_string()
    }
}

impl Format {
    fn storage(self, columns: Vec<Column>, location: String) -> StorageDescriptor {
        let parameters = match self {
            Self::Parquet => BTreeMap::new(),
            // Keys of maps are names of source tables, which lower case would make others.
            Self::Json => BTreeMap::from([("case.insensitive", "FALSE")]),
        };
        let (input, output, library) = match self {
            Self::Parquet => (
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            ),
            Self::Json => (
                "org.apache.hadoop.mapred.TextInputFormat",
                "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "org.openx.data.jsonserde.JsonSerDe",
            ),
        };
        StorageDescriptor {
            columns,
            location: Some(location),
            input_format: Some(input),
            output_format: Some(output),
            serde_info: SerdeInfo { serialization_library: library, parameters },
        }
    }
}

/// `AWS::Glue::Table`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TableProperties {
    catalog_id: Expression,
    database_name: String,
    table_input: TableInput,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TableInput {
    name: String,
    description: String,
    table_type: &'static str,
    parameters: BTreeMap<String, String>,
    /// Athena wants to be told where there are none, too.
    partition_keys: Vec<Column>,
    storage_descriptor: StorageDescriptor,
    #[serde(skip_serializing_if = "Option::is_none")]
    view_original_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    view_expanded_text: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StorageDescriptor {
    columns: Vec<Column>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_format: Option<&'static str>,
    serde_info: SerdeInfo,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SerdeInfo {
    serialization_library: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'static str, &'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Column {
    name: String,
    #[serde(rename = "Type")]
    kind: String,
}

/// Base64, as Athena wants a view's definition.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            text.push(if place <= group.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
