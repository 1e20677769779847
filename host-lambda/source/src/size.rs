//! How large a table is, which file it lies in, and in which ranges it is read.

use crate::error::SourceError;
use crate::read::{PageRange, refused};
use crate::snapshot::SourceSnapshot;

/// A table as it lies on the server's disk, now and not in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Bytes of its pages, without indexes and what is kept out of line.
    pub bytes: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// The number of its file: another after `VACUUM FULL`, `CLUSTER` or `TRUNCATE`. Between them rows that nobody
    /// writes stay where they are.
    pub file: Option<u32>,
    /// Whether ranges of its pages can be read for themselves: not of partitioned tables, and not before version 14.
    pub has_ranges: bool,
}

impl TableSize {
    /// Its pages.
    #[must_use]
    pub fn pages(&self) -> u32 {
        u32::try_from(self.bytes / self.page_bytes.max(1)).unwrap_or(u32::MAX)
    }

    /// As many pages as so many bytes are, one at least.
    #[must_use]
    pub fn pages_in(&self, bytes: u64) -> u32 {
        u32::try_from((bytes / self.page_bytes.max(1)).max(1)).unwrap_or(u32::MAX)
    }
}

impl SourceSnapshot {
    /// Measures a table.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn size(&self, table: &str) -> Result<TableSize, SourceError> {
        let source = self.table(table)?;
        let lease = self.sessions.lease().await?;
        let size = "SELECT pg_relation_size($1::oid), current_setting('block_size')::int8, pg_relation_filenode($1)";
        let row = lease.client().query_one(size, &[&source.oid]).await.map_err(refused(table, "measure"))?;
        lease.give_back();
        let (bytes, page): (i64, i64) = (row.get(0), row.get(1));
        Ok(TableSize {
            bytes: bytes.cast_unsigned(),
            page_bytes: page.cast_unsigned().max(1),
            file: row.get(2),
            has_ranges: source.has_ranges,
        })
    }

    /// The ranges in which a table is read, which together hold every row once.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn ranges(&self, table: &str) -> Result<Vec<PageRange>, SourceError> {
        self.ranges_of(table, PageRange::ALL).await
    }

    /// The ranges in which part of a table is read, which together hold every row of it once.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn ranges_of(&self, table: &str, part: PageRange) -> Result<Vec<PageRange>, SourceError> {
        if !self.table(table)?.has_ranges {
            return Ok(vec![part]);
        }
        let size = self.size(table).await?;
        let ranges = split(part, size.pages(), size.pages_in(self.range_bytes));
        tracing::debug!(table, ranges = ranges.len(), "ranges");
        Ok(ranges)
    }
}

/// Ranges of so many pages at most, which follow one another. What is open-ended stays so: what was added since the
/// size was taken is invisible, but cannot be missed either.
fn split(part: PageRange, pages: u32, step: u32) -> Vec<PageRange> {
    let mut ranges = Vec::new();
    let mut first = part.first;
    while part.end.unwrap_or(pages).saturating_sub(first) > step {
        ranges.push(PageRange { first, end: Some(first + step) });
        first += step;
    }
    ranges.push(PageRange { first, end: part.end });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_one_another_and_end_as_the_part_does() {
        let range = |first, end| PageRange { first, end };
        for (part, pages, step, expected) in [
            (PageRange::ALL, 0, 1, vec![PageRange::ALL]),
            (PageRange::ALL, 1, 1, vec![PageRange::ALL]),
            (PageRange::ALL, 3, 1, vec![range(0, Some(1)), range(1, Some(2)), range(2, None)]),
            (PageRange::ALL, 5, 2, vec![range(0, Some(2)), range(2, Some(4)), range(4, None)]),
            (range(4, Some(7)), 100, 2, vec![range(4, Some(6)), range(6, Some(7))]),
            // A table that was made shorter since is read to the end of the part all the same.
            (range(4, Some(7)), 2, 2, vec![range(4, Some(6)), range(6, Some(7))]),
            (range(4, None), 7, 2, vec![range(4, Some(6)), range(6, None)]),
            (range(4, None), 2, 2, vec![range(4, None)]),
            (range(u32::MAX - 1, None), u32::MAX, 1, vec![range(u32::MAX - 1, None)]),
        ] {
            assert_eq!(split(part, pages, step), expected, "{part:?} {pages} {step}");
        }
    }

    #[test]
    fn a_part_has_a_page_at_least() {
        let size = TableSize { bytes: 3 * 8192, page_bytes: 8192, file: Some(1), has_ranges: true };
        assert_eq!(size.pages(), 3);
        assert_eq!([1, 8192, 8193, 2 * 8192].map(|bytes| size.pages_in(bytes)), [1, 1, 1, 2]);
    }
}
