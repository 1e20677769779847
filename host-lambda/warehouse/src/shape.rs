//! One warehouse table as its description wants it, and the SQL fragments that name its columns.

use star_contract::{Column, ColumnType, Description, Output, Reference, Role};
use totesys_postgres::{quote_identifier, quote_literal};

use crate::WarehouseError;
use crate::place::Places;

/// What `<fact>_history` adds to the fact's columns.
pub(crate) const HISTORY_COLUMNS: [&str; 6] =
    ["batch", "valid_from", "valid_to", "is_current", "deleted_at", "deleted_in"];

/// A warehouse table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) table: String,
    pub(crate) role: Role,
    /// As described: without the surrogate key.
    pub(crate) columns: Vec<Column>,
    pub(crate) key: Vec<String>,
    /// Facts only.
    pub(crate) surrogate: Option<String>,
    pub(crate) references: Vec<Reference>,
    /// When the source created the row, as SQL over the alias `f`; facts only.
    pub(crate) created: Option<String>,
    /// The star that may change this dimension's rows, when several stars write it.
    pub(crate) owner: Option<String>,
}

impl Shape {
    /// Takes an output of a star, and refuses what cannot become a table with its side tables.
    pub(crate) fn of(description: &Description, output: &Output) -> Result<Self, WarehouseError> {
        let refuse = |column: Option<&str>, problem| {
            let table = column.map_or_else(|| output.table.clone(), |column| format!("{}.{column}", output.table));
            Err(WarehouseError::Plan { star: description.star.clone(), table, problem })
        };
        for column in &output.columns {
            if column.name.starts_with('_') {
                return refuse(Some(&column.name), "columns that begin with `_` are the side tables' own");
            }
            if output.role == Role::Fact && HISTORY_COLUMNS.contains(&column.name.as_str()) {
                return refuse(Some(&column.name), "the history view has a column of this name");
            }
        }
        if output.role == Role::Fact && output.surrogate_key.is_none() {
            return refuse(None, "a fact needs a surrogate key");
        }
        let created = match output.created().as_slice() {
            [] => None,
            columns => match created(output, columns) {
                Some(sql) => Some(sql),
                None => {
                    return refuse(None, "`created` must name a date and a time column, or one timestamp column");
                }
            },
        };
        Ok(Self {
            table: output.table.clone(),
            role: output.role,
            columns: output.columns.clone(),
            key: output.business_key.clone(),
            surrogate: output.surrogate_key.clone(),
            references: output.references.clone(),
            created,
            owner: None,
        })
    }

    /// The record id column of a fact, quoted.
    pub(crate) fn id(&self) -> String {
        self.surrogate.as_deref().map(quote_identifier).unwrap_or_default()
    }

    /// The side table that says which version of a business key is current, and whether the key was deleted. A key
    /// without a row there has one version, loaded by the batch that observed it, and was never deleted.
    pub(crate) fn head(&self) -> String {
        format!("{}_head", self.table)
    }

    /// The side table with the rows of a fact that wait, waited or were overtaken.
    pub(crate) fn waiting(&self) -> String {
        format!("{}_waiting", self.table)
    }

    /// The side table with the notices that a key was gone from the source.
    pub(crate) fn deletions(&self) -> String {
        format!("{}_deletions", self.table)
    }

