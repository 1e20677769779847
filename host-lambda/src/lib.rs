//! The three stages, and what they share.
//!
//! Extract, transform and load are functions of a [`Pipeline`]; a Lambda calls one of them, the local
//! [`Pipeline::run`] calls them in turn. Nothing here knows a Totesys table: the components describe them.

mod artefacts;
mod catalog;
mod error;
mod execution;
mod explain;
mod extract;
mod fallback;
mod foresee;
mod history;
pub mod lambda;
mod load;
pub mod metrics;
mod observe;
mod open_file;
mod pace;
mod pipeline;
mod quarantine;
mod rebuild;
mod reload;
mod retry;
mod row_key;
mod run;
pub mod settings;
mod shadow;
mod status;
mod tables;
pub mod telemetry;
mod transform;

pub use error::{HostError, sentence};
pub use execution::{Begun, Due, DueBackfill, Loading, Standing};
pub use explain::{ComponentOrigin, FileOrigin, Ingested, InputOrigin, Origin, RowOrigin};
pub use extract::{ChunkExtraction, Chunks, Extraction, FinishedBackfill, Full, TableExtraction};
pub use history::FactHistory;
pub use load::StarLoad;
pub use observe::{Observer, Stage};
pub use pipeline::{Pipeline, Places};
pub use quarantine::{Held, QuarantineEntry, QuarantinedRow};
pub use rebuild::{Rebuild, RebuiltTable};
pub use retry::Retries;
pub use run::{RunReport, StarFailure};
pub use shadow::{BatchRehearsal, Example, ExampleKind, Rehearsal, ShadowRun, Side, Subject, TableDifference};
pub use status::{BackfillStatus, HistoryGap, LiveComponent, StarStatus, StarTrouble, Status, Trouble};
pub use transform::StarTransformation;
