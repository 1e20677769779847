//! The keys that live in the source, for the load to notice those that do not.

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use star_contract::{Column, Description, Role};
use std::sync::Arc;
use totesys_lake::{Bucket, KeySet, Manifest};
use totesys_warehouse::Load;

use super::BATCH_ROWS;
use crate::{HostError, Pipeline};

impl Pipeline {
    /// Stages the keys of every table of the batch that may have lost rows and that a fact is about.
    pub(super) async fn stage_living(
        &self,
        load: &mut Load<'_>,
        live: &Description,
        manifest: &Manifest,
    ) -> Result<(), HostError> {
        for fact in live.outputs.iter().filter(|output| output.role == Role::Fact) {
            let about = fact.keyed_by.as_ref().and_then(|table| live.input(table));
            let Some((input, entry)) = about.and_then(|input| Some((input, manifest.tables.get(&input.table)?))) else {
                continue;
            };
            if let Some(set) = entry.keys.as_ref().filter(|_| entry.changed) {
                self.stage_keys(load, &fact.table, &in_key_order(set, &input.key), set).await?;
            }
        }
        Ok(())
    }

    async fn stage_keys(
        &self,
        load: &mut Load<'_>,
        fact: &str,
        columns: &[Column],
        set: &KeySet,
    ) -> Result<(), HostError> {
        // A source without rows has no file of keys, and has deleted everything.
        let none = RecordBatch::new_empty(Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>())));
        load.stage_living_keys(fact, &none).await?;
        for file in &set.files {
            for keys in self.lake.read_rows(Bucket::Ingestion, file, columns, BATCH_ROWS).await? {
                load.stage_living_keys(fact, &keys?).await?;
            }
        }
        Ok(())
    }
}

fn in_key_order(set: &KeySet, key: &[String]) -> Vec<Column> {
    key.iter().filter_map(|name| set.columns.iter().find(|column| column.name == *name)).cloned().collect()
}
