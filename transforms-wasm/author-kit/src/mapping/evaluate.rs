//! Filling the columns of one push.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::{Date32Type, Time64MicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_select::filter::filter_record_batch;

use super::rule::Kind;
use super::{LookupTables, Mapping, Rule};
use crate::rows::has_nulls;
use crate::transform::Sink;
use crate::{KitError, Rows, text_date};

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// Gives the mapping's rows to its table and refuses those that break a rule.
pub(crate) fn evaluate(
    mapping: &Mapping,
    lookups: &LookupTables,
    rows: &Rows,
    out: &mut Sink,
) -> Result<RecordBatch, KitError> {
    let mut refusals = Refusals { good: Vec::new(), rows: rows.len() };
    let mut columns = Vec::with_capacity(mapping.rules.len());
    for (rule, column) in mapping.rules.iter().zip(&mapping.output.columns) {
        let values = fill(rule, lookups, rows, &mut refusals, out)?;
        if !column.nullable && has_nulls(&values) {
            let name = rule.reads(column).name;
            for row in (0..rows.len()).filter(|row| values.is_null(*row)) {
                refusals.refuse(row, &name, "null-value", "the warehouse does not take NULL here", out);
            }
        }
        columns.push(values);
    }
    if refusals.good.is_empty() {
        return Ok(RecordBatch::try_new(mapping.output.schema(), columns)?);
    }
    // NULLs stand in refused rows only, so the filter comes before the schema's NOT NULL is checked.
    let arrays =
        mapping.output.columns.iter().zip(columns).map(|(column, values)| (column.name.as_str(), values, true));
    let whole = RecordBatch::try_from_iter_with_nullable(arrays)?;
    let good = filter_record_batch(&whole, &BooleanArray::from(refusals.good))?;
    Ok(RecordBatch::try_new(mapping.output.schema(), good.columns().to_vec())?)
}

/// Which rows are still good; empty while all are.
struct Refusals {
    good: Vec<bool>,
    rows: usize,
}

impl Refusals {
    /// Refuses a row; only its first reason is kept.
    fn refuse(&mut self, row: usize, column: &str, code: &'static str, text: impl Into<String>, out: &mut Sink) {
        if self.good.is_empty() {
            self.good = vec![true; self.rows];
        }
        if std::mem::replace(&mut self.good[row], false) {
            out.refuse(row, Some(column), code, text);
        }
    }
}

fn fill(
    rule: &Rule,
    lookups: &LookupTables,
    rows: &Rows,
    refusals: &mut Refusals,
    out: &mut Sink,
) -> Result<ArrayRef, KitError> {
    match rule.0 {
        Kind::Copy { from } => Ok(Arc::clone(rows.column(from)?)),
        Kind::DateOf { timestamp } => {
            let instants = rows.timestamp(timestamp)?;
            if instants.values().iter().any(|instant| is_infinite(*instant)) {
                for row in (0..rows.len()).filter(|row| !instants.is_null(*row) && is_infinite(instants.value(*row))) {
                    refusals.refuse(row, timestamp, "infinite-timestamp", "an infinite timestamp has no date", out);
                }
            }
            let date = |instant: i64| i32::try_from(instant.div_euclid(MICROSECONDS_PER_DAY)).unwrap_or_default();
            Ok(Arc::new(instants.unary::<_, Date32Type>(date)))
        }
        Kind::TimeOf { timestamp } => {
            let time = |instant: i64| instant.rem_euclid(MICROSECONDS_PER_DAY);
            Ok(Arc::new(rows.timestamp(timestamp)?.unary::<_, Time64MicrosecondType>(time)))
        }
        Kind::ParsedDate { text } => {
            let texts = rows.text(text)?;
            let mut dates = Vec::with_capacity(rows.len());
            for (row, value) in texts.iter().enumerate() {
                let date = value.and_then(text_date::parse);
                if date.is_none()
                    && let Some(value) = value
                {
                    refusals.refuse(row, text, "malformed-date", format!("`{value}` is no YYYY-MM-DD date"), out);
                }
                dates.push(date.unwrap_or_default());
            }
            let dates = PrimitiveArray::<Date32Type>::new(dates.into(), texts.nulls().cloned());
            Ok(Arc::new(dates))
        }
        Kind::Computed { text, with } => {
            let mut computed = StringBuilder::new();
            for (row, value) in rows.text(text)?.iter().enumerate() {
                match value.map(with) {
                    Some(Ok(value)) => computed.append_value(value),
                    Some(Err(code)) => {
                        let value = value.unwrap_or_default();
                        refusals.refuse(row, text, code, format!("`{value}` is not known"), out);
                        computed.append_null();
                    }
                    None => computed.append_null(),
                }
            }
            Ok(Arc::new(computed.finish()))
        }
        Kind::LookedUp { take, by, otherwise } => {
            let mut found = StringBuilder::new();
            for (row, key) in rows.int32(by.column)?.iter().enumerate() {
                match key.map(|key| (key, lookups.find(by, take, key))) {
                    Some((_, Some(value))) => found.append_option(value.or(otherwise)),
                    Some((key, None)) => {
                        let reason = format!("`{}` has no row {key}", by.table);
                        refusals.refuse(row, by.column, "missing-lookup", reason, out);
                        found.append_null();
                    }
                    None => found.append_null(),
                }
            }
            Ok(Arc::new(found.finish()))
        }
    }
}

fn is_infinite(instant: i64) -> bool {
    instant == i64::MAX || instant == i64::MIN
}
