//! Names and types as Glue keeps them, which are Hive's, and as Athena's SQL says them.

use std::collections::BTreeSet;

use star_contract::{Column, ColumnType};

use super::TablesError;

/// What the views' own columns are called; a described column cannot have these names.
pub(super) mod own {
    /// The partition: the day of the snapshot of the batch that wrote the file.
    pub(in super::super) const DAY: &str = "lake_day";
    /// The batch that observed a row.
    pub(in super::super) const BATCH: &str = "lake_batch";
    /// The place of a row among those of its key.
    pub(in super::super) const RANK: &str = "lake_rank";
    /// The batch that noticed that a key is gone.
    pub(in super::super) const DELETED_IN: &str = "lake_deleted_in";
}

/// A column of a Glue table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GlueColumn {
    /// Its name, in lower case: Hive knows no other.
    pub(super) name: String,
    /// Its type in a Glue table.
    pub(super) hive: String,
    /// Its type in Athena's SQL.
    pub(super) sql: String,
}

impl GlueColumn {
    pub(super) fn new(name: &str, hive: &str, sql: &str) -> Self {
        Self { name: name.to_owned(), hive: hive.to_owned(), sql: sql.to_owned() }
    }

    pub(super) fn text(name: &str) -> Self {
        Self::new(name, "string", "varchar")
    }

    pub(super) fn number(name: &str) -> Self {
        Self::new(name, "bigint", "bigint")
    }
}

/// The columns of a table that a component describes.
pub(super) struct Columns {
    columns: Vec<(GlueColumn, ColumnType)>,
}

impl Columns {
    /// The columns as Glue keeps them.
    ///
    /// # Errors
    /// When a name is none that Athena reads, or two differ by case alone.
    pub(super) fn of(table: &str, described: &[Column]) -> Result<Self, TablesError> {
        let mut names = BTreeSet::from([own::DAY, own::BATCH, own::RANK, own::DELETED_IN].map(str::to_owned));
        let mut columns = Vec::with_capacity(described.len());
        for column in described {
            let fail = |problem| {
                let (table, column) = (table.to_owned(), column.name.clone());
                Err(TablesError::Column { table, column, problem })
            };
            if !column.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return fail("its name has other characters than letters, digits and `_`");
            }
            let name = column.name.to_ascii_lowercase();
            if !names.insert(name.clone()) {
                return fail("its name is taken, and Glue does not tell upper case from lower case");
            }
            let hive = hive(column.column_type);
            columns.push((GlueColumn::new(&name, &hive, &sql(column.column_type)), column.column_type));
        }
        Ok(Self { columns })
    }

    /// As the files hold them.
    pub(super) fn stored(&self) -> Vec<GlueColumn> {
        self.columns.iter().map(|(column, _)| column.clone()).collect()
    }

    /// As a view shows them: a time is text there.
    pub(super) fn shown(&self) -> Vec<GlueColumn> {
        let shown = |(column, kind): &(GlueColumn, ColumnType)| match kind {
            ColumnType::Time => GlueColumn::text(&column.name),
            _ => column.clone(),
        };
        self.columns.iter().map(shown).collect()
    }

    /// Expressions that make the shown columns from the stored ones of `from`.
    pub(super) fn expressions(&self, from: &str) -> Vec<String> {
        let expression = |(column, kind): &(GlueColumn, ColumnType)| {
            let name = quote(&column.name);
            match kind {
                ColumnType::Time => format!("{} AS {name}", time_of_day(&format!("{from}.{name}"))),
                _ => format!("{from}.{name}"),
            }
        };
        self.columns.iter().map(expression).collect()
    }

    /// Names as Glue keeps them, quoted.
    pub(super) fn named(&self, names: &[String]) -> Vec<String> {
        names.iter().map(|name| quote(&name.to_ascii_lowercase())).collect()
    }
}

/// Hive's type for what the host writes. A time has none: its microseconds do.
fn hive(kind: ColumnType) -> String {
    match kind {
        ColumnType::Int16 => "smallint".to_owned(),
        ColumnType::Int32 => "int".to_owned(),
        ColumnType::Int64 | ColumnType::Time => "bigint".to_owned(),
        ColumnType::Float64 => "double".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        ColumnType::Text | ColumnType::Json => "string".to_owned(),
        ColumnType::Bool => "boolean".to_owned(),
        ColumnType::Date => "date".to_owned(),
        ColumnType::Timestamp | ColumnType::Timestamptz => "timestamp".to_owned(),
        ColumnType::Uuid | ColumnType::Bytes => "binary".to_owned(),
    }
}

