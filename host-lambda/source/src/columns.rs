//! How a column of the source becomes a column of a batch.

use star_contract::{Column, ColumnType};

use crate::catalog::CatalogColumn;
use crate::error::SourceError;
use crate::snapshot::TableRequest;

/// Oids of PostgreSQL's own types; they never change.
mod oid {
    pub(super) const BOOL: u32 = 16;
    pub(super) const BYTEA: u32 = 17;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const JSON: u32 = 114;
    pub(super) const FLOAT4: u32 = 700;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const DATE: u32 = 1082;
    pub(super) const TIME: u32 = 1083;
    pub(super) const TIMESTAMP: u32 = 1114;
    pub(super) const TIMESTAMPTZ: u32 = 1184;
    pub(super) const NUMERIC: u32 = 1700;
    pub(super) const UUID: u32 = 2950;
    pub(super) const JSONB: u32 = 3802;
}

/// A column as it is read: its type in batches, and what is selected for it.
#[derive(Debug, Clone)]
pub(crate) struct IngestedColumn {
    pub(crate) column: Column,
    /// The select list's item.
    pub(crate) expression: String,
    /// The type as PostgreSQL writes it.
    pub(crate) source_type: String,
}

/// The columns that are ingested: the described ones as described, then every other one that is not excluded.
pub(crate) fn ingested(
    request: &TableRequest,
    found: &[CatalogColumn],
    excluded: &[String],
) -> Result<Vec<IngestedColumn>, SourceError> {
    let mut ingested = Vec::with_capacity(found.len());
    for column in &request.columns {
        let Some(source) = found.iter().find(|source| source.name == column.name) else {
            return Err(SourceError::ColumnMissing {
                table: request.table.clone(),
                column: column.name.clone(),
                expected: column.column_type.to_string(),
            });
        };
        if !fits(source, column.column_type) {
            return Err(SourceError::ColumnType {
                table: request.table.clone(),
                column: column.name.clone(),
                expected: column.column_type.to_string(),
                found: source.type_text.clone(),
            });
        }
        ingested.push(as_ingested(source, column.clone()));
    }
    for source in found {
        let described = request.columns.iter().any(|column| column.name == source.name);
        if described || excluded.contains(&format!("{}.{}", request.table, source.name)) {
            continue;
        }
        let column = Column {
            name: source.name.clone(),
            column_type: natural(source),
            nullable: !source.not_null,
            extras: Vec::new(),
        };
        ingested.push(as_ingested(source, column));
    }
    Ok(ingested)
}

fn as_ingested(source: &CatalogColumn, column: Column) -> IngestedColumn {
    let name = totesys_postgres::quote_identifier(&source.name);
    let expression = match cast(source, column.column_type) {
        Some(target) => format!("{name}::{target}"),
        None => name,
    };
    IngestedColumn { column, expression, source_type: source.type_text.clone() }
}

/// The cast after which the binary form is the column type's own.
fn cast(source: &CatalogColumn, target: ColumnType) -> Option<&'static str> {
    match (target, source.base_type) {
        (ColumnType::Text, oid::TEXT | oid::VARCHAR) | (ColumnType::Json, oid::JSON) => None,
        (ColumnType::Text | ColumnType::Json, _) => Some("pg_catalog.text"),
        (ColumnType::Float64, oid::FLOAT4) => Some("pg_catalog.float8"),
        _ => None,
    }
}

