//! The rules that fill a column.

use crate::{Column, ColumnType};

/// What a computed column does with a text: the new text, or a code and a reason to refuse the row.
pub(crate) type Compute = fn(&str) -> Result<&'static str, &'static str>;

/// How a column's values come from the input's.
#[derive(Clone, Copy)]
pub struct Rule(pub(crate) Kind);

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Copy { from: &'static str },
    DateOf { timestamp: &'static str },
    TimeOf { timestamp: &'static str },
    ParsedDate { text: &'static str },
    Computed { text: &'static str, with: Compute },
    LookedUp { take: &'static str, by: Lookup, otherwise: Option<&'static str> },
}

/// A join from an `Int32` column to another table's `Int32` key.
#[derive(Clone, Copy)]
pub struct Lookup {
    pub(crate) column: &'static str,
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
}

/// The value as it is.
#[must_use]
pub fn copy(from: &'static str) -> Rule {
    Rule(Kind::Copy { from })
}

/// The date of a timestamp.
#[must_use]
pub fn date_of(timestamp: &'static str) -> Rule {
    Rule(Kind::DateOf { timestamp })
}

/// The time of day of a timestamp, to the microsecond.
#[must_use]
pub fn time_of(timestamp: &'static str) -> Rule {
    Rule(Kind::TimeOf { timestamp })
}

/// The date a text spells as `YYYY-MM-DD`; anything else refuses the row as `malformed-date`.
#[must_use]
pub fn parsed_date(text: &'static str) -> Rule {
    Rule(Kind::ParsedDate { text })
}

/// A text computed from a text, or a refusal with the code `with` gives.
#[must_use]
pub fn computed(text: &'static str, with: fn(&str) -> Result<&'static str, &'static str>) -> Rule {
    Rule(Kind::Computed { text, with })
}

/// A column of another table's row, found `by` its key; a missing row refuses this one as `missing-lookup`.
#[must_use]
pub fn looked_up(take: &'static str, by: Lookup) -> Rule {
    Rule(Kind::LookedUp { take, by, otherwise: None })
}

/// The join `column = table.key`.
#[must_use]
pub fn via(column: &'static str, table: &'static str, key: &'static str) -> Lookup {
    Lookup { column, table, key }
}

impl Rule {
    /// The text that stands in for a NULL of a looked-up column.
    ///
    /// # Panics
    /// On any other rule: the mapping is written wrongly.
    #[must_use]
    pub fn or(self, text: &'static str) -> Self {
        match self.0 {
            Kind::LookedUp { take, by, .. } => Self(Kind::LookedUp { take, by, otherwise: Some(text) }),
            _ => panic!("`or` follows `looked_up`"),
        }
    }

    /// The column of the mapping's own input that the rule reads, for an output column.
    pub(crate) fn reads(&self, output: &Column) -> Column {
        let (name, column_type, nullable) = match self.0 {
            Kind::Copy { from } => (from, output.column_type, output.nullable),
            Kind::DateOf { timestamp } | Kind::TimeOf { timestamp } => {
                (timestamp, ColumnType::Timestamp, output.nullable)
            }
            Kind::ParsedDate { text } | Kind::Computed { text, .. } => (text, ColumnType::Text, output.nullable),
            Kind::LookedUp { by, .. } => (by.column, ColumnType::Int32, output.nullable),
        };
        Column { name: name.to_owned(), column_type, nullable, extras: Vec::new() }
    }

    /// The join and the column it takes, for an output column.
    pub(crate) fn looks_up(&self, output: &Column) -> Option<(Lookup, Column)> {
        let Kind::LookedUp { take, by, otherwise } = self.0 else { return None };
        let nullable = output.nullable || otherwise.is_some();
        Some((by, Column { name: take.to_owned(), column_type: output.column_type, nullable, extras: Vec::new() }))
    }
}
