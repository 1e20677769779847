//! Where things lie. All names are deterministic, plain ASCII and sort the way they are listed.

use crate::{Attempt, BatchNumber, LakeError, Micros};

/// Manifests, newest first.
pub(crate) const MANIFESTS: &str = "manifests/";
/// Extraction records, newest first.
pub(crate) const EXTRACTIONS: &str = "batches/";
/// Check records, newest first.
pub(crate) const CHECKS: &str = "checks/";

/// Extractions that could not be made, by time.
pub(crate) const TROUBLES: &str = "troubles/";
/// Plans of backfills, newest first.
pub(crate) const BACKFILLS: &str = "backfills/";
/// How backfills ended.
pub(crate) const BACKFILL_ENDS: &str = "backfill-ends/";
/// Catalog records, newest first.
pub(crate) const CATALOG: &str = "catalog/";
/// What stars did, star by star.
pub(crate) const STARS: &str = "stars/";
/// Transformations of later generations, star by star.
pub(crate) const GENERATIONS: &str = "generations/";
/// The lake's identity.
pub(crate) const IDENTITY: &str = "lake.json";

/// Twenty digits that sort downwards.
pub(crate) fn inverted(number: u64) -> String {
    format!("{:020}", u64::MAX - number)
}

/// An ingested Parquet file.
#[must_use]
pub fn ingested(table: &str, batch: BatchNumber, attempt: &Attempt, part: u32) -> String {
    format!("{}{attempt}-{part:05}.parquet", ingested_prefix(table, batch))
}

/// Where the ingested files of a table and batch lie.
pub(crate) fn ingested_prefix(table: &str, batch: BatchNumber) -> String {
    format!("data/{}/batch={:020}/", segment(table), batch.0)
}

/// A Parquet file of a chunk of a backfill, which does not know its batch yet.
#[must_use]
pub fn chunk_file(table: &str, plan: &Attempt, chunk: u32, attempt: &Attempt, part: u32) -> String {
    format!("{}{chunk:010}-{attempt}-{part:05}.parquet", chunk_prefix(table, plan))
}

/// Where the files of a table's chunks lie.
pub(crate) fn chunk_prefix(table: &str, plan: &Attempt) -> String {
    format!("data/{}/backfill={plan}/", segment(table))
}

/// Where the records of a backfill's chunks lie.
pub(crate) fn chunks(plan: &Attempt) -> String {
    format!("backfill-chunks/{plan}/")
}

/// Rows of a chunk of a backfill that could not be decoded, as JSON lines.
#[must_use]
pub fn chunk_quarantine(stage: &str, plan: &Attempt, chunk: u32, attempt: &Attempt, part: u32) -> String {
    format!("{QUARANTINE}{}/backfill={plan}/{chunk:010}-{attempt}-{part:05}.jsonl", segment(stage))
}

/// Rows that a stage or star refused, as JSON lines; `writer` tells writers apart: an attempt, or
/// a component's digest.
#[must_use]
pub fn quarantine(stage_or_star: &str, batch: BatchNumber, writer: &str, part: u32) -> String {
    format!("{QUARANTINE}{}/batch={:020}/{}-{part:05}.jsonl", segment(stage_or_star), batch.0, segment(writer))
}

/// Refused changes of a star and table as Parquet, with every column that was ingested.
#[must_use]
pub fn refused(star: &str, batch: BatchNumber, writer: &str, table: &str, part: u32) -> String {
    let (star, writer, table) = (segment(star), segment(writer), segment(table));
    format!("{QUARANTINE}{star}/batch={:020}/{writer}-{table}-{part:05}.parquet", batch.0)
}

/// Where refused rows lie.
pub(crate) const QUARANTINE: &str = "quarantine/";

/// A transformed Parquet file. The day is the snapshot's. What a rebuild wrote names its generation: open rows may have
/// been others then, so that the same component gave something else.
///
/// # Errors
/// When the snapshot time is no day of the calendar.
pub fn transformed(
    table: &str,
    taken_at: Micros,
    batch: BatchNumber,
    star: &str,
    (digest, generation): (&str, u64),
    part: u32,
) -> Result<String, LakeError> {
    let day = taken_at.day().ok_or(LakeError::NoDay)?;
    let digest = digest.get(..16).unwrap_or(digest);
    let (prefix, star) = (transformed_prefix(table), segment(star));
    let generation = if generation > 0 { format!("-generation{generation}") } else { String::new() };
    Ok(format!("{prefix}day={day}/{:020}-{star}-{}{generation}-{part:05}.parquet", batch.0, segment(digest)))
}

