//! `dim_date`: every date the other outputs refer to.

mod days;

use std::sync::Arc;

use author_kit::ColumnType::{Date, Int32, Text};
use author_kit::arrow_array::Array as _;
use author_kit::arrow_array::cast::AsArray;
use author_kit::arrow_array::types::Date32Type;
use author_kit::arrow_array::{ArrayRef, Date32Array, Int32Array, RecordBatch, StringArray};
use author_kit::{Column, ColumnType, Derived, KitError, Output, Role};

use days::Days;

const TABLE: &str = "dim_date";
const DAY_NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Gathers the dates in every column that refers to `dim_date`.
pub struct Calendar {
    output: Output,
    dates: Days,
}

impl Default for Calendar {
    fn default() -> Self {
        let column = |name: &str, column_type: ColumnType| Column {
            name: name.to_owned(),
            column_type,
            nullable: false,
            extras: Vec::new(),
        };
        let output = Output {
            table: TABLE.to_owned(),
            role: Role::Dimension,
            columns: vec![
                column("date_id", Date),
                column("year", Int32),
                column("month", Int32),
                column("day", Int32),
                column("day_of_week", Int32),
                column("day_name", Text),
                column("month_name", Text),
                column("quarter", Int32),
            ],
            business_key: vec!["date_id".to_owned()],
            surrogate_key: None,
            references: Vec::new(),
            keyed_by: None,
            extras: Vec::new(),
        };
        Self { output, dates: Days::default() }
    }
}

impl Derived for Calendar {
    fn output(&self) -> &Output {
        &self.output
    }

    fn observe(&mut self, output: &Output, rows: &RecordBatch) -> Result<(), KitError> {
        for reference in output.references.iter().filter(|reference| reference.table == TABLE) {
            let column = rows.column_by_name(&reference.column).and_then(|c| c.as_primitive_opt::<Date32Type>());
            let dates = column
                .ok_or_else(|| KitError::Column { table: output.table.clone(), column: reference.column.clone() })?;
            match dates.nulls() {
                None => self.dates.extend(dates.values().iter().copied()),
                Some(_) => self.dates.extend(dates.iter().flatten()),
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch, KitError> {
        let dates: Vec<i32> = std::mem::take(&mut self.dates).in_order().collect();
        let days: Vec<CivilDay> = dates.iter().map(|date| CivilDay::from_days(*date)).collect();
        let numbers = |number: fn(&CivilDay) -> i32| -> ArrayRef {
            Arc::new(days.iter().map(number).collect::<Vec<_>>().into_iter().map(Some).collect::<Int32Array>())
        };
        let names = |name: fn(&CivilDay) -> &'static str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(days.iter().map(name)))
        };
        let columns = vec![
            Arc::new(Date32Array::from_iter_values(dates)) as ArrayRef,
            numbers(|day| day.year),
            numbers(|day| day.month),
            numbers(|day| day.day),
            numbers(|day| day.day_of_week),
            names(|day| DAY_NAMES[index(day.day_of_week)]),
            names(|day| MONTH_NAMES[index(day.month)]),
            numbers(|day| (day.month - 1) / 3 + 1),
        ];
        Ok(RecordBatch::try_new(self.output.schema(), columns)?)
    }
}

/// The position of a number that counts from one.
fn index(number: i32) -> usize {
    usize::try_from(number - 1).unwrap_or_default()
}

/// A day of the proleptic Gregorian calendar.
struct CivilDay {
    year: i32,
    month: i32,
    day: i32,
    /// ISO: Monday is 1.
    day_of_week: i32,
}

impl CivilDay {
    /// From days since 1970-01-01, counting in 400-year eras that begin on 1 March.
    fn from_days(days: i32) -> Self {
        let since_era = i64::from(days) + 719_468;
        let era = since_era.div_euclid(146_097);
        let day_of_era = since_era.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let small = |number: i64| i32::try_from(number).unwrap_or_default();
        Self {
            year: small(year),
            month: small(month),
            day: small(day),
            day_of_week: small((i64::from(days) + 3).rem_euclid(7) + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CivilDay;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1, 4)),
            (-1, (1969, 12, 31, 3)),
            (11_016, (2000, 2, 29, 2)),
            (19_783, (2024, 3, 1, 5)),
            (20_088, (2024, 12, 31, 2)),
            (2_932_896, (9999, 12, 31, 5)),
            (-719_162, (1, 1, 1, 1)),
        ] {
            let day = CivilDay::from_days(days);
            assert_eq!((day.year, day.month, day.day, day.day_of_week), expected, "{days}");
        }
    }
}
