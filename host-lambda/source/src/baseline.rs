//! What a batch remembers of the database it saw.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use totesys_postgres::{MAX_OBSERVED_XIDS, xid_is_at_or_after};

use crate::KeySums;

/// What a batch remembers of the database it saw, so that the next one can find what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The cluster's own number.
    #[serde(with = "as_text")]
    pub system_identifier: u64,
    /// Its timeline: another after a restore or a failover.
    pub timeline: u32,
    /// When the server started, in microseconds since 1970.
    #[serde(with = "as_text")]
    pub postmaster_start: i64,
    /// The database's oid.
    pub database_oid: u32,
    /// The database's name.
    pub database: String,
    /// Every transaction before this one had ended.
    #[serde(with = "as_text")]
    pub xmin: u64,
    /// This transaction and later ones had not begun.
    #[serde(with = "as_text")]
    pub xmax: u64,
    /// Transactions at or after `xmin` whose rows were delivered.
    pub delivered: Vec<u32>,
    /// The tables.
    pub tables: BTreeMap<String, TableShape>,
    /// The names of all tables of the schema, read or not; none in baselines from before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_tables: Option<BTreeSet<String>>,
    /// Whether the server was a replica.
    pub in_recovery: bool,
}

/// What of a table, besides its rows' transactions, says whether rows may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Its oid: another after it was dropped and made anew.
    pub oid: u32,
    /// The oids of its partitions or children.
    pub partitions: Vec<u32>,
    /// The columns that are ingested, with their types as PostgreSQL writes them.
    pub columns: Vec<(String, String)>,
    /// Rows in the snapshot, once they were counted.
    pub rows: Option<u64>,
    /// Its keys, where they were summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeySums>,
    /// Whether only part of the table was read, by a backfill that has not brought all of it: the next batch starts over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

impl Baseline {
    /// Whether no transaction that could have ended before the snapshot was open: what was written under a smaller
    /// number than `xmax` is visible in it, or never will be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.xmin == self.xmax
    }

    /// Whether transaction numbers of both mean the same: one server, one life of it.
    #[must_use]
    pub fn continues(&self, previous: &Self) -> bool {
        self.system_identifier == previous.system_identifier
            && self.timeline == previous.timeline
            && self.postmaster_start == previous.postmaster_start
            && self.database_oid == previous.database_oid
            && self.database == previous.database
            && self.xmax >= previous.xmax
            && self.xmin >= previous.xmin
    }

    /// This baseline with the transactions its batch delivered. Those the previous batch delivered and that
    /// are still at or after `xmin` stay, because their rows were left out of this batch.
    #[must_use]
    pub fn with_delivered(mut self, previous: Option<&Self>, recent: impl IntoIterator<Item = u32>) -> Self {
        let xmin = raw(self.xmin);
        let carried = previous.filter(|previous| self.continues(previous)).map(|previous| &previous.delivered);
        let carried = carried.into_iter().flatten().copied().filter(|xid| xid_is_at_or_after(*xid, xmin));
        let delivered: BTreeSet<u32> = recent.into_iter().chain(carried).collect();
        self.delivered = delivered.into_iter().take(MAX_OBSERVED_XIDS).collect();
        self
    }

    /// This baseline with the number of rows of a table.
    #[must_use]
    pub fn with_rows(mut self, table: &str, rows: u64) -> Self {
        if let Some(shape) = self.tables.get_mut(table) {
            shape.rows = Some(rows);
        }
        self
    }
}

impl Baseline {
    /// This baseline with the keys of a table.
    #[must_use]
    pub fn with_keys(mut self, table: &str, keys: KeySums) -> Self {
        if let Some(shape) = self.tables.get_mut(table) {
            shape.keys = Some(keys);
        }
        self
    }
}

impl Baseline {
    /// This baseline, saying of a table whether only part of it was read.
    #[must_use]
    pub fn with_partial(mut self, table: &str, partial: bool) -> Self {
        if let Some(shape) = self.tables.get_mut(table) {
            shape.partial = partial;
        }
        self
    }
}

impl TableShape {
    /// Whether rows of the one look like rows of the other.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        self.oid == other.oid && self.partitions == other.partitions && self.columns == other.columns
    }
}

/// The 32 bits of a transaction number that rows carry.
pub(crate) fn raw(xid: u64) -> u32 {
    (xid & u64::from(u32::MAX)) as u32
}

/// 64-bit numbers as text: JSON's own numbers lose digits in many readers.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<N: Display, S: Serializer>(number: &N, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, N: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<N, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("a 64-bit number as text is expected"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn baseline(xmin: u64, xmax: u64) -> Baseline {
        Baseline {
            system_identifier: u64::MAX,
            timeline: 1,
            postmaster_start: 5,
            database_oid: 6,
            database: "totesys".to_owned(),
            xmin,
            xmax,
            delivered: Vec::new(),
            tables: BTreeMap::from([(
                "design".to_owned(),
                TableShape {
                    oid: 7,
                    partitions: vec![],
                    columns: vec![("a".into(), "integer".into())],
                    rows: None,
                    keys: None,
                    partial: false,
                },
            )]),
            all_tables: None,
            in_recovery: false,
        }
    }

    #[test]
    fn json_keeps_all_64_bits() {
        let baseline = baseline(u64::MAX - 1, u64::MAX).with_rows("design", 3);
        let json = serde_json::to_string(&baseline).unwrap();
        assert!(json.contains("\"xmax\":\"18446744073709551615\""));
        assert_eq!(serde_json::from_str::<Baseline>(&json).unwrap(), baseline);
    }

    #[test]
    fn delivered_transactions_are_carried_while_xmin_stands_still() {
        let first = baseline(100, 110).with_delivered(None, [101, 105]);
        assert_eq!(first.delivered, [101, 105]);
        let second = baseline(100, 112).with_delivered(Some(&first), [111]);
        assert_eq!(second.delivered, [101, 105, 111]);
        let third = baseline(104, 120).with_delivered(Some(&second), []);
        assert_eq!(third.delivered, [105, 111]);
        let elsewhere = Baseline { timeline: 2, ..baseline(104, 120) };
        assert!(elsewhere.with_delivered(Some(&second), []).delivered.is_empty());
    }

    #[test]
    fn carrying_works_across_the_wrap() {
        let before = baseline((1 << 32) - 2, (1 << 32) + 9).with_delivered(None, [u32::MAX, 5]);
        let after = baseline((1 << 32) + 3, (1 << 32) + 9).with_delivered(Some(&before), []);
        assert_eq!(after.delivered, [5]);
    }
}
