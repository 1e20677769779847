//! How often a run has something to do.

use serde::Serialize;

use super::measured;

/// Hours of a working day in which the source changes, and such days in a month: Monday to Friday, 08:00 to 19:00.
const WORKING_HOURS: f64 = 11.0;
const WORKING_DAYS: f64 = 365.25 / 12.0 * 5.0 / 7.0;

/// Minutes of a month on the average.
const MINUTES: f64 = 365.25 / 12.0 * 24.0 * 60.0;

/// Rows that change together, in one transaction: an order, its transaction and its payment.
const ROWS_TOGETHER: f64 = 3.0;

/// Stars that are bundled.
const STARS: f64 = 3.0;

/// What an estimate is for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Volume {
    /// Minutes between two runs; as the environment has it when absent.
    pub schedule_minutes: Option<f64>,
    /// Rows that change in the source on a working day.
    pub rows_per_day: f64,
    /// Rows of the largest table.
    pub source_rows: f64,
    /// Whether the databases are in a private network, where the environment does not say so.
    pub private_network: bool,
}

/// Totesys in 2025: 22 sales and 9 purchases a working day, three rows each, and as many payments that turn paid;
/// 14,581 sales orders.
impl Default for Volume {
    fn default() -> Self {
        Self { schedule_minutes: None, rows_per_day: 124.0, source_rows: 14_581.0, private_network: false }
    }
}

/// Runs in a month.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Runs {
    /// Runs that find nothing.
    pub nothing: f64,
    /// Runs that make a batch.
    pub something: f64,
    /// Changed rows in each of those.
    pub rows_of_a_batch: f64,
    /// Stars.
    pub stars: f64,
}

impl Runs {
    pub(super) fn of(minutes: f64, volume: &Volume) -> Self {
        let all = MINUTES / minutes;
        // Changes come at random within working hours; several in one interval are one batch.
        let intervals = (WORKING_HOURS * 60.0 / minutes).max(1.0);
        let changes = volume.rows_per_day / ROWS_TOGETHER;
        let batches_a_day = intervals * (1.0 - (1.0 - 1.0 / intervals).powf(changes));
        let something = (batches_a_day * WORKING_DAYS).min(all);
        let rows = volume.rows_per_day * WORKING_DAYS;
        let rows_of_a_batch = if something > 0.0 { rows / something } else { 0.0 };
        Self { nothing: all - something, something, rows_of_a_batch, stars: STARS }
    }

    pub(super) fn all(&self) -> f64 {
        self.nothing + self.something
    }

    /// Bytes in the lake after so many months. Nothing is ever deleted from it.
    pub(super) fn stored_bytes(&self, months: f64) -> f64 {
        let rows = (self.rows_of_a_batch - ROWS_TOGETHER).max(0.0);
        let batch = measured::BATCH_BYTES + rows * measured::ROW_BYTES;
        measured::FIRST_BYTES + months * (self.something * batch + self.nothing * measured::CHECK_BYTES)
    }
}
