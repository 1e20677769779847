//! One scan that says how many rows a table has, which of them changed, and whether it still has all its keys.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::SourceError;
use crate::keys::KeySums;
use crate::mode::ReadMode;
use crate::read::{PageRange, Portion, refused};
use crate::snapshot::{SnapshotTable, SourceSnapshot};

/// Changed rows of a range are fetched by their places up to this many; beyond, the range is scanned again.
const FETCHED: u64 = 20_000;

/// What a table's scan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Rows of the table.
    pub rows: u64,
    /// Rows the mode reads.
    pub changed: u64,
    /// The keys of all rows.
    pub keys: KeySums,
    /// Whether every key is there that was: unknown when nothing is known of the keys before, or when a key that
    /// is not new in its order came besides.
    pub all_there: Option<bool>,
    /// What to read for the changed rows.
    pub portions: Vec<Portion>,
}

/// What the scan of one range says.
struct RangeSurvey {
    range: PageRange,
    keys: KeySums,
    changed: u64,
    places: Option<Vec<String>>,
}

impl SourceSnapshot {
    /// Scans a table once, as many ranges at a time as there are connections. `previous` is what the batch before
    /// knew of its keys.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn survey(
        &self,
        table: &str,
        mode: &ReadMode,
        previous: Option<&KeySums>,
    ) -> Result<Survey, SourceError> {
        let source = self.table(table)?;
        let ranges = self.ranges(table).await?;
        let scans = ranges.into_iter().map(|range| self.scan(table, source, mode, range));
        let scanned: Vec<RangeSurvey> = stream::iter(scans).buffered(self.sessions.connections()).try_collect().await?;
        let mut keys = KeySums::default();
        let (mut changed, mut places, mut portions) = (0, Vec::new(), Vec::new());
        for range in scanned {
            keys.rows += range.keys.rows;
            keys.sum += range.keys.sum;
            keys.hashes += range.keys.hashes;
            changed += range.changed;
            match range.places {
                Some(found) => places.extend(found),
                None if range.changed > 0 => portions.push(Portion::Range(range.range)),
                None => {}
            }
        }
        if !places.is_empty() {
            portions.push(Portion::Rows(places));
        }
        keys.greatest = previous.and_then(|previous| previous.greatest);
        let later = self.later_keys(table, source, keys.greatest).await?;
        let all_there = previous.map(|previous| match &later {
            Some(later) => keys.without(later).same_keys(previous),
            None => keys.same_keys(previous),
        });
        if let Some(later) = later {
            keys.greatest = keys.greatest.max(later.greatest);
        }
        Ok(Survey { rows: keys.rows, changed, keys, all_there, portions })
    }

    async fn scan(
        &self,
        table: &str,
        source: &SnapshotTable,
        mode: &ReadMode,
        range: PageRange,
    ) -> Result<RangeSurvey, SourceError> {
        let changed = mode.predicate().map_or_else(|| "true".to_owned(), |changed| format!("({changed})"));
        let [sum, hashes] = &source.key_sums.sums;
        // Partitions each count their places from zero.
        let places = if source.has_ranges && mode.predicate().is_some() {
            format!(
                "CASE WHEN count(*) FILTER (WHERE {changed}) BETWEEN 1 AND {FETCHED}
                 THEN array_agg(ctid) FILTER (WHERE {changed}) END::text[]"
            )
        } else {
            "NULL::text[]".to_owned()
        };
        let filter = range.predicate().map_or_else(String::new, |range| format!(" WHERE {range}"));
        let query = format!(
            "SELECT count(*), {sum}, {hashes}, count(*) FILTER (WHERE {changed}), {places} FROM {}{filter}",
            source.qualified
        );
        let lease = self.sessions.lease().await?;
        let row = lease.client().query_one(&query, &[]).await.map_err(refused(table, "count"))?;
        lease.give_back();
        let count = |position| row.get::<_, i64>(position).cast_unsigned();
        let keys = KeySums { rows: count(0), sum: number(row.get(1))?, hashes: number(row.get(2))?, greatest: None };
        Ok(RangeSurvey { range, keys, changed: count(3), places: row.get(4) })
    }

    /// The keys greater than all before, for which the key's index is enough.
    async fn later_keys(
        &self,
        table: &str,
        source: &SnapshotTable,
        greatest: Option<i64>,
    ) -> Result<Option<KeySums>, SourceError> {
        let Some(key) = &source.key_sums.integer else { return Ok(None) };
        let [sum, hashes] = &source.key_sums.sums;
        let later = greatest.map_or_else(String::new, |greatest| format!(" WHERE {key} > {greatest}"));
        let query = format!("SELECT count(*), {sum}, {hashes}, max({key})::int8 FROM {}{later}", source.qualified);
        let lease = self.sessions.lease().await?;
        let row = lease.client().query_one(&query, &[]).await.map_err(refused(table, "count"))?;
        lease.give_back();
        Ok(Some(KeySums {
            rows: row.get::<_, i64>(0).cast_unsigned(),
            sum: number(row.get(1))?,
            hashes: number(row.get(2))?,
            greatest: row.get(3),
        }))
    }
}

fn number(text: &str) -> Result<i128, SourceError> {
    text.parse().map_err(|_| SourceError::Answer { about: "the sums of a table's keys" })
}
