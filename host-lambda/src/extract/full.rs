//! A new baseline on demand, and the intervals of which history may be lacking.

use std::collections::BTreeMap;

use totesys_lake::{Gap, Manifest, Micros, Stored};
use totesys_source::ReadMode;

use crate::{HostError, Pipeline};

/// Which tables the next batch reads whole although nothing demands it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Full {
    /// None.
    #[default]
    No,
    /// All.
    Everything,
    /// These.
    Tables(Vec<String>),
}

impl Full {
    pub(crate) fn names(&self, table: &str) -> bool {
        match self {
            Self::No => false,
            Self::Everything => true,
            Self::Tables(tables) => tables.iter().any(|asked| asked == table),
        }
    }

    pub(crate) fn ask(&self, modes: &mut BTreeMap<String, ReadMode>) -> Result<(), HostError> {
        if let Self::Tables(tables) = self
            && let Some(unknown) = tables.iter().find(|table| !modes.contains_key(*table))
        {
            let known = modes.keys().cloned().collect();
            return Err(HostError::UnknownTable { table: unknown.clone(), known });
        }
        for (_, mode) in modes.iter_mut().filter(|(table, _)| self.names(table)) {
            *mode = ReadMode::Whole { reason: "asked-for" };
        }
        Ok(())
    }
}

/// Reasons to read everything that mean the source did not simply go on: what it was in between nobody has seen.
const BREAKS: &[&str] = &["other-server", "other-database", "other-timeline", "transactions-went-back"];

/// Gaps that are remembered.
const REMEMBERED: usize = 50;

impl Pipeline {
    /// The gaps known before, and the one this batch ends.
    pub(super) async fn gaps(
        &self,
        previous: Option<&Stored<Manifest>>,
        modes: &BTreeMap<String, ReadMode>,
        taken_at: Micros,
    ) -> Result<Vec<Gap>, HostError> {
        let Some(previous) = previous else { return Ok(Vec::new()) };
        let mut gaps = previous.gaps.clone();
        let reasons = modes.values().filter_map(|mode| match mode {
            ReadMode::Whole { reason } => Some(*reason),
            ReadMode::Since { .. } => None,
        });
        if let Some(reason) = reasons.into_iter().find(|reason| BREAKS.contains(reason)) {
            let check = self.lake.newest_check().await?;
            let checked = check.filter(|check| check.after == Some(previous.batch)).map(|check| check.taken_at);
            let from = checked.map_or(previous.taken_at, |checked| checked.max(previous.taken_at));
            tracing::warn!(reason, from = %from, until = %taken_at, "the source did not simply go on: history may lack versions");
            gaps.push(Gap { reason: reason.to_owned(), from, until: taken_at });
        }
        let forgotten = gaps.len().saturating_sub(REMEMBERED);
        gaps.drain(..forgotten);
        Ok(gaps)
    }
}
