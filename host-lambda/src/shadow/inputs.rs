//! What components are pushed in a rehearsal.

use std::collections::BTreeMap;

use star_contract::Description;
use totesys_lake::{Lake, Manifest};

use super::fold::{Fragment, fold};
use crate::HostError;

/// Files of ingested rows by table, in the order to push them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    tables: BTreeMap<String, (Vec<Fragment>, u64)>,
    /// The batch they are of; 0 when they are the current state.
    batch: u64,
}

impl Inputs {
    /// What a batch delivers to a component of this description.
    pub(crate) fn of_batch(manifest: &Manifest, description: &Description) -> Result<Self, HostError> {
        Self::default().and_of(manifest, Some(description))
    }

    /// The same, and what it delivers to another.
    pub(crate) fn and_of(mut self, manifest: &Manifest, description: Option<&Description>) -> Result<Self, HostError> {
        self.batch = manifest.batch.0;
        for input in description.iter().flat_map(|description| &description.inputs) {
            let entry = manifest.tables.get(&input.table).ok_or_else(|| HostError::TableNotIngested {
                batch: manifest.batch.0,
                table: input.table.clone(),
                star: description.map(|description| description.star.clone()).unwrap_or_default(),
            })?;
            let whole = |file: &totesys_lake::FileEntry| Fragment { file: file.clone(), rows: None };
            self.tables.insert(input.table.clone(), (entry.files.iter().map(whole).collect(), entry.rows));
        }
        Ok(self)
    }

    /// The current state of everything these descriptions read, from manifests that stand newest first. A table that
    /// was never ingested has no rows.
    pub(crate) async fn of_state(
        lake: &Lake,
        manifests: &[Manifest],
        described: &[&Description],
    ) -> Result<Self, HostError> {
        let mut inputs = Self::default();
        for input in described.iter().flat_map(|description| &description.inputs) {
            let ingested = manifests.first().is_some_and(|newest| newest.tables.contains_key(&input.table));
            if inputs.tables.contains_key(&input.table) || !ingested {
                continue;
            }
            let held = manifests.iter().take_while(|manifest| manifest.tables.contains_key(&input.table)).count();
            let folded = fold(lake, &manifests[..held], input).await?;
            inputs.tables.insert(input.table.clone(), (folded.fragments, folded.rows));
        }
        Ok(inputs)
    }

    /// The files of a table.
    pub(crate) fn of(&self, table: &str) -> &[Fragment] {
        self.tables.get(table).map(|(fragments, _)| fragments.as_slice()).unwrap_or_default()
    }

    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }

    /// Whether no table is without rows.
    pub(crate) fn every_one_has_rows(&self) -> bool {
        self.tables.values().all(|(_, rows)| *rows > 0)
    }
}
