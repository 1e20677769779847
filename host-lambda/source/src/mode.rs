//! Which rows of a table a batch reads.

use std::collections::BTreeMap;

use crate::baseline::Baseline;
use crate::error::SourceError;

/// How old a baseline may be, in transactions: rows show half the circle of 2^32 ids, less a margin.
const OLDEST: u64 = (1 << 31) - 100_000_000;

/// Which rows of a table are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadMode {
    /// All of them.
    Whole {
        /// Why: lower-case words with hyphens, safe to log.
        reason: &'static str,
    },
    /// Those whose inserting transaction could have been invisible to the previous snapshot.
    Since {
        /// The previous snapshot's xmin.
        xmin: u64,
        /// Transactions at or after it that were delivered nevertheless.
        delivered: Vec<u32>,
    },
}

impl ReadMode {
    /// The condition on a row, if there is one. Numbers only: nothing in it needs quoting.
    pub(crate) fn predicate(&self) -> Option<String> {
        let Self::Since { xmin, delivered } = self else { return None };
        // Most rows are too old, so that is asked first; the bound is computed once, as a query of its own.
        let changed = format!("age(xmin) <= (SELECT age(('{xmin}'::xid8)::xid)) AND age(xmin) >= 0");
        if delivered.is_empty() {
            return Some(changed);
        }
        let delivered: Vec<_> = delivered.iter().map(u32::to_string).collect();
        Some(format!("{changed} AND xmin <> ALL ('{{{}}}'::xid[])", delivered.join(",")))
    }
}

/// Decides for every table of `current` how it is read after `previous`.
///
/// # Errors
/// When a replica is behind the previous batch.
pub fn decide(current: &Baseline, previous: Option<&Baseline>) -> Result<BTreeMap<String, ReadMode>, SourceError> {
    let Some(previous) = previous else { return Ok(whole(current, "first-batch")) };
    let same_cluster =
        current.system_identifier == previous.system_identifier && current.database_oid == previous.database_oid;
    // First of all: reading an older state than the last batch would turn time back.
    if same_cluster && current.in_recovery && (current.xmax < previous.xmax || current.xmin < previous.xmin) {
        return Err(SourceError::ReplicaBehind { seen: previous.xmax, found: current.xmax });
    }
    if current.system_identifier != previous.system_identifier {
        return Ok(whole(current, "other-server"));
    }
    if current.database_oid != previous.database_oid || current.database != previous.database {
        return Ok(whole(current, "other-database"));
    }
    if current.timeline != previous.timeline {
        return Ok(whole(current, "other-timeline"));
    }
    // Before the restart: whoever puts older files in place starts the server as well.
    if current.xmax < previous.xmax || current.xmin < previous.xmin {
        return Ok(whole(current, "transactions-went-back"));
    }
    if current.postmaster_start != previous.postmaster_start {
        return Ok(whole(current, "server-restarted"));
    }
    if current.xmax - previous.xmin > OLDEST {
        return Ok(whole(current, "baseline-too-old"));
    }
    let modes = current.tables.iter().map(|(table, shape)| {
        let mode = match previous.tables.get(table) {
            None => ReadMode::Whole { reason: "new-table" },
            Some(before) if before.partial => ReadMode::Whole { reason: "partly-read" },
            Some(before) if !shape.fits(before) => ReadMode::Whole { reason: "table-changed-shape" },
            Some(_) => ReadMode::Since { xmin: previous.xmin, delivered: previous.delivered.clone() },
        };
        (table.clone(), mode)
    });
    Ok(modes.collect())
}

fn whole(current: &Baseline, reason: &'static str) -> BTreeMap<String, ReadMode> {
    current.tables.keys().map(|table| (table.clone(), ReadMode::Whole { reason })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::tests::baseline;

    fn reason(current: &Baseline, previous: Option<&Baseline>) -> &'static str {
        match decide(current, previous).unwrap().remove("design") {
            Some(ReadMode::Whole { reason }) => reason,
            Some(ReadMode::Since { .. }) => "since",
            None => "none",
        }
    }

    #[test]
    fn everything_is_read_when_transaction_numbers_mean_something_else() {
        let current = baseline(200, 210);
        let base = || baseline(100, 110);
        let other_shape = || {
            let mut changed = base();
            changed.tables.values_mut().for_each(|shape| shape.columns.push(("b".into(), "text".into())));
            changed
        };
        for (previous, expected) in [
            (None, "first-batch"),
            (Some(base().with_partial("design", true)), "partly-read"),
            (Some(base().with_partial("design", true).with_partial("design", false)), "since"),
            (Some(base()), "since"),
            (Some(Baseline { system_identifier: 1, ..base() }), "other-server"),
            (Some(Baseline { database_oid: 1, ..base() }), "other-database"),
            (Some(Baseline { database: "b".into(), ..base() }), "other-database"),
            (Some(Baseline { timeline: 9, ..base() }), "other-timeline"),
            (Some(Baseline { postmaster_start: 9, ..base() }), "server-restarted"),
            (Some(baseline(100, 211)), "transactions-went-back"),
            (Some(baseline(201, 210)), "transactions-went-back"),
            (Some(Baseline { tables: BTreeMap::new(), ..base() }), "new-table"),
            (Some(other_shape()), "table-changed-shape"),
        ] {
            assert_eq!(reason(&current, previous.as_ref()), expected);
        }
        assert_eq!(reason(&baseline(1, 100 + OLDEST), Some(&baseline(1, 100))), "baseline-too-old");
    }

    #[test]
    fn a_replica_that_is_behind_gives_no_batch() {
        let behind = Baseline { in_recovery: true, postmaster_start: 99, ..baseline(90, 100) };
        let error = decide(&behind, Some(&baseline(100, 110))).unwrap_err();
        assert!(matches!(error, SourceError::ReplicaBehind { seen: 110, found: 100 }));
        assert!(error.is_transient());
    }

    #[test]
    fn the_predicate_names_transactions_only() {
        let mode = ReadMode::Since { xmin: 5_000_000_000, delivered: vec![7, 9] };
        assert_eq!(
            mode.predicate().unwrap(),
            "age(xmin) <= (SELECT age(('5000000000'::xid8)::xid)) AND age(xmin) >= 0 AND xmin <> ALL ('{7,9}'::xid[])"
        );
    }
}
