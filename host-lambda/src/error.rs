//! What can stop a stage.

use totesys_lake::LakeError;
use totesys_postgres::ConnectionError;
use totesys_sandbox::SandboxError;
use totesys_secrets::SecretError;
use totesys_source::SourceError;
use totesys_warehouse::WarehouseError;

use crate::settings::SettingsError;

/// What can stop a stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A database's address cannot be used.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A database's address is a secret that cannot be read.
    #[error(transparent)]
    Secret(Box<SecretError>),
    /// The source cannot be read.
    #[error("source: {0}")]
    Source(#[source] Box<SourceError>),
    /// The lake cannot be read or written.
    #[error("lake: {0}")]
    Lake(#[source] Box<LakeError>),
    /// A component failed.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The warehouse cannot be written.
    #[error("warehouse: {0}")]
    Warehouse(#[source] Box<WarehouseError>),
    /// Nothing was published yet.
    #[error("no component is live: the catalog is empty")]
    EmptyCatalog,
    /// The catalog record that a request names is not there.
    #[error("there is no catalog record {number}")]
    UnknownCatalog {
        /// The record's number.
        number: u64,
    },
    /// The live component was not compiled for this engine.
    #[error("star `{star}`: the live component is not compiled for this engine ({engine})")]
    NotCompiled {
        /// The star.
        star: String,
        /// This engine's key.
        engine: String,
    },
    /// A catalog record holds a digest or signature that is none.
    #[error("star `{star}`: the catalog's {what} is malformed")]
    MalformedCatalog {
        /// The star.
        star: String,
        /// What is malformed.
        what: &'static str,
    },
    /// The lake was made for another source.
    #[error(
        "this lake belongs to another source: it was made for database `{expected_database}` of server {expected}, this is `{found_database}` of {found}"
    )]
    OtherSource {
        /// The server the lake was made for.
        expected: String,
        /// Its database.
        expected_database: String,
        /// The server found.
        found: String,
        /// Its database.
        found_database: String,
    },
    /// Two components want a table in ways that cannot both be had.
    #[error("table `{table}`: the live components disagree on {what}")]
    Disagreement {
        /// The source table.
        table: String,
        /// A column or the delivery.
        what: String,
    },
    /// The newest manifest's baseline cannot be read.
    #[error("the baseline of batch {batch} cannot be read")]
    Baseline {
        /// The batch.
        batch: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is no warehouse yet.
    #[error("nothing was ever extracted into this lake, so there is no warehouse")]
    NothingLoaded,
    /// A warehouse to be reloaded has rows.
    #[error("the warehouse is not empty: `{table}` has {rows} rows")]
    NotEmpty {
        /// The first table with rows.
        table: String,
        /// How many.
        rows: u64,
    },
    /// A table was named that no live component reads.
    #[error("table `{table}` is read by no live component")]
    UnknownTable {
        /// The table.
        table: String,
        /// Those that are read.
        known: Vec<String>,
    },
    /// Keys of a table cannot be decoded, so nobody can say which of its rows are gone.
    #[error("table `{table}`: {rows} keys cannot be decoded")]
    UnreadableKeys {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// A rebuild cannot be gone on with.
    #[error("star `{star}`: another rebuild was begun, or another component is live by now")]
    RebuildOvertaken {
        /// The star.
        star: String,
    },
    /// Another star's rebuild has to be swapped in first.
    #[error("a rebuild of star `{star}` is committed and not swapped in yet")]
    RebuildPending {
        /// The other star.
        star: String,
    },
    /// A rebuild would leave batches out.
    #[error(
        "star `{star}` cannot be rebuilt from batch {from}: it has not transformed the batches before, from {latest} on"
    )]
    RebuildGap {
        /// The star.
        star: String,
        /// The batch that was asked for.
        from: u64,
        /// The last batch that is possible.
        latest: u64,
    },
    /// No rebuild of the star waits to be accepted.
    #[error("star `{star}`: no rebuild was swapped in that is neither accepted nor undone")]
    NoRebuild {
        /// The star.
        star: String,
    },
    /// Somebody published meanwhile.
    #[error("catalog record {number} was published meanwhile")]
    CatalogOvertaken {
        /// The record.
        number: u64,
    },
    /// A file is none that the lake's records list.
    #[error("`{file}` is no file that a record of this lake lists")]
    Unlisted {
        /// The file.
        file: String,
    },
    /// Another run made the batch first.
    #[error("another run made batch {batch} first; nothing of this one counts")]
    Overtaken {
        /// The batch.
        batch: u64,
    },
    /// What chunks have read of a table does not make a whole.
    #[error(
        "table `{table}` is read in chunks and is not what it was when they were planned ({reason}); what was read counts for nothing"
    )]
    TableMoved {
        /// The table.
        table: String,
        /// What is different: lower-case words with hyphens.
        reason: &'static str,
    },
    /// A chunk or an end was asked of a backfill that is none any more.
    #[error("no backfill `{plan}` is under way")]
    NoBackfill {
        /// What was asked for.
        plan: String,
    },
    /// A backfill has fewer chunks.
    #[error("backfill `{plan}` has {chunks} chunks, from 0 on, and none of number {chunk}")]
    NoChunk {
        /// The backfill.
        plan: String,
        /// What was asked for.
        chunk: u32,
        /// How many there are.
        chunks: u32,
    },
    /// A backfill cannot be finished yet.
    #[error("backfill `{plan}` has read {read} of its {chunks} chunks")]
    ChunksMissing {
        /// The backfill.
        plan: String,
        /// How many were read.
        read: u32,
        /// How many there are.
        chunks: u32,
    },
    /// A batch lacks a table that a star reads.
    #[error("batch {batch} holds no table `{table}`, which star `{star}` reads")]
    TableNotIngested {
        /// The batch.
        batch: u64,
        /// The table.
        table: String,
        /// The star.
        star: String,
    },
    /// A batch holds rows of a table that the live component does not write any more.
    #[error("batch {batch} of star `{star}` has rows of `{table}`, which its live component does not describe")]
    NoLongerDescribed {
        /// The star.
        star: String,
        /// The table.
        table: String,
        /// The batch.
        batch: u64,
    },
    /// Rows of a file cannot take the columns of the table they are for.
    #[error("rows of `{table}` cannot be given the live component's columns")]
    Columns {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// A component refuses more of a batch than is allowed.
    #[error(
        "star `{star}` refuses {refused} of the {delivered} {delivered_as} of batch {batch}: more than a share of {share}; nothing of the batch is loaded"
    )]
    TooManyRefused {
        /// The star.
        star: String,
        /// The batch.
        batch: u64,
        /// Changes, or rows of snapshots.
        delivered_as: &'static str,
        /// Rows refused until the batch was stopped.
        refused: u64,
        /// Rows the batch delivers so.
        delivered: u64,
        /// The share that is allowed.
        share: f64,
    },
    /// Rows cannot be chosen from a batch of them.
    #[error("rows of `{table}` cannot be taken apart")]
    Rows {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// There is no row with such an id in quarantine.
    #[error("there is no row `{id}` in quarantine")]
    NotInQuarantine {
        /// What was asked for.
        id: String,
    },
    /// The catalog record a batch was made under is not there.
    #[error("batch {batch} was made under catalog record {number}, which is not there")]
    NoCatalogRecord {
        /// The batch.
        batch: u64,
        /// The record's number.
        number: u64,
    },
    /// A batch that records say exists is not there.
    #[error("batch {batch} has no manifest")]
    NoManifest {
        /// The batch.
        batch: u64,
    },
    /// A worker thread died.
    #[error("a worker of the stage stopped unexpectedly")]
    Worker,
    /// A star's part of a Lambda request is missing or unknown.
    #[error("star `{0}` is not in the catalog")]
    UnknownStar(String),
}