    /// The side table with the batch each row of a shared dimension comes from.
    pub(crate) fn origin(&self) -> String {
        format!("{}_origin", self.table)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// `a."x", a."y"` for all columns; without an alias just the names.
    pub(crate) fn list(&self, alias: &str) -> String {
        list(self.names(), alias)
    }

    /// The columns of the staging table, which holds JSON as the text that arrives: `json`, not `jsonb`.
    pub(crate) fn staged_definitions(&self) -> String {
        let staged = |column: &Column| match column.column_type {
            ColumnType::Json => format!("{} json", quote_identifier(&column.name)),
            _ => definition(column),
        };
        self.columns.iter().map(staged).collect::<Vec<_>>().join(", ")
    }

    /// The columns of the staging table as the warehouse has them.
    pub(crate) fn staged_list(&self) -> String {
        let staged = |column: &Column| match (quote_identifier(&column.name), column.column_type) {
            (name, ColumnType::Json) => format!("{name}::jsonb AS {name}"),
            (name, _) => name,
        };
        self.columns.iter().map(staged).collect::<Vec<_>>().join(", ")
    }

    /// `a."k"` for the business key.
    pub(crate) fn key_list(&self, alias: &str) -> String {
        list(self.key.iter().map(String::as_str), alias)
    }

    /// All columns as one comparable value.
    pub(crate) fn row(&self, alias: &str) -> String {
        format!("ROW({})", self.list(alias))
    }

    /// `a."k" = b."k" AND …` over the business key.
    pub(crate) fn same_key(&self, a: &str, b: &str) -> String {
        let equal = |name: &String| format!("{a}.{0} = {b}.{0}", quote_identifier(name));
        self.key.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    /// The first key column: NULL exactly where an outer join found no row.
    pub(crate) fn key_probe(&self, alias: &str) -> String {
        format!("{alias}.{}", quote_identifier(&self.key[0]))
    }

    /// `"x" = s."x", …` over the columns that are not the key, or over the key when there are no others.
    pub(crate) fn assignments(&self, from: &str) -> String {
        let is_key = |name: &&str| self.key.iter().any(|key| key == name);
        let mut assigned: Vec<&str> = self.names().filter(|name| !is_key(name)).collect();
        if assigned.is_empty() {
            assigned = self.names().collect();
        }
        let assign = |name: &str| format!("{0} = {from}.{0}", quote_identifier(name));
        assigned.into_iter().map(assign).collect::<Vec<_>>().join(", ")
    }

    /// The columns of the key, in the key's order.
    pub(crate) fn key_columns(&self) -> Vec<Column> {
        self.key.iter().filter_map(|key| self.columns.iter().find(|column| column.name == *key)).cloned().collect()
    }

    /// Joins that tell what observed the version `alias` of this fact: the row it waited as, `w`, if it did, and
    /// the load that gave it its record id, `l`.
    pub(crate) fn observed_by(&self, places: &Places, alias: &str) -> String {
        let record_id = format!("{alias}.{}", self.id());
        format!(
            "LEFT JOIN LATERAL ({load}) l ON true
             LEFT JOIN {waiting} w ON w._record_id = {record_id}",
            load = self.load_that_gave(places, &record_id, "o.batch, o.snapshot_at"),
            waiting = places.side(&self.waiting()),
        )
    }

    /// The batch whose load gave a version of this fact its record id.
    pub(crate) fn loaded_in(&self, places: &Places, record_id: &str) -> String {
        format!("({})", self.load_that_gave(places, record_id, "o.batch"))
    }

    /// Columns of the `fact_loads` row `o` of the load that gave a record id, as a query.
    pub(crate) fn load_that_gave(&self, places: &Places, record_id: &str, columns: &str) -> String {
        format!(
            "SELECT {columns} FROM {fact_loads} o
             WHERE o.fact = {name} AND o.first_id <= {record_id} ORDER BY o.first_id DESC LIMIT 1",
            fact_loads = places.side("fact_loads"),
            name = quote_literal(&self.table),
        )
    }

    /// The statement that gives the keys of a relation the heads they lack, if they have versions.
    pub(crate) fn give_heads(&self, places: &Places, keys: &str) -> String {
        format!(
            "INSERT INTO {head} ({key}, _record_id, _batch)
             SELECT {f_key}, f.{id}, {loaded_in}
             FROM (SELECT DISTINCT {key} FROM {keys}) k JOIN {fact} f ON {f_same_k}
             ON CONFLICT DO NOTHING",
            head = places.side(&self.head()),
            key = self.key_list(""),
            f_key = self.key_list("f"),
            id = self.id(),
            loaded_in = self.loaded_in(places, &format!("f.{}", self.id())),
            fact = places.table(&self.table),
            f_same_k = self.same_key("f", "k"),
        )
    }

    /// Column definitions of the key, for a side table.
    pub(crate) fn key_definitions(&self) -> String {
        let define = |column: &Column| format!("{} {}, ", quote_identifier(&column.name), sql_type(column));
        self.key_columns().iter().map(define).collect()
    }
}

/// `a."x", a."y"`; without an alias just the names.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>, alias: &str) -> String {
    let one = |name| match alias {
        "" => quote_identifier(name),
        alias => format!("{alias}.{}", quote_identifier(name)),
    };
    names.map(one).collect::<Vec<_>>().join(", ")
}

/// The type of a column, spelt as PostgreSQL's `format_type` spells it.
pub(crate) fn sql_type(column: &Column) -> String {
    let name = match column.column_type {
        ColumnType::Int16 => "smallint",
        ColumnType::Int32 => "integer",
        ColumnType::Int64 => "bigint",
        ColumnType::Float64 => "double precision",
        ColumnType::Decimal { precision, scale } => {
            if column.is_unconstrained() {
                "numeric"
            } else {
                return format!("numeric({precision},{scale})");
            }
        }
        ColumnType::Text => "character varying",
        ColumnType::Bool => "boolean",
        ColumnType::Date => "date",
        ColumnType::Time => "time without time zone",
        ColumnType::Timestamp => "timestamp without time zone",
        ColumnType::Timestamptz => "timestamp with time zone",
        ColumnType::Uuid => "uuid",
        ColumnType::Bytes => "bytea",
        ColumnType::Json => "jsonb",
    };
    name.to_owned()
}

/// `"x" integer NOT NULL`.
pub(crate) fn definition(column: &Column) -> String {
    format!("{} {}{}", quote_identifier(&column.name), sql_type(column), if column.nullable { "" } else { " NOT NULL" })
}

/// The moment of creation in UTC, from the columns a description names.
fn created(output: &Output, columns: &[&str]) -> Option<String> {
    let find = |name: &str| output.columns.iter().find(|column| column.name == name);
    let column = |column: &Column| format!("f.{}", quote_identifier(&column.name));
    match columns {
        [date, time] => {
            let (date, time) = (find(date)?, find(time)?);
            let fit = date.column_type == ColumnType::Date && time.column_type == ColumnType::Time;
            fit.then(|| format!("({} + {}) AT TIME ZONE 'UTC'", column(date), column(time)))
        }
        [moment] => {
            let moment = find(moment)?;
            match moment.column_type {
                ColumnType::Timestamp => Some(format!("{} AT TIME ZONE 'UTC'", column(moment))),
                ColumnType::Timestamptz => Some(column(moment)),
                _ => None,
            }
        }
        _ => None,
    }
}
