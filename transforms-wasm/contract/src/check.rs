//! A description as a component gives it is untrusted; this says whether it can be used.

use std::collections::BTreeSet;

use crate::{Column, ColumnType, Description, Role};

/// The longest name PostgreSQL keeps whole, in bytes; side tables add up to eight more.
const MAX_NAME: usize = 55;

/// The most columns of a table: PostgreSQL takes 1,600, and side tables add some of their own.
const MAX_COLUMNS: usize = 1_500;

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptionError {
    /// What it is about: a table or a column, or the star itself.
    pub subject: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl std::fmt::Display for DescriptionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the description of `{}` cannot be used: {}", self.subject, self.problem)
    }
}

impl std::error::Error for DescriptionError {}

fn fail<T>(subject: &str, problem: &'static str) -> Result<T, DescriptionError> {
    let subject = subject.chars().take(MAX_NAME).collect();
    Err(DescriptionError { subject, problem })
}

/// Checks everything the host relies on.
///
/// # Errors
/// The first thing found wrong.
pub fn check(description: &Description) -> Result<(), DescriptionError> {
    name(&description.star)?;
    if !description.star.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        return fail(&description.star, "a star's name has lower-case letters, digits, `-` and `_` only");
    }
    if description.version.is_empty() || description.version.len() > 64 {
        return fail(&description.star, "the version is empty or longer than 64 bytes");
    }
    if description.outputs.is_empty() {
        return fail(&description.star, "it has no outputs");
    }
    distinct(&description.star, "an input is named twice", description.inputs.iter().map(|i| i.table.as_str()))?;
    distinct(&description.star, "an output is named twice", description.outputs.iter().map(|o| o.table.as_str()))?;
    for input in &description.inputs {
        name(&input.table)?;
        columns(&input.table, &input.columns)?;
        keys(&input.table, &input.key, &input.columns)?;
    }
    for output in &description.outputs {
        name(&output.table)?;
        if !output.table.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return fail(&output.table, "a warehouse table's name has lower-case letters, digits and `_` only");
        }
        columns(&output.table, &output.columns)?;
        keys(&output.table, &output.business_key, &output.columns)?;
        match (output.role, &output.surrogate_key) {
            (Role::Fact, None) => return fail(&output.table, "a fact needs a surrogate key"),
            (Role::Dimension, Some(_)) => return fail(&output.table, "a dimension has no surrogate key"),
            (Role::Fact, Some(surrogate)) if output.columns.iter().any(|c| c.name == *surrogate) => {
                return fail(&output.table, "the surrogate key is also a column");
            }
            (Role::Fact, Some(surrogate)) => name(surrogate)?,
            (Role::Dimension, None) => {}
        }
        for reference in &output.references {
            name(&reference.table)?;
            name(&reference.target)?;
            if !output.columns.iter().any(|c| c.name == reference.column) {
                return fail(&output.table, "a reference starts from a column it does not have");
            }
        }
        if let Some(table) = &output.keyed_by
            && description.input(table).is_none()
        {
            return fail(&output.table, "it is keyed by a table that is no input");
        }
    }
    Ok(())
}

fn name(name: &str) -> Result<(), DescriptionError> {
    if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
        return fail(name, "a name is empty, longer than 55 bytes or has a NUL byte");
    }
    Ok(())
}

fn distinct<'a>(
    subject: &str,
    problem: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), DescriptionError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return fail(subject, problem);
        }
    }
    Ok(())
}

fn columns(table: &str, columns: &[Column]) -> Result<(), DescriptionError> {
    if columns.is_empty() {
        return fail(table, "it has no columns");
    }
    if columns.len() > MAX_COLUMNS {
        return fail(table, "it has more than 1,500 columns");
    }
    distinct(table, "a column is named twice", columns.iter().map(|c| c.name.as_str()))?;
    for column in columns {
        name(&column.name)?;
        if let ColumnType::Decimal { precision, scale } = column.column_type
            && (precision == 0 || precision > 38 || scale > precision)
        {
            return fail(table, "a decimal's precision is not 1 to 38 or its scale is larger");
        }
    }
    Ok(())
}

fn keys(table: &str, key: &[String], columns: &[Column]) -> Result<(), DescriptionError> {
    if key.is_empty() {
        return fail(table, "it has no key");
    }
    for part in key {
        match columns.iter().find(|c| c.name == *part) {
            None => return fail(table, "its key names a column it does not have"),
            Some(column) if column.nullable => return fail(table, "its key has a nullable column"),
            Some(_) => {}
        }
    }
    Ok(())
}