/// The same in Athena's SQL.
fn sql(kind: ColumnType) -> String {
    match hive(kind).as_str() {
        "int" => "integer".to_owned(),
        "string" => "varchar".to_owned(),
        // Athena gives a Hive timestamp milliseconds.
        "timestamp" => "timestamp(3)".to_owned(),
        "binary" => "varbinary".to_owned(),
        same => same.to_owned(),
    }
}

/// Microseconds since midnight as text that sorts like them. 24:00:00 is one of them, which no time type holds.
fn time_of_day(micros: &str) -> String {
    let part = |divided: &str, digits: u8| format!("lpad(CAST({micros} {divided} AS varchar), {digits}, '0')");
    let (hours, minutes) = (part("/ 3600000000", 2), part("/ 60000000 % 60", 2));
    let (seconds, fraction) = (part("/ 1000000 % 60", 2), part("% 1000000", 6));
    format!("{hours} || ':' || {minutes} || ':' || {seconds} || '.' || {fraction}")
}

/// An identifier of Athena's SQL.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text of Athena's SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The Glue table of a source table's keys. What a Glue name does not take is `x` and two hex digits; should two names
/// meet in one, the stack says so.
pub(super) fn keys_table(source_table: &str) -> String {
    let mut name = "lake_keys_".to_owned();
    for byte in source_table.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => name.push(char::from(byte)),
            other => name.push_str(&format!("x{other:02x}")),
        }
    }
    name
}

/// A name as one segment of a key of the lake: what is not plain is `=` and two hex digits. The lake says the same.
pub(super) fn segment(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        let hidden = byte == b'.' && index == 0;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && !hidden) {
            plain.push(char::from(byte));
        } else {
            plain.push_str(&format!("={byte:02X}"));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_that_reads_it() {
        for (kind, stored, shown) in [
            (ColumnType::Int16, "smallint", "smallint"),
            (ColumnType::Int32, "int", "integer"),
            (ColumnType::Int64, "bigint", "bigint"),
            (ColumnType::Float64, "double", "double"),
            (ColumnType::Decimal { precision: 10, scale: 2 }, "decimal(10,2)", "decimal(10,2)"),
            (ColumnType::Text, "string", "varchar"),
            (ColumnType::Bool, "boolean", "boolean"),
            (ColumnType::Date, "date", "date"),
            (ColumnType::Time, "bigint", "varchar"),
            (ColumnType::Timestamp, "timestamp", "timestamp(3)"),
            (ColumnType::Timestamptz, "timestamp", "timestamp(3)"),
            (ColumnType::Uuid, "binary", "varbinary"),
            (ColumnType::Bytes, "binary", "varbinary"),
            (ColumnType::Json, "string", "varchar"),
        ] {
            let columns = Columns::of("t", &[column("C", kind)]).unwrap();
            assert_eq!((columns.stored()[0].hive.as_str(), columns.shown()[0].sql.as_str()), (stored, shown), "{kind}");
            assert_eq!(columns.stored()[0].name, "c");
        }
    }

    #[test]
    fn what_glue_cannot_tell_apart_is_refused() {
        let of = |names: &[&str]| {
            let columns: Vec<Column> = names.iter().map(|name| column(name, ColumnType::Text)).collect();
            Columns::of("t", &columns).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(of(&["id", "Place"]), "");
        assert!(
            of(&["id", "ID"]).starts_with("column `ID` of `t` cannot be a column of a Glue table: its name is taken")
        );
        assert!(of(&["lake_day"]).contains("taken"));
        assert!(of(&["unit price"]).contains("other characters"));
    }

    #[test]
    fn names_of_source_tables_become_names_of_glue_and_of_keys() {
        assert_eq!(
            (keys_table("sales_order"), segment("sales_order")),
            ("lake_keys_sales_order".into(), "sales_order".into())
        );
        assert_eq!(keys_table("Order Details"), "lake_keys_x4frderx20x44etails");
        assert_eq!((segment("Order Details"), segment("a=20b")), ("Order=20Details".into(), "a=3D20b".into()));
    }

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column { name: name.to_owned(), column_type, nullable: true, extras: Vec::new() }
    }
}
