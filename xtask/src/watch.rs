//! The progress of a run's tables, as they appear.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use host_lambda::{Observer, Stage};

use crate::progress::{Progress, TableProgress};

/// Shows a line or bar for each stage and table that has rows.
pub(crate) struct Watch {
    progress: Progress,
    tables: Mutex<BTreeMap<(Stage, String), TableProgress>>,
}

impl Watch {
    pub(crate) fn new(progress: Progress) -> Self {
        Self { progress, tables: Mutex::default() }
    }

    /// Ends every line or bar.
    pub(crate) fn finish(&self) {
        let shown = std::mem::take(&mut *self.tables.lock().unwrap_or_else(PoisonError::into_inner));
        shown.into_values().for_each(TableProgress::finish);
    }
}

impl Observer for Watch {
    fn passed(&self, stage: Stage, table: &str, rows: u64, bytes: u64) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = tables
            .entry((stage, table.to_owned()))
            .or_insert_with(|| self.progress.table(&format!("{} {table}", stage.name()), None));
        shown.advance(rows, bytes);
    }
}
