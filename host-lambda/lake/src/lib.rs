//! The lake: what the stages write to S3 and read back. Nothing else in the project knows S3.
//!
//! Every object is written once, with a conditional put, and never changed: data files first, then
//! the record that lists them. A record names its attempt, so that a writer whose answer got lost
//! recognises its own object; a listed file is checked against length and checksum whenever it is
//! read. Records carry a `format` number, and their 64-bit numbers are strings.

mod backfill;
mod batch_number;
mod bucket;
mod catalog;
mod client;
mod digest;
mod error;
mod extraction;
mod failure;
mod file;
mod identity;
pub mod keys;
mod ledger;
mod load;
mod manifest;
mod micros;
mod number_text;
mod open_rows;
mod owners;
mod package;
mod parquet_encoding;
mod parquet_read;
mod parquet_write;
mod purge;
mod rebuild;
mod record;
mod settings;
mod stop;
mod store;
mod transformation;

pub use backfill::{BackfillEnd, BackfillPart, BackfillRecord, ChunkPlace, ChunkProgress, ChunkRecord, ChunkedTable};
pub use batch_number::BatchNumber;
pub use bucket::{Bucket, BucketNames};
pub use catalog::{ArtefactEntry, CatalogRecord, StarEntry};
pub use digest::{Attempt, sha256_hex};
pub use error::{LakeError, Request};
pub use extraction::{CheckRecord, ExtractionRecord, TableCounts, TroubleRecord};
pub use failure::FailureRecord;
pub use file::FileEntry;
pub use identity::{LakeIdentity, SourceIdentity};
pub use ledger::{Generation, StarLedger};
pub use load::{LoadRecord, LoadedTable};
pub use manifest::{Gap, KeySet, Manifest, PreviousManifest, Replay, TableEntry};
pub use micros::Micros;
pub use open_rows::{OpenRow, OpenRows, OpenRun, runs};
pub use owners::owners;
pub use package::DeploymentRecord;
pub use parquet_read::{parquet_words, read_parquet};
pub use parquet_write::{DEFAULT_PART_BYTES, ParquetRoller, Part, PartSpec};
pub use purge::Purged;
pub use rebuild::RebuildRecord;
pub use record::{Committed, Stored, seal_record};
pub use settings::LakeSettings;
pub use stop::StopRecord;
pub use store::{Lake, ObjectEntry, Put};
pub use transformation::{Released, TableOutput, TransformationRecord, Used};
