//! One scan that says how many rows a table has, which of them changed, and whether it still has all its keys.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio_postgres::Row;

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

/// How many rows a table has, and how many of them a mode reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Rows of the table.
    pub rows: u64,
    /// Rows the mode reads.
    pub changed: u64,
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
            keys.include(&range.keys);
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
        let all_there = match previous {
            Some(previous) => {
                let later = self.later_keys(table, source, previous.greatest).await?;
                keys.greatest = previous.greatest.max(later.greatest);
                Some(keys.without(&later).same_keys(previous))
            }
            None => {
                keys.greatest = self.greatest_key(table, source).await?;
                None
            }
        };
        Ok(Survey { rows: keys.rows, changed, keys, all_there, portions })
    }

    /// Counts a table's rows, and those that `mode` reads, in one scan.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn count(&self, table: &str, mode: &ReadMode) -> Result<Count, SourceError> {
        let source = self.table(table)?;
        let changed = changed(mode);
        let query = format!("SELECT count(*), count(*) FILTER (WHERE {changed}) FROM {}", source.qualified);
        let row = self.one_row(table, &query).await?;
        Ok(Count { rows: unsigned(&row, 0), changed: unsigned(&row, 1) })
    }

    async fn scan(
        &self,
        table: &str,
        source: &SnapshotTable,
        mode: &ReadMode,
        range: PageRange,
    ) -> Result<RangeSurvey, SourceError> {
        let changed = changed(mode);
        let [sum, hashes] = &source.key_sums.sums;
        let filter = range.predicate().map_or_else(String::new, |range| format!(" WHERE {range}"));
        let from = format!("FROM {}{filter}", source.qualified);
        // Partitions each count their places from zero.
        let query = if source.has_ranges && mode.predicate().is_some() {
            // The condition is looked at once a row: it takes as long as everything else.
            format!(
                "SELECT rows, sum, hashes, coalesce(cardinality(places), 0)::int8,
                        CASE WHEN cardinality(places) <= {FETCHED} THEN places::text[] END
                 FROM (SELECT count(*) AS rows, {sum} AS sum, {hashes} AS hashes,
                              array_agg(ctid) FILTER (WHERE {changed}) AS places {from}) scanned"
            )
        } else {
            format!("SELECT count(*), {sum}, {hashes}, count(*) FILTER (WHERE {changed}), NULL::text[] {from}")
        };
        let row = self.one_row(table, &query).await?;
        Ok(RangeSurvey { range, keys: sums(&row)?, changed: unsigned(&row, 3), places: row.get(4) })
    }

    /// The keys greater than all before, for which the key's index is enough; none of a key that grows in no order.
    async fn later_keys(
        &self,
        table: &str,
        source: &SnapshotTable,
        greatest: Option<i64>,
    ) -> Result<KeySums, SourceError> {
        let Some(key) = &source.key_sums.integer else { return Ok(KeySums::default()) };
        let [sum, hashes] = &source.key_sums.sums;
        let later = greatest.map_or_else(String::new, |greatest| format!(" WHERE {key} > {greatest}"));
        let query = format!("SELECT count(*), {sum}, {hashes}, max({key})::int8 FROM {}{later}", source.qualified);
        let row = self.one_row(table, &query).await?;
        Ok(KeySums { greatest: row.get(3), ..sums(&row)? })
    }

    async fn greatest_key(&self, table: &str, source: &SnapshotTable) -> Result<Option<i64>, SourceError> {
        let Some(key) = &source.key_sums.integer else { return Ok(None) };
        let row = self.one_row(table, &format!("SELECT max({key})::int8 FROM {}", source.qualified)).await?;
        Ok(row.get(0))
    }

    async fn one_row(&self, table: &str, query: &str) -> Result<Row, SourceError> {
        let lease = self.sessions.lease().await?;
        let row = lease.client().query_one(query, &[]).await.map_err(refused(table, "count"))?;
        lease.give_back();
        Ok(row)
    }
}

/// Whether a mode reads a row, as SQL.
fn changed(mode: &ReadMode) -> String {
    mode.predicate().map_or_else(|| "true".to_owned(), |changed| format!("({changed})"))
}

/// The row count and both sums that a query begins with.
fn sums(row: &Row) -> Result<KeySums, SourceError> {
    let number = |position: usize| {
        let text: &str = row.get(position);
        text.parse().map_err(|_| SourceError::Answer { about: "the sums of a table's keys" })
    };
    Ok(KeySums { rows: unsigned(row, 0), sum: number(1)?, hashes: number(2)?, greatest: None })
}

fn unsigned(row: &Row, position: usize) -> u64 {
    row.get::<_, i64>(position).cast_unsigned()
}
