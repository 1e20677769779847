//! What was measured, where, and what is assumed of AWS Lambda because it could not be measured.

/// When and on what the durations and memory were measured: those of docs/benchmark.md. A Lambda function is another
/// machine; `PROCESSOR_FACTOR` and what follows it say how the one becomes the other.
pub const MEASURED_ON: &str =
    "2026-11-26, 2 cores (AMD EPYC), PostgreSQL and S3 on the same machine (docs/benchmark.md)";

/// Orders in the source of the benchmark.
pub(super) const SOURCE_ROWS: f64 = 5_000_000.0;

/// A run that finds nothing, all tables looked at, in seconds: `empty run`.
pub(super) const EMPTY_RUN: f64 = 0.46;

/// A run that looks at no table, in seconds: `empty run, idle server`. What is the same whatever the source's size.
pub(super) const IDLE_RUN: f64 = 0.05;

/// The changed rows of the benchmark, and what reading, transforming and loading them takes in seconds.
pub(super) const CHANGES: f64 = 10_000.0;
/// Reading them, with Parquet and manifest.
pub(super) const CHANGES_EXTRACTED: f64 = 0.15;
/// Transforming them for all stars.
pub(super) const CHANGES_TRANSFORMED: f64 = 0.05;
/// Loading them: 1.41 s in all, less the run that finds nothing and the two above.
pub(super) const CHANGES_LOADED: f64 = 0.75;

/// A component read, verified and loaded, in seconds: `verified cold load`.
pub(super) const COMPONENT: f64 = 0.010;

/// Requests to S3 by one call of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Requests {
    /// Listings.
    pub(super) lists: u32,
    /// Gets.
    pub(super) gets: u32,
    /// Puts.
    pub(super) puts: u32,
}

impl Requests {
    pub(super) fn all(self) -> u32 {
        self.lists + self.gets + self.puts
    }
}

/// Requests were counted on 2026-11-26 with three stars over the real snapshot of 9,845 orders, by a proxy before the
/// server: `cargo xtask run` on a source that had changed nothing of ours, and after one order with its transaction and
/// payment. What functions ask beyond that (each pins its catalog record; extract says what is due) is counted in the
/// code. An extraction that finds nothing:
pub(super) const EXTRACT_NOTHING: Requests = Requests { lists: 13, gets: 13, puts: 1 };
/// An extraction that makes a batch of one order.
pub(super) const EXTRACT_BATCH: Requests = Requests { lists: 12, gets: 13, puts: 5 };
/// The three transformations of it; one of the stars has nothing to do.
pub(super) const TRANSFORM_ALL: Requests = Requests { lists: 9, gets: 32, puts: 16 };
/// The load of all three.
pub(super) const LOAD_ALL: Requests = Requests { lists: 8, gets: 32, puts: 3 };

/// The stars of that count.
pub(super) const STARS: f64 = 3.0;

/// Bytes that an order with transaction and payment leaves in the lake, records and dimensions included.
pub(super) const BATCH_BYTES: f64 = 55_622.0;

/// Bytes of a further changed row, in the ingested files and the transformed ones, from the first batch: 1.27 MB for the
/// 42,000 rows of the real snapshot.
pub(super) const ROW_BYTES: f64 = 30.0;

/// Bytes that a check leaves.
pub(super) const CHECK_BYTES: f64 = 245.0;

/// Bytes of the lake at the beginning: the first batch, components and artefacts, and the functions' program.
pub(super) const FIRST_BYTES: f64 = 40_000_000.0;

/// How much longer one of Lambda's processors takes than the two of the benchmark. Assumed.
pub(super) const PROCESSOR_FACTOR: f64 = 2.0;

/// The memory in MiB at which a Lambda function has one whole processor; with less it has a share.
pub(super) const WHOLE_PROCESSOR: f64 = 1_769.0;

/// A request to S3, in seconds, and all of them one after the other. Assumed, on the safe side.
pub(super) const REQUEST: f64 = 0.025;

/// A connection to a database with TLS and login, and the secret read, in seconds. Assumed.
pub(super) const CONNECTION: f64 = 0.200;

/// The start of a process, in seconds, which is charged; each call is taken to need one. Assumed.
pub(super) const START: f64 = 0.300;

/// Log lines of one call, with what Lambda adds, in bytes. Assumed.
pub(super) const LOG_BYTES: f64 = 3_000.0;
