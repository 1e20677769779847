//! Which transactions inserted the rows of a stream.

use std::collections::BTreeSet;

/// How many transaction ids are remembered at most; a forgotten one costs a repeated row, nothing else.
pub const MAX_OBSERVED_XIDS: usize = 65_536;

/// The ids below this are PostgreSQL's own and always in the past.
const FIRST_NORMAL_XID: u32 = 3;

/// Whether `xid` is `other` or was assigned after it, on the circle of 2^32 ids.
#[must_use]
pub fn xid_is_at_or_after(xid: u32, other: u32) -> bool {
    xid >= FIRST_NORMAL_XID && xid.wrapping_sub(other).cast_signed() >= 0
}

/// The transactions worth remembering: those a snapshot may have seen ahead of older ones still open.
#[derive(Debug, Clone)]
pub struct XidWindow {
    /// The snapshot's xmin.
    pub first: u32,
    /// The snapshot's xmax, itself outside.
    pub end: u32,
    /// Open when the snapshot was taken. A row that shows one of these was written by its namesake 2^32
    /// transactions ago: to remember it would hide the rows of the open one.
    pub in_progress: BTreeSet<u32>,
}

impl XidWindow {
    /// Whether no row that the snapshot sees can show an id of it: no transaction was open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }
}

/// Collects the ids within a window.
pub(super) struct XidObserver {
    window: XidWindow,
    seen: BTreeSet<u32>,
    last: u32,
}

impl XidObserver {
    pub(super) fn new(window: XidWindow) -> Self {
        Self { window, seen: BTreeSet::new(), last: 0 }
    }

    #[inline]
    pub(super) fn observe(&mut self, xid: u32) {
        // Rows of one transaction mostly lie together.
        if xid != self.last {
            self.last = xid;
            if xid_is_at_or_after(xid, self.window.first) {
                self.remember(xid);
            }
        }
    }

    #[cold]
    fn remember(&mut self, xid: u32) {
        let ended = !xid_is_at_or_after(xid, self.window.end) && !self.window.in_progress.contains(&xid);
        if ended && self.seen.len() < MAX_OBSERVED_XIDS {
            self.seen.insert(xid);
        }
    }

    pub(super) fn into_seen(self) -> BTreeSet<u32> {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_on_a_circle() {
        for (xid, other, expected) in
            [(10, 10, true), (11, 10, true), (9, 10, false), (5, u32::MAX, true), (u32::MAX, 5, false), (2, 1, false)]
        {
            assert_eq!(xid_is_at_or_after(xid, other), expected, "{xid} {other}");
        }
    }

    #[test]
    fn only_ended_transactions_of_the_window_are_remembered() {
        let window = XidWindow { first: u32::MAX - 1, end: 8, in_progress: BTreeSet::from([4]) };
        let mut observer = XidObserver::new(window);
        for xid in [1, 2, 3, 3, 4, 7, 8, 9, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
            observer.observe(xid);
        }
        assert_eq!(observer.into_seen(), BTreeSet::from([3, 7, u32::MAX - 1, u32::MAX]));
    }
}
