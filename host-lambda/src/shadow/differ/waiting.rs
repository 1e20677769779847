//! Rows whose partner has not come yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::layout::{Rows, Side};
use crate::row_key::RowKeys;

/// Rows that wait, by their keys. They are kept where they are: a row that waits keeps its batch alive.
#[derive(Default)]
pub(super) struct Waiting {
    keys: HashMap<String, Queue>,
    /// How many have ever waited.
    met: u64,
    text: String,
}

/// The rows of one key: all of one side, because a row of the other would have found its partner.
struct Queue {
    side: Side,
    first: Place,
    more: VecDeque<Place>,
}

struct Place {
    rows: Arc<Rows>,
    row: usize,
    met: u64,
}

impl Waiting {
    /// The row of the other side that waits longest for this one. If there is none, this one waits.
    pub(super) fn partner(
        &mut self,
        side: Side,
        rows: &Arc<Rows>,
        row: usize,
        keys: &RowKeys<'_>,
    ) -> Option<(Arc<Rows>, usize)> {
        keys.write(row, &mut self.text);
        let queue = self.keys.get_mut(&self.text);
        if let Some(queue) = queue.filter(|queue| queue.side != side) {
            let partner = match queue.more.pop_front() {
                Some(next) => std::mem::replace(&mut queue.first, next),
                None => self.keys.remove(&self.text)?.first,
            };
            return Some((partner.rows, partner.row));
        }
        let place = Place { rows: Arc::clone(rows), row, met: self.met };
        self.met += 1;
        match self.keys.get_mut(&self.text) {
            Some(queue) => queue.more.push_back(place),
            None => {
                self.keys.insert(self.text.clone(), Queue { side, first: place, more: VecDeque::new() });
            }
        }
        None
    }

    /// All that still wait, in the order met.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (Side, Arc<Rows>, usize)> {
        let queues = self.keys.into_values();
        let places = queues
            .flat_map(|Queue { side, first, more }| std::iter::once(first).chain(more).map(move |place| (side, place)));
        let mut places: Vec<(Side, Place)> = places.collect();
        places.sort_unstable_by_key(|(_, place)| place.met);
        places.into_iter().map(|(side, place)| (side, place.rows, place.row))
    }
}
