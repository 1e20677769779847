//! The metrics the functions write, in embedded metric format on their standard output. All have one dimension, the
//! environment: each further series of a metric costs as much again. Stage, star and batch are properties beside them,
//! which the log finds.

/// The namespace.
pub const NAMESPACE: &str = "Totesys";

/// The one dimension; its value is the prefix of the environment's names.
pub const DIMENSION: &str = "Environment";

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, as CloudWatch calls it.
    pub unit: &'static str,
}

/// How late the warehouse is, as the maximum over the stars: now less the snapshot time of the newest batch or empty
/// check up to which a star is loaded. Written at the end of a load, and by an extraction after which nothing is due.
pub const LAG: Metric = Metric { name: "Lag", unit: "Seconds" };

/// How many stars are not loaded up to the newest batch, at the end of a load.
pub const STARS_BEHIND: Metric = Metric { name: "StarsBehind", unit: "Count" };

/// Rows that extractions ingested.
pub const ROWS: Metric = Metric { name: "Rows", unit: "Count" };

/// Bytes that extractions ingested.
pub const BYTES: Metric = Metric { name: "Bytes", unit: "Bytes" };

/// Rows that went to quarantine.
pub const REFUSED_ROWS: Metric = Metric { name: "RefusedRows", unit: "Count" };

/// How long one call of a stage took.
pub const DURATION: Metric = Metric { name: "Duration", unit: "Milliseconds" };

/// The most memory a component had.
pub const GUEST_MEMORY: Metric = Metric { name: "GuestMemory", unit: "Bytes" };

/// How much of the record ids (int4) is used, as the maximum over the facts.
pub const RECORD_IDS_USED: Metric = Metric { name: "RecordIdsUsed", unit: "Percent" };

/// All of them.
pub const METRICS: [Metric; 8] =
    [LAG, STARS_BEHIND, ROWS, BYTES, REFUSED_ROWS, DURATION, GUEST_MEMORY, RECORD_IDS_USED];
