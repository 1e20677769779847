//! Where a Parquet file, or a row of the warehouse, comes from.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use bytes::Bytes;
use serde::Serialize;
use star_contract::Role;
use totesys_lake::{
    BatchNumber, Bucket, FileEntry, Generation, LakeError, StarLedger, TransformationRecord, parquet_words, sha256_hex,
};
use totesys_sandbox::VerifiedArtifact;

use crate::catalog::{Pinned, claim};
use crate::row_key::RowKeys;
use crate::{HostError, Pipeline};

/// Rows read from a file at a time: only keys.
const ROWS: usize = 64 * 1024;

/// Where a listed file comes from.
#[derive(Debug, Serialize)]
pub struct FileOrigin {
    /// Its key in the lake.
    pub key: String,
    /// Its SHA-256, which is that of its record.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
    /// The table whose rows it holds.
    pub table: String,
    /// The transformation that wrote it; none for a file of ingested rows.
    pub made_by: Option<Origin>,
    /// The batch that ingested it, if it was not transformed.
    pub ingested_in: Option<Ingested>,
}

/// A batch that ingested rows.
#[derive(Debug, Serialize)]
pub struct Ingested {
    /// The batch.
    pub batch: u64,
    /// When its snapshot was taken, in microseconds since 1970.
    pub taken_at: i64,
    /// The catalog record it ran under.
    pub catalog: u64,
}

/// A transformation that made rows.
#[derive(Debug, Clone, Serialize)]
pub struct Origin {
    /// The star.
    pub star: String,
    /// The batch whose transformation it was.
    pub batch: u64,
    /// When that batch's snapshot was taken, in microseconds since 1970.
    pub taken_at: i64,
    /// The batch that observed the rows, when an earlier one did and its rows were refused first.
    pub observed_in: Option<u64>,
    /// The generation of the star's transformations.
    pub generation: u64,
    /// The component.
    pub component: ComponentOrigin,
    /// The ingested files it read: table, the batch that ingested them, rows.
    pub inputs: Vec<InputOrigin>,
}

/// An input of a transformation.
#[derive(Debug, Clone, Serialize)]
pub struct InputOrigin {
    /// The source table.
    pub table: String,
    /// The batch that wrote the files.
    pub from_batch: u64,
    /// Their rows.
    pub rows: u64,
    /// Their keys.
    pub files: Vec<String>,
}

/// The component of a transformation.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentOrigin {
    /// Its digest.
    pub digest: String,
    /// Its version.
    pub version: String,
    /// The contract it was built against.
    pub contract_version: String,
    /// The catalog record it was live in.
    pub catalog: u64,
    /// Why it was published.
    pub note: String,
    /// Whether the stored component has this digest.
    pub stored: bool,
    /// The key that signed its artefact for this engine; `None` when there is none, or it is not trusted.
    pub signed_by: Option<String>,
}

/// One version of a row of the warehouse.
#[derive(Debug, Serialize)]
pub struct RowOrigin {
    /// Its record id, if it is a fact's version that was loaded.
    pub record_id: Option<i32>,
    /// Whether it is what its key is now.
    pub is_current: bool,
    /// The batch that noticed its deletion.
    pub deleted_in: Option<u64>,
    /// The batch that observed it.
    pub observed_in: u64,
    /// The transformation it came from, if its record is there.
    pub made_by: Option<Origin>,
}

impl Pipeline {
    /// Where a file comes from: its bytes, and its key if that is known. The bytes are checked against their record.
    ///
    /// # Errors
    /// When no record lists a file of these bytes, or the lake cannot be read.
    pub async fn explain_file(&self, name: &str, bytes: Bytes) -> Result<FileOrigin, HostError> {
        let unlisted = || HostError::Unlisted { file: name.to_owned() };
        let sha256 = sha256_hex(&bytes);
        let words = parquet_words(bytes).map_err(|_| unlisted())?;
        let number = |name: &str| words.get(name).and_then(|number| number.parse().ok());
        let batch = match (words.get("backfill"), number("chunk")) {
            // The file of a chunk was written before its batch had a number.
            (Some(plan), Some(chunk)) => self.batch_of_chunk(plan, chunk).await?,
            _ => words.get("batch").and_then(|batch| batch.parse().ok()).map(BatchNumber),
        };
        let batch = batch.ok_or_else(unlisted)?;
        let manifest = match self.lake.manifest(batch).await? {
            Some(manifest) => manifest.into_record(),
            None => return Err(unlisted()),
        };
        for (star, record) in self.transformations_of(batch).await? {
            let released = record.released.iter().flat_map(|released| {
                released.outputs.iter().map(move |output| (Some(released.observed_batch.0), output))
            });
            let outputs = record.outputs.iter().map(|output| (None, output)).chain(released);
            for (observed_in, output) in outputs {
                if let Some(file) = output.files.iter().find(|file| file.sha256 == sha256) {
                    let origin = Origin { observed_in, ..self.origin(&star, &record).await? };
                    return Ok(of_file(file, Some(origin), None));
                }
            }
        }
        // Living keys have files of their own when a table may have lost rows.
        let keys = manifest.tables.values().filter_map(|entry| entry.keys.as_ref()).flat_map(|keys| &keys.files);
        let mut ingested = manifest.tables.values().flat_map(|entry| &entry.files).chain(keys);
        let ingested = ingested.find(|file| file.sha256 == sha256);
        let by = Ingested { batch: batch.0, taken_at: manifest.taken_at.0, catalog: manifest.catalog };
        ingested.map(|file| of_file(file, None, Some(by))).ok_or_else(unlisted)
    }