/// An error and its causes in one sentence; a cause that only repeats what was said is left out.
#[must_use]
pub fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        cause = error.source();
    }
    said
}

impl HostError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Connection(error) => error.hint(),
            Self::Secret(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Lake(error) => error.hint(),
            Self::Sandbox(error) => error.hint(),
            Self::Warehouse(error) => error.hint(),
            Self::EmptyCatalog => Some("`cargo xtask run` publishes the bundled components first".into()),
            Self::UnknownCatalog { .. } => Some("an execution goes by the record that its extraction names".into()),
            Self::NotCompiled { .. } => Some("publish the components again with this version of the program".into()),
            Self::MalformedCatalog { .. } => Some("publish the components again; the former record stays as it is".into()),
            Self::OtherSource { .. } => {
                Some("check source.url; a copy of the source under another server needs a lake of its own (lake.prefix or lake.folder)".into())
            }
            Self::Disagreement { .. } => Some("the components must describe a shared input alike".into()),
            Self::Baseline { .. } => Some("the manifest was written by another version or was damaged".into()),
            Self::NothingLoaded => Some("run the pipeline first".into()),
            Self::NotEmpty { .. } => {
                Some("name another schema (warehouse.schema) or an empty database; reload never empties one".into())
            }
            Self::UnknownTable { known, .. } => Some(format!("the tables that are read: {}", known.join(", "))),
            Self::UnreadableKeys { .. } => {
                Some("the key's column holds values its described type cannot: correct the description".into())
            }
            Self::RebuildOvertaken { star } => {
                Some(format!("`cargo xtask transform rebuild --star {star}` begins again with what is live now"))
            }
            Self::RebuildPending { star } => Some(format!(
                "finish it: `cargo xtask transform rebuild --star {star}`; a warehouse restored from before several rebuilds is filled by `cargo xtask reload` into an empty one"
            )),
            Self::RebuildGap { latest, .. } => Some(format!("name batch {latest} or an earlier one with --from")),
            Self::NoRebuild { .. } => Some("`cargo xtask transform log` shows what was rebuilt".into()),
            Self::CatalogOvertaken { .. } => Some("look at what is live now, then do it again".into()),
            Self::Unlisted { .. } => Some(
                "it was altered, belongs to another lake, or was left by an attempt that came to nothing".into(),
            ),
            Self::TableMoved { .. } => Some(
                "the next extraction plans the backfill anew; keep VACUUM FULL, CLUSTER and changes of the table's shape away from it".into(),
            ),
            Self::NoBackfill { .. } => Some("it was finished, came to nothing or took too long; the next extraction plans another where one is needed".into()),
            Self::NoChunk { .. } => Some("the extraction that planned the backfill said how many there are".into()),
            Self::ChunksMissing { .. } => Some("read the others first; those that were read stay".into()),
            Self::Overtaken { .. } => Some("nothing is lost: the next run sees what this one saw".into()),
            Self::TableNotIngested { .. } | Self::NoManifest { .. } | Self::NoCatalogRecord { .. } => {
                Some("the lake lost objects, or belongs to another version of the components".into())
            }
            Self::TooManyRefused { star, .. } => Some(format!(
                "`cargo xtask quarantine list --star {star}` shows the rows; put a component live that takes them, or raise `max_refused_share` under [quarantine] (TOTESYS_QUARANTINE_MAX_REFUSED_SHARE)"
            )),
            Self::Rows { .. } => Some("the file was written by another version of the program".into()),
            Self::NotInQuarantine { .. } => Some("`cargo xtask quarantine list` prints the ids of the rows there are".into()),
            Self::Columns { .. } => Some("let the star catch up with the component before, then publish this one".into()),
            Self::NoLongerDescribed { .. } => {
                Some("let the star catch up with the component before, then publish this one again".into())
            }
            Self::Worker => Some("run again; the stage has left nothing half done".into()),
            Self::UnknownStar(_) => Some("`status` lists the live components".into()),
        }
    }
}

impl HostError {
    /// Whether the same stage may succeed in a moment: a server that restarts, a lock, a throttled request.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Secret(error) => error.is_transient(),
            Self::Source(error) => error.is_transient(),
            Self::Lake(error) => error.is_transient(),
            Self::Warehouse(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether a database refused the role or its password: the password may have been changed meanwhile.
    #[must_use]
    pub fn is_refused_login(&self) -> bool {
        let error = match self {
            Self::Source(error) => match &**error {
                SourceError::Connection(error) => error,
                _ => return false,
            },
            Self::Warehouse(error) => match &**error {
                WarehouseError::Connect(error) => error,
                _ => return false,
            },
            _ => return false,
        };
        matches!(error, ConnectionError::WrongPassword { .. })
    }
}

impl From<SecretError> for HostError {
    fn from(error: SecretError) -> Self {
        Self::Secret(Box::new(error))
    }
}

impl From<SourceError> for HostError {
    fn from(error: SourceError) -> Self {
        Self::Source(Box::new(error))
    }
}

impl From<LakeError> for HostError {
    fn from(error: LakeError) -> Self {
        Self::Lake(Box::new(error))
    }
}

impl From<WarehouseError> for HostError {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(Box::new(error))
    }
}