/// The type a column gets when nobody described it.
fn natural(source: &CatalogColumn) -> ColumnType {
    match source.base_type {
        oid::INT2 => ColumnType::Int16,
        oid::INT4 => ColumnType::Int32,
        oid::INT8 => ColumnType::Int64,
        oid::FLOAT4 | oid::FLOAT8 => ColumnType::Float64,
        oid::BOOL => ColumnType::Bool,
        oid::DATE => ColumnType::Date,
        oid::TIME => ColumnType::Time,
        oid::TIMESTAMP => ColumnType::Timestamp,
        oid::TIMESTAMPTZ => ColumnType::Timestamptz,
        oid::UUID => ColumnType::Uuid,
        oid::BYTEA => ColumnType::Bytes,
        oid::JSON | oid::JSONB => ColumnType::Json,
        oid::NUMERIC => match digits(source.type_modifier) {
            Some((precision @ 1..=38, scale)) if (0..=precision).contains(&scale) => {
                ColumnType::Decimal { precision: precision as u8, scale: scale as u8 }
            }
            _ => ColumnType::Text,
        },
        _ => ColumnType::Text,
    }
}

/// Whether the source's type is the described one, narrower or wider. Of a wider one the values that do not fit are
/// refused row by row: a column that was widened stops nothing while its values stay what they were.
fn fits(source: &CatalogColumn, described: ColumnType) -> bool {
    match (described, source.base_type) {
        (ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64, oid::INT2 | oid::INT4 | oid::INT8)
        | (ColumnType::Decimal { .. }, oid::NUMERIC) => true,
        (ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Decimal { .. }, _) => false,
        (described, _) => natural(source) == described,
    }
}

/// Precision and scale of a `numeric(p, s)`; the scale may be negative from version 15.
fn digits(type_modifier: i32) -> Option<(i32, i32)> {
    let digits = type_modifier.checked_sub(4).filter(|digits| *digits >= 0)?;
    let scale = ((digits & 0x7FF) ^ 0x400) - 0x400;
    Some(((digits >> 16) & 0xFFFF, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(base_type: u32, type_modifier: i32) -> CatalogColumn {
        CatalogColumn {
            name: "a".to_owned(),
            type_text: "whatever".to_owned(),
            base_type,
            type_modifier,
            not_null: false,
        }
    }

    fn numeric(precision: i32, scale: i32) -> CatalogColumn {
        source(oid::NUMERIC, ((precision << 16) | (scale & 0x7FF)) + 4)
    }

    #[test]
    fn what_fits_a_description() {
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        for (column, described, expected) in [
            (source(oid::INT2, -1), ColumnType::Int32, true),
            (source(oid::INT4, -1), ColumnType::Int64, true),
            (source(oid::INT8, -1), ColumnType::Int32, true),
            (source(oid::INT4, -1), ColumnType::Int16, true),
            (source(oid::NUMERIC, -1), ColumnType::Int32, false),
            (source(oid::INT4, -1), decimal(10, 2), false),
            (source(oid::VARCHAR, 7), ColumnType::Text, true),
            (source(99_999, -1), ColumnType::Text, true),
            (source(oid::INT4, -1), ColumnType::Text, false),
            (source(oid::JSONB, -1), ColumnType::Json, true),
            (source(oid::TIMESTAMP, 3), ColumnType::Timestamp, true),
            (source(oid::TIMESTAMP, 3), ColumnType::Timestamptz, false),
            (numeric(10, 2), decimal(10, 2), true),
            (numeric(10, 2), decimal(12, 4), true),
            (numeric(10, 2), decimal(10, 4), true),
            (numeric(12, 2), decimal(10, 2), true),
            (source(oid::NUMERIC, -1), decimal(10, 2), true),
            (numeric(3, -2), decimal(5, 0), true),
        ] {
            assert_eq!(fits(&column, described), expected, "{column:?} {described}");
        }
    }

    #[test]
    fn what_nobody_described_gets_its_natural_type() {
        assert_eq!(natural(&numeric(10, 2)), ColumnType::Decimal { precision: 10, scale: 2 });
        for unusual in [numeric(39, 2), numeric(3, -2), numeric(3, 5), source(oid::NUMERIC, -1), source(600, -1)] {
            assert_eq!(natural(&unusual), ColumnType::Text);
            assert_eq!(cast(&unusual, ColumnType::Text), Some("pg_catalog.text"));
        }
    }
}