    /// The bytes of a file of the lake, from whichever bucket of rows has it.
    ///
    /// # Errors
    /// When none has.
    pub async fn stored_file(&self, key: &str) -> Result<Bytes, HostError> {
        match self.lake.get(Bucket::TransformedData, key).await {
            Err(LakeError::NotFound { .. }) => Ok(self.lake.get(Bucket::Ingestion, key).await?),
            other => Ok(other?),
        }
    }

    /// Where the row of a key of a warehouse table comes from: of a fact each version.
    ///
    /// # Errors
    /// When there is no such table, the key does not fit it, or lake or warehouse cannot be read.
    pub async fn explain_row(&self, table: &str, key: &[String]) -> Result<Vec<RowOrigin>, HostError> {
        let pinned = self.pin().await?;
        let Some(warehouse) = self.prepared_warehouse(&pinned).await? else { return Err(HostError::NothingLoaded) };
        let writers = || {
            let writes = |entry: &totesys_lake::StarEntry| entry.description.output(table).map(|output| output.role);
            pinned.record.stars.iter().filter_map(move |(star, entry)| Some((star.as_str(), writes(entry)?)))
        };
        if let Some((star, Role::Dimension)) = writers().next() {
            let owner = pinned.record.owners.get(table).map_or(star, String::as_str);
            let origin = warehouse.dimension_row_origin(table, key).await?;
            if !origin.exists {
                return Ok(Vec::new());
            }
            // Where the batch is noted the owner changed the row in it, or another star brought it first.
            let first = std::iter::once(owner).chain(writers().map(|(star, _)| star).filter(|star| *star != owner));
            for star in first {
                if let Some((batch, made_by)) = self.newest_with(&pinned, star, table, key, origin.batch).await? {
                    let made_by = Some(made_by);
                    let row =
                        RowOrigin { record_id: None, is_current: true, deleted_in: None, observed_in: batch, made_by };
                    return Ok(vec![row]);
                }
            }
            return Ok(Vec::new());
        }
        // The warehouse says what is no table of it.
        let versions = warehouse.explain_fact(table, key).await?;
        let star = writers().next().map(|(star, _)| star).unwrap_or_default();
        let mut rows = Vec::new();
        for version in versions {
            let batch = BatchNumber(version.loaded_in.unwrap_or(version.observed_in));
            let record = self.lake.transformation(pinned.ledger(star), batch).await?;
            let record = record.filter(|record| version.component_digest.as_ref().is_none_or(|d| *d == record.digest));
            let made_by = match record {
                Some(record) => Some(self.origin(star, &record).await?),
                None => None,
            };
            rows.push(RowOrigin {
                record_id: version.record_id,
                is_current: version.is_current,
                deleted_in: version.deleted_in,
                observed_in: version.observed_in,
                made_by,
            });
        }
        Ok(rows)
    }

