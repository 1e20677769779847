//! Transactions that commit after later-stamped ones, and transactions with savepoints.

use crate::session::Session;
use crate::{Kind, Moment, SimulateError, Simulator};

/// A transaction that is still open while others commit.
#[derive(Debug)]
pub(crate) struct OpenLate {
    stamp: Moment,
    /// How many later-stamped orders it waits for.
    wait: i64,
    /// How many have been committed meanwhile.
    later: i64,
    /// The order it has changed: nothing else may write it until the commit.
    pub(crate) held: Option<(&'static str, i32)>,
    /// When its payment is due.
    due: Option<(i64, i32)>,
}

impl Simulator {
    /// Whether the transaction that is about to be written commits late. Only one is open at a time.
    pub(crate) fn takes_late(&mut self, is_order: bool) -> bool {
        let waiting = if is_order { &mut self.late_orders } else { &mut self.late_changes };
        let takes = self.late.is_none() && *waiting > 0;
        if takes {
            *waiting -= 1;
        }
        takes
    }

    /// Makes one of the next transactions a late one.
    pub(crate) fn plan_late(&mut self) {
        let changes = self.rates.silent_sales + self.rates.silent_purchases > 0.0;
        if changes && self.random.chance(0.3) {
            self.late_changes += 1;
        } else {
            self.late_orders += 1;
        }
    }

    /// The session of late transactions, opened when it is first needed, or that of all others.
    pub(crate) async fn session_for(&mut self, late: bool) -> Result<&Session, SimulateError> {
        if !late {
            return Ok(&self.session);
        }
        if self.late_session.is_none() {
            self.late_session = Some(Session::open(&self.settings, &self.schema).await?);
        }
        Ok(self.late_session.as_ref().unwrap_or(&self.session))
    }

    /// A script that writes `statement` in a transaction of its own: inside a savepoint if one is due, after another
    /// one, with the `decoy`, was rolled back. A late one is left open.
    pub(crate) fn in_transaction(&mut self, statement: &str, decoy: &str, late: bool) -> String {
        let with_savepoint = self.savepoints > 0 || (late && self.rates.savepoints > 0.0 && self.random.chance(0.5));
        let written = if with_savepoint {
            self.savepoints = self.savepoints.saturating_sub(1);
            self.record(self.clock, Kind::Savepoint, None, 1);
            format!(
                "SAVEPOINT wrong; {decoy}; ROLLBACK TO SAVEPOINT wrong; SAVEPOINT written; {statement}; \
                 RELEASE SAVEPOINT written"
            )
        } else {
            statement.to_owned()
        };
        if late { format!("BEGIN; {written}") } else { format!("BEGIN; {written}; COMMIT") }
    }

    pub(crate) fn begin_late(&mut self, stamp: Moment, held: Option<(&'static str, i32)>, due: Option<(i64, i32)>) {
        let wait = self.random.between(1, 5);
        self.late = Some(OpenLate { stamp, wait, later: 0, held, due });
    }

    /// An order stamped `at` was committed: the open transaction is late now, and commits if it waited long enough.
    pub(crate) async fn later_stamped(&mut self, at: Moment) -> Result<(), SimulateError> {
        let Some(late) = &mut self.late else { return Ok(()) };
        late.later += i64::from(at > late.stamp);
        if late.later >= late.wait { self.settle().await } else { Ok(()) }
    }

    /// Commits the transaction that is open, if one is: what is written then is in the source.
    ///
    /// # Errors
    /// When the commit fails.
    pub async fn settle(&mut self) -> Result<(), SimulateError> {
        let (Some(late), Some(session)) = (self.late.take(), &self.late_session) else { return Ok(()) };
        session.run("committing late", "COMMIT").await?;
        self.due.extend(late.due);
        if late.later > 0 {
            self.record(self.clock, Kind::LateCommit, late.held.map(|(_, key)| key), 1);
        }
        Ok(())
    }

    /// The keys of a table that the open transaction has written.
    pub(crate) fn held(&self, table: &str) -> Vec<i32> {
        let held = self.late.iter().filter_map(|late| late.held);
        held.filter(|(name, _)| *name == table).map(|(_, key)| key).collect()
    }
}
