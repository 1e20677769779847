//! The live component of a star, and the rows that a batch delivers to it.

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use star_contract::{Input, MAX_PUSH_ROWS};
use totesys_lake::{ArtefactEntry, Bucket, Lake, Manifest, StarEntry};
use totesys_sandbox::{ArtifactClaim, Digest, EngineKey, Metering, PublisherKey, Signature, VerifiedArtifact};

/// The catalog's entry of a star.
pub(crate) async fn entry(lake: &Lake, star: &str) -> Result<StarEntry> {
    let catalog = lake.newest_catalog().await?.context("the lake has no catalog")?;
    Ok(catalog.stars.get(star).context("the star is not live")?.clone())
}

/// The artefact that production runs on this machine, with its publisher's word for it.
pub(crate) fn published(entry: &StarEntry) -> Result<(&ArtefactEntry, ArtifactClaim, Signature)> {
    let engine = EngineKey::current();
    let artefact = entry.artefacts.get(engine.as_str()).context("the star is not compiled for this engine")?;
    let claim = claim(entry, engine, Digest::from_hex(&artefact.sha256).context("no digest")?)?;
    let signature = Signature::from_hex(&artefact.signature).context("no signature")?;
    Ok((artefact, claim, signature))
}

/// Code that was compiled for this measurement, signed with a key that nobody else has.
pub(crate) fn signed(entry: &StarEntry, metering: Metering, code: Vec<u8>) -> Result<VerifiedArtifact> {
    let key = PublisherKey::from_pkcs8(&PublisherKey::generate()?)?;
    let claim = claim(entry, EngineKey::here(metering), Digest::of(&code))?;
    let signature = key.sign(&claim);
    Ok(VerifiedArtifact::verify(claim, code, &signature, &[key.public()])?)
}

fn claim(entry: &StarEntry, engine: EngineKey, artifact: Digest) -> Result<ArtifactClaim> {
    Ok(ArtifactClaim {
        component: Digest::from_hex(&entry.digest).context("no digest")?,
        star: entry.description.star.clone(),
        version: entry.version.clone(),
        engine,
        artifact,
    })
}

/// What a batch delivers of an input, cut as it is pushed: all of it, or the first pushes that have so many rows.
pub(crate) async fn rows(
    lake: &Lake,
    manifest: &Manifest,
    input: &Input,
    enough: Option<usize>,
) -> Result<Vec<RecordBatch>> {
    let table = manifest.tables.get(&input.table).context("an input was not ingested")?;
    let (mut found, mut count) = (Vec::new(), 0);
    for file in &table.files {
        for rows in lake.read_rows(Bucket::Ingestion, file, &input.columns, MAX_PUSH_ROWS).await? {
            if enough.is_some_and(|enough| count >= enough) {
                return Ok(found);
            }
            let rows = rows?;
            count += rows.num_rows();
            found.push(rows);
        }
    }
    Ok(found)
}

/// Rows as they are pushed.
pub(crate) fn stream(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
    writer.write(rows)?;
    Ok(writer.into_inner()?)
}
