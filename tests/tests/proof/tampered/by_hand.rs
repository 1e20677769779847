//! Catalog records as no publisher would write them: whoever may write to the bucket can.

use totesys_lake::{ArtefactEntry, CatalogRecord, Committed, Lake};
use totesys_sandbox::{ArtifactClaim, PublisherKey};

/// The record that would follow the live one, and differ from it by this.
pub(crate) async fn next(lake: &Lake, change: impl FnOnce(&mut CatalogRecord)) -> CatalogRecord {
    let mut record = lake.newest_catalog().await.unwrap().unwrap().next("by hand").unwrap();
    change(&mut record);
    record
}

/// Appends that record; gives its number.
pub(crate) async fn append(lake: &Lake, change: impl FnOnce(&mut CatalogRecord)) -> u64 {
    let record = next(lake, change).await;
    let committed = lake.commit_catalog(&record).await.unwrap();
    assert!(matches!(committed, Committed::Ours), "{committed:?}");
    record.number
}

/// A catalog's line of an artefact that this key signed for this claim, whatever is true of it.
pub(crate) fn signed(
    key: &PublisherKey,
    claim: &ArtifactClaim,
    object: String,
    code: &[u8],
) -> (String, ArtefactEntry) {
    let entry = ArtefactEntry {
        key: object,
        sha256: claim.artifact.to_string(),
        bytes: code.len() as u64,
        signature: key.sign(claim).to_string(),
        public_key: key.public().to_string(),
    };
    (claim.engine.as_str().to_owned(), entry)
}