    /// The newest transformation of a star whose output has a row of this key, not beyond a batch if one is given.
    async fn newest_with(
        &self,
        pinned: &Pinned,
        star: &str,
        table: &str,
        key: &[String],
        not_beyond: Option<u64>,
    ) -> Result<Option<(u64, Origin)>, HostError> {
        let ledger = pinned.ledger(star);
        let newest = self.lake.newest_transformation(&ledger).await?.map_or(0, |record| record.batch.0);
        let wanted = key.join("\u{1f}");
        for batch in (1..=not_beyond.unwrap_or(newest).min(newest)).rev() {
            let Some(record) = self.lake.transformation(&ledger, BatchNumber(batch)).await? else { break };
            let released = record.released.iter().flat_map(|released| &released.outputs);
            let outputs = record.outputs.iter().chain(released).filter(|output| output.table == table);
            let files: Vec<&FileEntry> = outputs.flat_map(|output| &output.files).collect();
            if files.is_empty() {
                continue;
            }
            let catalog = self.lake.catalog(record.catalog).await?;
            let entry = catalog.as_ref().and_then(|catalog| catalog.stars.get(star));
            let Some(output) = entry.and_then(|entry| entry.description.output(table)) else { continue };
            let named = |name: &String| output.columns.iter().find(|column| column.name == *name).cloned();
            let columns: Vec<_> = output.business_key.iter().filter_map(named).collect();
            for file in files {
                for rows in self.lake.read_rows(Bucket::TransformedData, file, &columns, ROWS).await? {
                    if has_key(&rows?, &output.business_key, &wanted) {
                        return Ok(Some((batch, self.origin(star, &record).await?)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Every transformation of a batch, whatever the star and generation.
    async fn transformations_of(&self, batch: BatchNumber) -> Result<Vec<(String, TransformationRecord)>, HostError> {
        let pinned = self.pin().await?;
        let mut found = Vec::new();
        for star in pinned.record.stars.keys() {
            let newest = self.lake.newest_rebuild(star).await?.map_or(0, |rebuild| rebuild.generation);
            for number in 0..=newest {
                let generations = if number == 0 { vec![] } else { vec![Generation { number, from: batch }] };
                let record = self.lake.transformation(StarLedger::new(star, &generations), batch).await?;
                found.extend(record.map(|record| (star.clone(), record.into_record())));
            }
        }
        Ok(found)
    }

    async fn origin(&self, star: &str, record: &TransformationRecord) -> Result<Origin, HostError> {
        let manifest = self.batch(record.batch).await?;
        let catalog = self.lake.catalog(record.catalog).await?;
        let entry = catalog.as_ref().and_then(|catalog| catalog.stars.get(star));
        let read: BTreeMap<&str, ()> =
            entry.iter().flat_map(|entry| &entry.description.inputs).map(|input| (input.table.as_str(), ())).collect();
        let inputs = manifest.tables.iter().filter(|(table, _)| read.contains_key(table.as_str()));
        let inputs = inputs.map(|(table, entry)| InputOrigin {
            table: table.clone(),
            from_batch: entry.from_batch.0,
            rows: entry.rows,
            files: entry.files.iter().map(|file| file.key.clone()).collect(),
        });
        let stored = match self.lake.get_component(&record.digest).await {
            Ok(_) => true,
            Err(LakeError::FileMissing { .. } | LakeError::FileDigest { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        let signed_by = match entry.filter(|entry| entry.digest == record.digest) {
            Some(entry) => self.signer(star, entry).await?,
            None => None,
        };
        Ok(Origin {
            star: star.to_owned(),
            batch: record.batch.0,
            taken_at: manifest.taken_at.0,
            observed_in: None,
            generation: record.generation,
            component: ComponentOrigin {
                digest: record.digest.clone(),
                version: record.version.clone(),
                contract_version: record.contract_version.clone(),
                catalog: record.catalog,
                note: catalog.as_ref().map(|catalog| catalog.note.clone()).unwrap_or_default(),
                stored,
                signed_by,
            },
            inputs: inputs.collect(),
        })
    }

    /// The trusted key that signed the artefact of an entry for this engine, once artefact and signature are checked.
    async fn signer(&self, star: &str, entry: &totesys_lake::StarEntry) -> Result<Option<String>, HostError> {
        let engine = self.sandbox.engine_for(star);
        let Some(artefact) = entry.artefacts.get(engine.as_str()) else { return Ok(None) };
        let (claim, signature) = claim(star, entry, artefact, engine)?;
        let Ok(code) = self.lake.get_artefact(artefact).await else { return Ok(None) };
        let verified = VerifiedArtifact::verify(claim, code.to_vec(), &signature, &self.publishers);
        Ok(verified.is_ok().then(|| artefact.public_key.clone()))
    }
}

fn of_file(file: &FileEntry, made_by: Option<Origin>, ingested_in: Option<Ingested>) -> FileOrigin {
    FileOrigin {
        key: file.key.clone(),
        sha256: file.sha256.clone(),
        rows: file.rows,
        table: file.table.clone(),
        made_by,
        ingested_in,
    }
}

fn has_key(rows: &RecordBatch, key: &[String], wanted: &str) -> bool {
    let Some(keys) = RowKeys::of(rows, key) else { return false };
    let mut text = String::new();
    (0..rows.num_rows()).any(|row| {
        keys.write(row, &mut text);
        text == wanted
    })
}