/// A transformed Parquet file of rows that were refused in the batch `observed` and taken in a later one. Among rows
/// of one batch, those that newer versions have overtaken have files of their own.
///
/// # Errors
/// As for [`transformed`].
pub fn released(
    table: &str,
    taken_at: Micros,
    batch: BatchNumber,
    star: &str,
    component: (&str, u64),
    (observed, overtaken): (BatchNumber, bool),
    part: u32,
) -> Result<String, LakeError> {
    let own = transformed(table, taken_at, batch, star, component, part)?;
    let stem = own.trim_end_matches(&format!("-{part:05}.parquet")).to_owned();
    let aside = if overtaken { "-overtaken" } else { "" };
    Ok(format!("{stem}-from-{:020}{aside}-{part:05}.parquet", observed.0))
}

/// Where a warehouse table's transformed files lie.
pub(crate) fn transformed_prefix(table: &str) -> String {
    format!("parquets/{}/", segment(table))
}

/// Where a star's records lie, in the buckets of transformation and load.
pub(crate) fn star_records(star: &str) -> String {
    format!("{STARS}{}/", segment(star))
}

/// Where a star's transformations of a generation lie.
pub(crate) fn transformations(star: &str, generation: u64) -> String {
    match generation {
        0 => star_records(star),
        number => format!("{GENERATIONS}{}/{number:020}/", segment(star)),
    }
}

/// That a generation of a star's transformations was begun; the newest first.
pub(crate) fn rebuild(star: &str, generation: u64) -> String {
    format!("{}{}.json", rebuilds(star), inverted(generation))
}

/// Where it is noted which generations of a star's transformations were begun.
pub(crate) fn rebuilds(star: &str) -> String {
    format!("rebuilds/{}/", segment(star))
}

/// A batch that a star's component failed on.
pub(crate) fn failure(star: &str, batch: BatchNumber, digest: &str) -> String {
    let digest = digest.get(..16).unwrap_or(digest);
    format!("{}{}-{}.json", failures(star), batch.inverted_key(), segment(digest))
}

/// Where the batches that a star's components failed on are noted, the newest first.
pub(crate) fn failures(star: &str) -> String {
    format!("failures/{}/", segment(star))
}

/// A batch that a star refused too much of, under one component and one setting.
pub(crate) fn stop(star: &str, batch: BatchNumber, digest: &str, limit: &str) -> String {
    let digest = digest.get(..16).unwrap_or(digest);
    format!("{}{}-{}-{}.json", stops(star), batch.inverted_key(), segment(digest), segment(limit))
}

/// Where a star's stopped batches are noted.
pub(crate) fn stops(star: &str) -> String {
    format!("stops/{}/", segment(star))
}

/// Portable components.
pub(crate) const COMPONENTS: &str = "components/";
/// Compiled components.
pub(crate) const ARTEFACTS: &str = "artefacts/";

/// The functions' packages.
pub(crate) const PACKAGES: &str = "functions/";
/// Templates of stacks.
pub(crate) const TEMPLATES: &str = "templates/";
/// Records of deployments, newest first.
pub(crate) const DEPLOYMENTS: &str = "deployments/";

/// A package of the functions, by its SHA-256.
pub(crate) fn package(sha256: &str) -> String {
    format!("{PACKAGES}{}.zip", segment(sha256))
}

/// A stack's template, by its SHA-256.
pub(crate) fn template(sha256: &str) -> String {
    format!("{TEMPLATES}{}.json", segment(sha256))
}

/// Whether a key is a package's.
pub(crate) fn is_package(key: &str) -> bool {
    is_named_by_digest(key, PACKAGES, ".zip")
}

/// Whether a key is a template's.
pub(crate) fn is_template(key: &str) -> bool {
    is_named_by_digest(key, TEMPLATES, ".json")
}

fn is_named_by_digest(key: &str, prefix: &str, suffix: &str) -> bool {
    let digest = key.strip_prefix(prefix).and_then(|name| name.strip_suffix(suffix));
    digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// A portable component.
pub(crate) fn component(digest: &str) -> String {
    format!("{COMPONENTS}{}.wasm", segment(digest))
}

/// A component compiled for one engine and target.
pub(crate) fn artefact(digest: &str, artefact_key: &str) -> String {
    format!("{ARTEFACTS}{}/{}.cwasm", segment(digest), segment(artefact_key))
}

/// A name as one plain segment of a key: what is not plain becomes `=` and two hex digits.
fn segment(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        let hidden = byte == b'.' && index == 0;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && !hidden) {
            plain.push(char::from(byte));
        } else {
            plain.push_str(&format!("={byte:02X}"));
        }
    }
    plain
}

/// Refuses a key that some S3 server might mistreat.
pub(crate) fn check(key: &str) -> Result<(), LakeError> {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._=/-".contains(&byte))
        && key.len() <= 1024
        && key.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if plain { Ok(()) } else { Err(LakeError::Key { key: key.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_whatever_the_names() {
        let attempt = Attempt::random().unwrap();
        for table in ["sales_order", "Order Details", "../x", ".", "a/b", "Straße", "a=b"] {
            check(&ingested(table, BatchNumber(7), &attempt, 0)).unwrap();
            check(&chunk_file(table, &attempt, 7, &attempt, 0)).unwrap();
        }
        assert_eq!(segment("Order Details"), "Order=20Details");
        assert_eq!(segment("a=20b"), "a=3D20b");
        for key in ["", "a b", "a//b", "/a", "a/", "a/../b", "ä", "a%20b"] {
            assert!(check(key).is_err(), "{key}");
        }
    }

    #[test]
    fn the_layout_is_as_documented() {
        let key =
            transformed("dim_date", Micros(1_724_313_600_000_000), BatchNumber(3), "sales", (&"ab".repeat(32), 0), 2);
        assert_eq!(
            key.unwrap(),
            "parquets/dim_date/day=2024-08-22/00000000000000000003-sales-abababababababab-00002.parquet"
        );
        assert_eq!(
            quarantine("sales", BatchNumber(3), "0123456789abcdef", 0),
            "quarantine/sales/batch=00000000000000000003/0123456789abcdef-00000.jsonl"
        );
        let released = |overtaken| {
            let observed = (BatchNumber(2), overtaken);
            let digest = "ab".repeat(32);
            released("dim_date", Micros(1_724_313_600_000_000), BatchNumber(3), "sales", (&digest, 0), observed, 2)
                .unwrap()
        };
        let stem = "parquets/dim_date/day=2024-08-22/00000000000000000003-sales-abababababababab-from-";
        assert_eq!(released(false), format!("{stem}00000000000000000002-00002.parquet"));
        assert_eq!(released(true), format!("{stem}00000000000000000002-overtaken-00002.parquet"));
        assert_eq!(
            refused("sales", BatchNumber(3), "0123456789abcdef", "a/b", 1),
            "quarantine/sales/batch=00000000000000000003/0123456789abcdef-a=2Fb-00001.parquet"
        );
        let rebuilt =
            transformed("dim_date", Micros(1_724_313_600_000_000), BatchNumber(3), "sales", (&"ab".repeat(32), 7), 2);
        assert_eq!(
            rebuilt.unwrap(),
            "parquets/dim_date/day=2024-08-22/00000000000000000003-sales-abababababababab-generation7-00002.parquet"
        );
        let digest = "0f".repeat(32);
        assert_eq!(package(&digest), format!("functions/{digest}.zip"));
        assert_eq!(template(&digest), format!("templates/{digest}.json"));
        assert!(is_package(&package(&digest)) && is_template(&template(&digest)));
        for other in
            ["functions/x.zip", "functions/", "templates/../x.json", &package(&digest[1..]), &component(&digest)]
        {
            assert!(!is_package(other) && !is_template(other), "{other}");
        }
        assert_eq!(transformations("sales", 0), "stars/sales/");
        assert_eq!(transformations("sales", 7), "generations/sales/00000000000000000007/");
        assert!(inverted(2) < inverted(1) && inverted(10) < inverted(9));
        assert_eq!(inverted(1).len(), 20);
    }
}
